"""The data sets: one file each, which declares it. A new file here is a new data set.

Importing this imports neither torch nor numpy. The modules whose names start with an underscore are not data sets:
`_spec` defines what a data set declares, `_registry` collects the declarations, `_files` reads and writes the array
files, `_obtain` downloads and imports them.
"""

import contextlib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from bnstudy import paths, small_json
from bnstudy.datasets._registry import REGISTRY, spec_of
from bnstudy.datasets._spec import MEMBERS, SIDE, Archive, Arrays, DatasetSpec

if TYPE_CHECKING:
    from bnstudy.datasets._files import load
    from bnstudy.datasets._obtain import check, ensure, fetch, import_npz

_ELSEWHERE = {"load": "_files", "check": "_obtain", "ensure": "_obtain", "fetch": "_obtain", "import_npz": "_obtain"}

__all__ = [
    "MEMBERS", "REGISTRY", "SIDE", "Archive", "Arrays", "DatasetSpec", "check", "ensure", "fetch", "import_npz", "load",
    "noted", "spec_of", "stamp",
]  # fmt: skip


def noted(results: Path) -> dict[str, str]:
    """Return the data sets noted as unavailable by the last run of a study (`data fetch --note`), with reasons."""
    found = {}
    for name in REGISTRY:
        with contextlib.suppress(OSError, ValueError, KeyError):
            note = small_json.read(paths.data_state(results, name), dict)
            if note["state"] == "absent":
                found[name] = str(note["reason"])
    return found


def stamp(name: str) -> tuple[str, int, int]:
    """Return path, size and modification time (ns) of a data set's file: what tells a changed file from the same."""
    path = paths.dataset(paths.data_root(), name)
    with contextlib.suppress(OSError):
        status = path.stat()
        return str(path), status.st_size, status.st_mtime_ns
    return str(path), 0, 0


def __getattr__(name: str):
    """Import the functions that need numpy at their first use."""
    if name in _ELSEWHERE:
        return getattr(import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
