"""How many faults a test session has injected: each place that injects one says so, and the session ends with the sum.

A test below tests/faults that injects by its setting alone (an odd folder, a hostile name) counts as one.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

INJECTED: Counter[str] = Counter()
TOLD: list[str] = []
PROPERTIES = "faults injected", "told"


def count(kind: str, number: int = 1) -> None:
    """Note that so many faults of a kind have been injected by this process's tests."""
    INJECTED[kind] += number


def tell(line: str) -> None:
    """Have the session end with this line."""
    TOLD.append(line)


@pytest.fixture(autouse=True)
def tallied(request: pytest.FixtureRequest) -> Iterator[None]:
    """Carries what a test has injected in its report, which a parallel session brings together."""
    before = INJECTED.copy()
    yield
    injected = dict(INJECTED - before)
    if not injected and "faults" in request.node.path.parts:
        injected = {"surroundings": 1}
    request.node.user_properties += zip(PROPERTIES, (injected, TOLD[:]), strict=True)
    TOLD.clear()


def pytest_terminal_summary(terminalreporter) -> None:
    total: Counter[str] = Counter()
    injected, told = PROPERTIES
    reports = [r for found in terminalreporter.stats.values() for r in found if isinstance(r, pytest.TestReport)]
    skipped = {report.nodeid for report in reports if report.skipped}
    for report in reports:
        if report.when == "teardown" and report.nodeid not in skipped:
            properties = dict(report.user_properties)
            total.update(properties.get(injected, {}))
            for line in properties.get(told, ()):
                terminalreporter.write_line(line)
    if total:
        kinds = ", ".join(f"{kind} {number}" for kind, number in total.most_common())
        terminalreporter.write_line(f"{total.total()} faults injected: {kinds}")
