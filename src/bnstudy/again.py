"""`bnstudy run --fresh`: all that is asked for is made once more, in a round that the same command goes on with.

A note among the results names what is asked for, and by which sources and torch; its time is when the round began,
which jobs find in a variable. In a round nothing counts as published, and a record counts if it is no older than the
round. So the old record of a run stands until the new one replaces it, and an interruption loses nothing.
"""

import json
import os
from importlib.metadata import version
from pathlib import Path

from bnstudy import paths, provenance, store
from bnstudy.study import Study

SINCE = "BNSTUDY_FRESH_SINCE"
"""Variable: when the round began, in seconds since 1970. Unset: there is no round."""


def under_way(results: Path, study: Study) -> float:
    """When the round began that asks for the same, if one has been left; else 0."""
    note = paths.round(results, study.name)
    return note.stat().st_mtime if note.exists() and note.read_bytes() == _asked(study) else 0.0


def begin(results: Path, study: Study) -> float:
    """Begin a round; when that is. Raises WriteError."""
    store.write(note := paths.round(results, study.name), _asked(study))
    return note.stat().st_mtime


def end(results: Path, study: Study) -> None:
    """There is nothing left of a round, or it is given up."""
    store.remove(paths.round(results, study.name))


def _asked(study: Study) -> bytes:
    made_by = [provenance.source_digest(), version("torch")]
    return json.dumps([*made_by, *(run.id for run in study.runs()), *(cell.key for cell in study.cells)]).encode()


def since() -> float:
    """When the round began that this process works for; 0 if it works for none."""
    return float(os.environ.get(SINCE) or 0)


def counts(record: Path, began: float) -> bool:
    """Whether there is this file, and since the round began."""
    return record.exists() and (not began or record.stat().st_mtime >= began)
