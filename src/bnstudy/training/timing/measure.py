"""The timing rule of tables B.3 and B.4: both norms in one process in ABBA order, after a warm-up, alone.

A timed epoch consists of `timing.PARTS`, each between two readings of a synchronised clock. On a CPU an epoch was
disturbed if its wall time exceeds its processor time by more than 5 %: it is rejected, counted and, with its partner,
repeated.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import torch

from bnstudy.design.timing import PARTS
from bnstudy.errors import Disturbed
from bnstudy.training.timing.epochs import Parts

PAIRS = 6  # timed epochs per norm: the fewest for which order statistics give a 95 % interval of the median
PATIENCE = 4  # try at most this many times PAIRS
DISTURBED = 1.05  # wall over processor time

Clocks = tuple[Callable[[], float], Callable[[], float]]
CLOCKS: Clocks = time.perf_counter, time.process_time
"""Wall time and processor time, in seconds."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """Seconds of each part of one timed epoch, in the order of PARTS."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def wall_over_cpu(self) -> float:
        return sum(self.wall) / max(sum(self.cpu), 1e-9)


@dataclass(frozen=True, slots=True)
class TimedPairs:
    """Pairs of undisturbed epochs by norm, in the order of measurement, and the rejected epochs."""

    pairs: list[dict[str, Epoch]]
    rejected: list[dict[str, Any]]


def abba() -> Iterator[tuple[str, str]]:
    """Yield the order within each pair: A B, B A, A B, ... so that drift of the machine favours neither norm."""
    return cycle((("none", "batch"), ("batch", "none")))


def measure(
    subjects: dict[str, Parts], what: str, device: str, pairs: int = PAIRS, clocks: Clocks = CLOCKS
) -> TimedPairs:
    """Time `pairs` epochs of each norm. Raises Disturbed if the machine is too busy for that."""

    def epoch(norm: str) -> Epoch:
        return _epoch(subjects[norm], device, clocks)

    for norm in ("none", "batch") * (1 if device == "cpu" else 2):
        epoch(norm)  # warm-up: buffers, caches, and on a GPU the choice of kernels
    kept: list[dict[str, Epoch]] = []
    rejected: list[dict[str, Any]] = []
    for order in islice(abba(), PATIENCE * pairs):
        pair = {norm: epoch(norm) for norm in order}
        bad = [norm for norm in order if device == "cpu" and pair[norm].wall_over_cpu > DISTURBED]
        rejected += [{"norm": norm, "wall_over_cpu": pair[norm].wall_over_cpu} for norm in bad]
        if not bad:
            kept.append(pair)
        if len(kept) == pairs:
            return TimedPairs(kept, rejected)
    raise Disturbed(
        f"{what}: {len(rejected)} of {2 * PATIENCE * pairs} epochs were disturbed by other programs",
        "Nothing was kept. Run the same command again on an idle machine.",
    )


def _epoch(parts: Parts, device: str, clocks: Clocks) -> Epoch:
    (wall, cpu), walls, cpus = clocks, [], []
    for name in PARTS:
        _synchronise(device)
        began = wall(), cpu()
        parts[name]()
        _synchronise(device)
        walls.append(wall() - began[0])
        cpus.append(cpu() - began[1])
    return Epoch(tuple(walls), tuple(cpus))


def _synchronise(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)
