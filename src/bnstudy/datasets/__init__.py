"""The data sets: one file each, which declares it. A new file here is a new data set.

Importing this imports neither torch nor numpy. The modules whose names start with an underscore are no data sets:
`_spec` says what one declares, `_files` reads and writes the array files, `_obtain` fetches and imports them.
"""

import contextlib
import json
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from bnstudy import paths
from bnstudy.datasets._spec import MEMBERS, SIDE, Archive, Arrays, DatasetSpec
from bnstudy.errors import UsageError, nearest

if TYPE_CHECKING:
    from bnstudy.datasets._files import load
    from bnstudy.datasets._obtain import check, ensure, fetch, import_npz

_ELSEWHERE = {"load": "_files", "check": "_obtain", "ensure": "_obtain", "fetch": "_obtain", "import_npz": "_obtain"}

__all__ = [
    "MEMBERS", "REGISTRY", "SIDE", "Archive", "Arrays", "DatasetSpec", "check", "ensure", "fetch", "import_npz", "load",
    "noted", "spec_of",
]  # fmt: skip


def _declared() -> dict[str, DatasetSpec]:
    names = [module.name for module in iter_modules(__path__) if not module.name.startswith("_")]
    specs: list[DatasetSpec] = [import_module(f"{__name__}.{name}").SPEC for name in names]
    return {spec.name: spec for spec in sorted(specs, key=lambda spec: (spec.rank, spec.name))}


REGISTRY: dict[str, DatasetSpec] = _declared()


def spec_of(name: str) -> DatasetSpec:
    """The data set of this name. Raises UsageError naming the nearest."""
    if name not in REGISTRY:
        raise UsageError(f"{name}: no such data set{nearest(name, REGISTRY)}", f"Data sets: {', '.join(REGISTRY)}.")
    return REGISTRY[name]


def noted(results: Path) -> dict[str, str]:
    """The data sets that the last run of a study noted as not to be had (`data fetch --note`), each with why."""
    found = {}
    for name in REGISTRY:
        with contextlib.suppress(OSError, ValueError):
            note = json.loads(paths.data_state(results, name).read_text())
            if note["state"] == "absent":
                found[name] = note["reason"]
    return found


def __getattr__(name: str):
    """The functions that need numpy, imported at their first use."""
    if name in _ELSEWHERE:
        return getattr(import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
