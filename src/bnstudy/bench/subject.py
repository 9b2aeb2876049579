"""What is timed: a call that trains so many steps, and the clock around it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Subject:
    """`run()` trains `steps` steps of each of `cells` cells, or computes as much as they do."""

    run: Callable[[], None]
    steps: float
    cells: int = 1


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds of one run by the wall and of the processor."""

    wall: float
    cpu: float


def clock(subject: Subject, device: str) -> Reading:
    """Run it once; on a GPU the wall time is that between two events on the device."""
    if device == "cpu":
        began, busy = time.perf_counter(), time.process_time()
        subject.run()
        return Reading(time.perf_counter() - began, time.process_time() - busy)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    busy = time.process_time()
    start.record()
    subject.run()
    end.record()
    torch.cuda.synchronize(device)
    return Reading(start.elapsed_time(end) / 1000, time.process_time() - busy)
