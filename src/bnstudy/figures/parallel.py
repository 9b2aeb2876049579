"""Draws figures on all processors at once. Drawing is what a page takes longest for, and no figure needs another."""

import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from bnstudy import console
from bnstudy.figures.writer import Drawing, Target, is_written, write

EACH = 4
"""Figures for each helping process at least: fewer are drawn before it has started."""
WIDTH = 4
"""Bytes of a turn."""
PATIENCE = 120.0
"""Seconds after the last figure in which a helper may finish its own; one that hangs is ended, and loses nothing."""


def write_all(drawings: Sequence[Drawing], target: Target) -> None:
    """Write those of these figures that are not written yet, each by the process that is free first. Raises WriteError.

    Helping processes are forks, so they have all that this one has loaded, extensions included. Where forks are unsafe
    (macOS), this process draws alone. What a helper fails to write, this process tries again, and reports the error.
    """
    left = [drawing for drawing in drawings if not is_written(drawing, target)]
    if not left:
        return
    with _helpers(left, target) as turn, console.counting(len(left), "figures drawn") as drew:
        for i in iter(turn, None):
            write(left[i], target)
            drew(i + 1, left[i].stem)
    for drawing in left:
        write(drawing, target)


@contextmanager
def _helpers(left: Sequence[Drawing], target: Target) -> Iterator[Callable[[], int | None]]:
    """Yield `turn`, which gives the next figure's place in `left`, or None after the last, to whoever asks first; at
    the end wait for the processes that draw as well."""
    turns, end = os.pipe()  # a read takes a turn whole, and no killed process can keep others from it
    os.write(end, b"".join(i.to_bytes(WIDTH, "big") for i in range(len(left))))
    os.close(end)

    def turn() -> int | None:
        taken = os.read(turns, WIDTH)
        return int.from_bytes(taken, "big") if taken else None

    helpers = _started(min(_processors(), len(left) // EACH) - 1, turn, left, target)
    try:
        yield turn
    finally:
        os.read(turns, WIDTH * len(left))
        for helper in helpers:
            helper.join(PATIENCE)
            helper.kill()
        os.close(turns)


def _processors() -> int:
    """The processors that this process may draw on, helpers included."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def _started(count: int, *given: Any) -> list[Any]:
    if count < 1:
        return []
    fork = multiprocessing.get_context("fork")
    helpers = [fork.Process(target=_help, args=(*given, os.getpid()), daemon=True) for _ in range(count)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: pyarrow's survive them
        for helper in helpers:
            helper.start()
    return helpers


def _help(turn: Callable[[], int | None], left: Sequence[Drawing], target: Target, parent: int) -> None:
    """Draw in a forked process until nothing is left, or its parent is gone."""
    with suppress(Exception, KeyboardInterrupt):
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)  # the threads of the parent do not exist here
        for i in iter(turn, None):
            if os.getppid() != parent:
                return
            write(left[i], target)
