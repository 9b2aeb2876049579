"""Parts of work in order, each result on disk before the next begins; a process that dies costs its own part alone.

An exception ends only its part. A fault of the device, a capture left open or a part that hangs leaves a process in
which nothing works any more: then the parts that remain are done in a new one.
"""

import contextlib
import faulthandler
import json
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnstudy import disk, small_json
from bnstudy.lazy import torch

AT_WORK = "at_work"
"""Key of the part at work, in the file of results."""

SECONDS = "seconds"
"""Key of the durations of the parts."""

BROKEN = 70  # exit status of a process whose device is of no use any more
GRACE = 20.0  # seconds that a process may overrun its time
SLACK = 15.0  # seconds that a part may overrun its minutes; also what a process needs to start
TEXT = 4000  # characters kept of a traceback

Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """`work` makes the part's result from those before it, in `minutes` at most.

    `again`: done at every call, since it continues something or costs nothing. A part at work for more than `limit`
    seconds hangs; without it, for SLACK seconds more than its minutes.
    """

    work: Callable[[Found], Any]
    minutes: float
    again: bool = False
    limit: float | None = None


def read(file: Path) -> Found:
    return small_json.read(file, dict) if file.exists() else {}


def write(file: Path, found: Found) -> None:
    """In one step, so that a kill leaves the old results or the new ones."""
    disk.write(file, json.dumps(found, indent=1, default=str).encode())


def work(parts: dict[str, Part], file: Path, skip: Sequence[str], left: Callable[[], float]) -> int:
    """Do the parts that are not done yet. Return 0, or BROKEN if the device has failed.

    A part begins only if its minutes are left, one done `again` if any of the seconds `left()` are.
    """
    for name, part in parts.items():
        found = read(file)
        if not part.again and name in found and "error" not in found[name]:
            continue
        if name in skip or left() < (0 if part.again else 60 * part.minutes):
            print(f"{name}: left out", flush=True)
            continue
        write(file, found | {AT_WORK: name})
        began = time.monotonic()
        found[name] = _tried(part, found)
        found.setdefault(SECONDS, {})[name] = round(time.monotonic() - began, 1)
        broken = "error" in found[name] and not _answers()
        write(file, found | ({AT_WORK: name} if broken else {}))
        print(f"{name} ({found[SECONDS][name]} s): {json.dumps(found[name], default=str)[:1500]}", flush=True)
        if broken:
            return BROKEN
    return 0


def _tried(part: Part, found: Found) -> Found:
    limit = part.limit or 60 * part.minutes + SLACK
    faulthandler.dump_traceback_later(limit, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        return part.work(found)
    except Exception as error:
        return {"error": repr(error), "traceback": traceback.format_exc()[-TEXT:]}
    finally:
        faulthandler.cancel_dump_traceback_later()


def _answers() -> bool:
    """Return True if the device still works."""
    try:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        return torch.ones(2, device="cuda").sum().item() == 2
    except (RuntimeError, AssertionError):
        return False


def supervise(command: Sequence[str], file: Path, skip: Sequence[str], left: Callable[[], float]) -> int:
    """Run `command`, which calls `work`, with --minutes and --skip; if it dies, run it again without the part at which
    it died. Return the exit status of the last one."""
    died: list[str] = []
    while True:
        given = [*command, "--minutes", f"{left() / 60:.3f}", "--skip", *skip, *died]
        code, asked = _run(given, left() + GRACE)
        part = _blame(file, code)
        if code == 0 or part is None or asked or left() < SLACK:
            return abs(code)
        print(f"{part}: its process ended with {code}; the other parts in a new one", file=sys.stderr, flush=True)
        died.append(part)


def _run(command: Sequence[str], seconds: float) -> tuple[int, bool]:
    """Exit status of the command, ended after so many seconds; and whether this process was asked to stop meanwhile."""
    with subprocess.Popen(command) as process, _stopping(process) as asked:
        try:
            code = process.wait(max(seconds, 0.0))
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    return code, bool(asked)


@contextlib.contextmanager
def _stopping(process: subprocess.Popen) -> Iterator[list[int]]:
    """SIGTERM and SIGINT are for the process."""
    asked: list[int] = []

    def pass_on(number: int, _frame: object) -> None:
        asked.append(number)
        process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _blame(file: Path, code: int) -> str | None:
    """The part that a process has died at, which gets an error as its result unless it has one."""
    found = read(file)
    part = found.pop(AT_WORK, None)
    if part is not None:
        if code != BROKEN:
            found[part] = {"error": f"its process ended with {code}"}
        write(file, found)
    return part
