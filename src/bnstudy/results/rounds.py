"""Rounds of `bnstudy run --fresh`: train everything the studies ask for once more; repeating the command resumes it.

A note in the results folder records what the studies ask for, the sources and the torch version. Its modification time
is the start of the round, which the jobs read from an environment variable. In a round only files written since its
start count, and no published run counts. The old record of a run is kept until the new one replaces it, so an
interruption loses nothing.
"""

import json
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from bnstudy import disk, paths
from bnstudy.design.study import Study
from bnstudy.results import provenance

SINCE = "BNSTUDY_FRESH_SINCE"
"""Environment variable: the start of the round, in seconds since 1970. Unset outside a round."""


def under_way(results: Path, studies: Sequence[Study]) -> float | None:
    """Return the start of the unfinished round of the same studies; None if there is none."""
    note = _note(results, studies)
    return note.stat().st_mtime if note.exists() and note.read_bytes() == _asked(studies) else None


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
    """Return the start of the round that this process works for; None outside a round."""
    start = os.environ.get(SINCE)
    return float(start) if start else None


def written(file: Path, since: float | None = None) -> float | None:
    """Return when `file` was last written, in seconds since 1970; None if it is absent or older than `since`."""
    try:
        time = file.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None
    return time if since is None or time >= since else None
