"""Which machine's times are shown and judged: times of different machines are never compared."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

Machine = tuple[str, ...]
"""Engine, device, hardware, threads and torch."""


def machine_of(row: Any) -> Machine:
    """Return the machine of a row of the frame `timings`; columns that the row lacks are empty."""
    return tuple(str(getattr(row, name, "")) for name in ("engine", "device", "hardware", "threads", "torch"))


def machines(rows: Iterable[Any]) -> list[Machine]:
    """Return the machines of these rows, first the one that is judged: the one with the most rows; of several, one with
    the reference engine, then a GPU."""
    made = Counter(map(machine_of, rows))
    return sorted(made, key=lambda machine: (made[machine], _preferred(machine)), reverse=True)


def _preferred(machine: Machine) -> tuple[bool, bool, Machine]:
    engine, device, *_ = machine
    return engine == "reference", device != "cpu", machine
