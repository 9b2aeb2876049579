"""What the frames of a study were built from, in `inventory.json` beside them: which runs, and which had an own record.

Times do not tell: a copy may keep them, and frames of a narrowed study are newer than its records. Stdlib only.
"""

import hashlib
import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bnstudy import disk, paths, small_json
from bnstudy.design.cell import Run

FILE = "inventory.json"


def of(runs: Sequence[Run], results: Path) -> dict[str, Any]:
    """Return the inventory of these runs as their records are now: `runs`, a digest of them, and `form`, one of the
    code that builds the frames. One stat per run."""
    lines = sorted(
        f"{run.cell.key}:{run.seed} {paths.record(results, run.cell.key, run.seed).exists():d}" for run in runs
    )
    return {"runs": hashlib.sha256("\n".join(lines).encode()).hexdigest(), "form": _form()}


def _form() -> str:
    spec = find_spec("bnstudy.results.frames")
    assert spec is not None
    assert spec.origin is not None
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()


def put(inventory: dict[str, Any], results: Path, study: str) -> None:
    """Write an inventory that was taken before its frames were read. Raises WriteError."""
    disk.write(paths.frames(results, study) / FILE, json.dumps(inventory).encode() + b"\n")


def is_current(runs: Sequence[Run], results: Path, study: str) -> bool:
    """Return True if the frames of a study were built from these runs as they are now, by this code."""
    try:
        return small_json.read(paths.frames(results, study) / FILE, dict) == of(runs, results)
    except (OSError, ValueError):
        return False
