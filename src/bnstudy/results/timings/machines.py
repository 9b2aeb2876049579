"""Whose times are shown and judged: seconds of two machines are never set against each other."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

Machine = tuple[str, ...]
"""Engine, device, hardware, threads and torch."""


def machine_of(row: Any) -> Machine:
    """What made a row of the frame `timings`; what the row does not say is empty."""
    return tuple(str(getattr(row, name, "")) for name in ("engine", "device", "hardware", "threads", "torch"))


def machines(rows: Iterable[Any]) -> list[Machine]:
    """The machines that made these rows, first the one that is judged: that which made most; of several the reference
    engine, and a GPU."""
    made = Counter(map(machine_of, rows))
    return sorted(made, key=lambda machine: (made[machine], _liked(machine)), reverse=True)


def _liked(machine: Machine) -> tuple[bool, bool, Machine]:
    engine, device, *_ = machine
    return engine == "reference", device != "cpu", machine
