"""What the frames of a study were built from, in `inventory.json` beside them: which runs, which had an own record, and
the code. Frames of other code are built anew, and the page follows them.

Times do not tell: a copy may keep them, and frames of a narrowed study are newer than its records. Stdlib only.
"""

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bnstudy import disk, extensions, paths, small_json
from bnstudy.design.cell import Run
from bnstudy.results import provenance

FILE = "inventory.json"


def of(runs: Sequence[Run], results: Path) -> dict[str, Any]:
    """Return the inventory of these runs as their records are now: `runs`, a digest of them, and `code`, one of the
    code that makes frames and page. One stat per run."""
    lines = sorted(
        f"{run.cell.key}:{run.seed} {paths.record(results, run.cell.key, run.seed).exists():d}" for run in runs
    )
    return {"runs": hashlib.sha256("\n".join(lines).encode()).hexdigest(), "code": _code()}


@functools.cache
def _code() -> str:
    """Return a digest of the package, templates too, and of the extensions loaded."""
    files = (file for file in provenance.PACKAGE.rglob("*") if file.is_file() and file.suffix != ".pyc")
    return provenance.digest_of(provenance.PACKAGE, sorted(files)) + extensions.suffix()


def put(inventory: dict[str, Any], results: Path, study: str) -> None:
    """Write an inventory that was taken before its frames were read. Raises WriteError."""
    disk.write(paths.frames(results, study) / FILE, json.dumps(inventory).encode() + b"\n")


def is_current(runs: Sequence[Run], results: Path, study: str) -> bool:
    """Return True if the frames of a study were built from these runs as they are now, by this code."""
    try:
        return small_json.read(paths.frames(results, study) / FILE, dict) == of(runs, results)
    except (OSError, ValueError):
        return False
