"""Rounds of `bnstudy run --fresh`: train everything the studies ask for once more; repeating the command resumes it.

A note in the results folder records what the studies ask for, the sources and the torch version. Its modification time
is the start of the round, which the jobs read from an environment variable. In a round only files written since its
start count, and no published run counts. The old record of a run is kept until the new one replaces it, so an
interruption loses nothing.
"""

import contextlib
import json
import math
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from bnstudy import disk, paths, small_json
from bnstudy.design.study import Study
from bnstudy.errors import UsageError
from bnstudy.results import provenance

SINCE = "BNSTUDY_FRESH_SINCE"
"""Environment variable: the start of the round, in seconds since 1970. Unset outside a round."""

LARGEST = 1 << 26
"""Bytes of the largest note; a run takes about 20."""


def under_way(results: Path, studies: Sequence[Study]) -> float | None:
    """Return the start of the unfinished round of the same studies; None if there is none."""
    note = _note(results, studies)
    with contextlib.suppress(OSError, ValueError):
        if small_json.content(note, LARGEST) == _asked(studies):
            return note.stat().st_mtime
    return None


def begin(results: Path, studies: Sequence[Study]) -> float:
    """Begin a round and return its start. Raises WriteError."""
    disk.write(note := _note(results, studies), _asked(studies))
    return note.stat().st_mtime


def end(results: Path, studies: Sequence[Study]) -> None:
    """Remove the note: the round is complete or abandoned. Raises WriteError."""
    disk.remove(_note(results, studies))


def _note(results: Path, studies: Sequence[Study]) -> Path:
    return paths.round(results, "+".join(study.name for study in studies))


def _asked(studies: Sequence[Study]) -> bytes:
    asked = [*(run.id for s in studies for run in s.runs()), *(cell.key for s in studies for cell in s.cells)]
    return json.dumps([provenance.source_digest(), version("torch"), *asked]).encode()


def since() -> float | None:
    """Return the start of the round that this process works for; None outside a round. Raises UsageError."""
    if not (given := os.environ.get(SINCE)):
        return None
    with contextlib.suppress(ValueError):
        if 0 <= (start := float(given)) < math.inf:
            return start
    raise UsageError(f"{SINCE}: {given[:40]!a} is not a time", "Unset it: `bnstudy run --fresh` sets it for its jobs.")


def written(file: Path, since: float | None = None) -> float | None:
    """Return when `file` was last written, in seconds since 1970; None if it is absent or older than `since`."""
    try:
        time = file.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None
    return time if since is None or time >= since else None
