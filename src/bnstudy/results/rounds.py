"""Rounds of `bnstudy run --fresh`: train everything the study asks for once more; repeating the command resumes it.

A note in the results folder records what the study asks for, the sources and the torch version. Its modification time
is the start of the round, which the jobs read from an environment variable. In a round only files written since its
start count, and no published run counts. The old record of a run is kept until the new one replaces it, so an
interruption loses nothing.
"""

import json
import os
from importlib.metadata import version
from pathlib import Path

from bnstudy import disk, paths
from bnstudy.design.study import Study
from bnstudy.results import provenance

SINCE = "BNSTUDY_FRESH_SINCE"
"""Environment variable: the start of the round, in seconds since 1970. Unset outside a round."""


def under_way(results: Path, study: Study) -> float | None:
    """Return the start of the unfinished round of the same study; None if there is none."""
    note = paths.round(results, study.name)
    return note.stat().st_mtime if note.exists() and note.read_bytes() == _asked(study) else None


def begin(results: Path, study: Study) -> float:
    """Begin a round and return its start. Raises WriteError."""
    disk.write(note := paths.round(results, study.name), _asked(study))
    return note.stat().st_mtime


def end(results: Path, study: Study) -> None:
    """Remove the note: the round is complete or abandoned. Raises WriteError."""
    disk.remove(paths.round(results, study.name))


def _asked(study: Study) -> bytes:
    made_by = [provenance.source_digest(), version("torch")]
    return json.dumps([*made_by, *(run.id for run in study.runs()), *(cell.key for cell in study.cells)]).encode()


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
