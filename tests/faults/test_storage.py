"""A training process that meets a fault at its N-th system call: really killed there, or told an error."""

import pytest

from faults import invariants
from faults.disk import ERRORS


@pytest.fixture(scope="module")
def calls(server, tmp_path_factory) -> list[str]:
    """The names of the system calls of one training."""
    from faults.lab import Lab

    lab = Lab.of_one(server, tmp_path_factory.mktemp("calls"))
    log = lab.folder / "calls"
    assert lab.train(before="faults.disk:count", given=[str(log)]).code == 0
    return log.read_text().split()


def meets(one, calm, calls: list[str], at: int, fault: str) -> None:
    process = one.train(before="faults.disk:install", given=[at, fault])
    invariants.whole_records(one.results) if one.results.exists() else None
    if calls[: at - 1].count("replace") > 1:  # the first checkpoint has been kept: from then on there is one, or more
        assert one.record.exists() or any(path.exists() for path in one.checkpoints)
    if process.code > 0:
        invariants.told_in_two_lines(process, 65, 73)
    before = invariants.records(one.results)
    again = one.train()
    assert again.code == 0, again.err
    invariants.unchanged(before, one.results)
    invariants.settled(one.results, calm, one.runs)


def test_faults_at_some_calls(one, calm, calls):
    """Seven points of the way, each another fault; every call stands in the long part."""
    faults = ("crash", "short", *ERRORS, "crash")
    for index, fault in enumerate(faults):
        at = 1 + index * (len(calls) - 1) // (len(faults) - 1)
        meets(one, calm, calls, at, fault)
        one.record.unlink()


def test_a_kill_as_the_record_takes_its_name(one, calm, calls):
    meets(one, calm, calls, len(calls) - calls[::-1].index("replace"), "crash")


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["crash", "short", *ERRORS])
def test_faults_at_every_call(one, calm, calls, fault):
    assert len(calls) > 100
    for at in range(1, len(calls) + 1):
        meets(one, calm, calls, at, fault)
        one.record.unlink()
