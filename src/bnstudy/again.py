"""`bnstudy run --fresh`: all that is asked for is made once more, in a round that the same command goes on with.

A note among the results names what is asked for; its time is when the round began, which jobs find in a variable. In a
round nothing counts as published, and a record counts if it is no older than the round. So the old record of a run
stands until the new one replaces it, and an interruption loses nothing.
"""

import json
import os
from pathlib import Path

from bnstudy import paths, store
from bnstudy.study import Study

SINCE = "BNSTUDY_FRESH_SINCE"
"""Variable: when the round began, in seconds since 1970. Unset: there is no round."""


def begin(results: Path, study: Study) -> float:
    """When the round began that asks for the same, if one is under way; else one begins now. Raises WriteError."""
    note = paths.round(results)
    asked = json.dumps([study.name, *(run.id for run in study.runs()), *(cell.key for cell in study.cells)]).encode()
    if not note.exists() or note.read_bytes() != asked:
        store.write(note, asked)
    return note.stat().st_mtime


def end(results: Path) -> None:
    """There is nothing left of the round."""
    store.remove(paths.round(results))


def since() -> float:
    """When the round began that this process works for; 0 if it works for none."""
    return float(os.environ.get(SINCE) or 0)


def counts(record: Path, began: float) -> bool:
    """Whether there is this file, and since the round began."""
    return record.exists() and (not began or record.stat().st_mtime >= began)
