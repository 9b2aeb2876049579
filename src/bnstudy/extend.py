"""A user's own folder that adds data sets, norms, activations, figures, studies, ... without touching the package.

Each `*.py` of the folder whose name does not begin with `_` is imported once, in the order of the names, and enters
what it adds into the registries, which this module offers (`__all__`):

    from bnstudy.extend import norms
    norms.REGISTRY["mine"] = build_mine

A `config.yaml` in the folder adds its studies to those of the config in use, whose margins hold for them. Folders are
named by `--extensions` (any command takes it) or by BNSTUDY_EXTENSIONS, which the jobs of a study inherit; an installed
package names a module in the entry-point group `bnstudy.extensions`. Imports no torch.
"""

import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from bnstudy import datasets, figures
from bnstudy.design import labels
from bnstudy.design.fields import FIELDS
from bnstudy.design.model_facts import MODELS
from bnstudy.errors import StudyError, UsageError, nearest
from bnstudy.extensions import LOADED, Extension
from bnstudy.figures import style
from bnstudy.lazy import torch
from bnstudy.networks import activations, augmentations, inits, losses, models, norms, optimizers, penalties, schedules
from bnstudy.results import provenance
from bnstudy.studies import choices

__all__ = [
    "UsageError", "activations", "augmentations", "datasets", "figures", "inits", "labels", "load", "losses", "models",
    "norms", "optimizers", "penalties", "schedules", "style", "torch",
]  # fmt: skip

VARIABLE = "BNSTUDY_EXTENSIONS"
GROUP = "bnstudy.extensions"
NUMBERED = r"\d+\.\d+|[EL]\d+|P\.\d+"
"""Ids that figures of the thesis and of this project have, or may have one day."""
REMEDY = "Correct it, or run without this extension."


def load(folders: Iterable[str | os.PathLike] = ()) -> None:
    """Load these folders, those of BNSTUDY_EXTENSIONS and what is installed; each once. Child processes get them too.

    Raises UsageError naming the file that cannot be imported, or that replaces what there is already.
    """
    known = os.environ.get(VARIABLE, "").split(os.pathsep)
    wanted = list(dict.fromkeys(str(Path(folder).expanduser().resolve()) for folder in (*known, *folders) if folder))
    for folder in map(Path, wanted):
        if folder not in LOADED:
            LOADED[folder] = _folder(folder)
    for point in entry_points(group=GROUP):
        if point not in LOADED:
            LOADED[point] = _installed(point)
    if wanted:
        os.environ[VARIABLE] = os.pathsep.join(wanted)


def _folder(folder: Path) -> Extension:
    if not folder.is_dir():
        raise UsageError(f"--extensions {folder}: no such folder", "Give a folder with Python files or a config.yaml.")
    files = sorted(file for file in folder.glob("*.py") if not file.name.startswith("_"))
    config = _config_in(folder)
    if not files and config is None:
        raise UsageError(f"--extensions {folder}: neither a Python file nor a config.yaml in it", "Put one there.")
    package = ModuleType(f"bnstudy_extension_{len(LOADED)}")  # so that `from . import _other` works in the files
    package.__path__ = [str(folder)]
    sys.modules[package.__name__] = package
    for file in files:
        _entering(str(file), lambda name=f"{package.__name__}.{file.stem}": import_module(name))
    return Extension(_plain(folder.name), provenance.tree_digest(folder), config)


def _installed(point: EntryPoint) -> Extension:
    """A module, with its file's digest; or a package, with its folder's."""
    module = _entering(f"{GROUP}: {point.name} = {point.value}", point.load)
    file = Path(module.__file__ or "")
    if hasattr(module, "__path__"):
        return Extension(_plain(point.name), provenance.tree_digest(file.parent), _config_in(file.parent))
    return Extension(_plain(point.name), sha256(file.read_bytes()).hexdigest()[:12], None)


def _config_in(folder: Path) -> Path | None:
    return folder / "config.yaml" if (folder / "config.yaml").is_file() else None


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _entering(source: str, enter: Callable[[], ModuleType]) -> ModuleType:
    """Import one file, and check what it has entered. Raises UsageError naming it."""
    before = {kind: dict(registry) for kind, registry in _registries().items()}
    try:
        module = enter()
    except StudyError as error:
        raise UsageError(f"{source}: {error.cause}", error.remedy) from error
    except Exception as error:
        said = str(error).splitlines() or [""]
        raise UsageError(f"{source}{_line(error, source)}: {type(error).__name__}: {said[0]}", REMEDY) from error
    for kind, registry in _registries().items():
        _check_entries(source, kind, before[kind], registry)
    return module


def _registries() -> dict[str, dict[str, Any]]:
    more = {"setting": labels.SETTINGS, "reading": labels.READINGS, "figure": figures.REGISTRY, "kind": figures.KINDS}
    return choices.REGISTRIES | more | {"facts of model": MODELS}


def _line(error: Exception, file: str) -> str:
    """`:12`, the line of the file at which the error arose, if that is known."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return f":{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f":{lines[-1]}" if lines else ""


def _check_entries(source: str, kind: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Nothing that stood may have changed: records and papers speak of it by its name. Raises UsageError."""
    for name, value in before.items():
        if now.get(name) is not value:
            raise UsageError(f"{source}: replaces the {kind} {name!r}", "Give it a name of its own.")
    pattern = r"[A-Za-z0-9_.]{1,40}" if kind == "figure" else r"[a-z0-9_]{1,40}"
    for name, value in now.items():
        if name in before:
            continue
        if kind == "figure" and re.fullmatch(NUMBERED, str(name)):
            remedy = "Ids like 7.1, E1, L1 and P.1 are those of the thesis's figures and of this project's."
            raise UsageError(f"{source}: {name!r} cannot be the id of a figure", remedy)
        if not (isinstance(name, str) and re.fullmatch(pattern, name)):
            remedy = "Names have lower-case letters, digits and underscores."
            raise UsageError(f"{source}: {name!r} cannot be the name of a {kind}", remedy)
        if kind in ("setting", "reading"):
            _check_fields(source, kind, name, value)
        own = {"dataset": "name", "figure": "id"}.get(kind)
        if own and getattr(value, own, None) != name:
            raise UsageError(f"{source}: {kind} {name!r} has another {own}", f"Enter it under its own {own}.")


def _check_fields(source: str, kind: str, name: str, fields: Mapping[str, Any]) -> None:
    """A reading that flipped what settings are made of would take every cell of theirs its name, and the other way
    round. Raises UsageError."""
    if unknown := [field for field in fields if field not in FIELDS]:
        raise UsageError(f"{source}: {kind} {name!r}: {unknown[0]}: no such field{nearest(unknown[0], FIELDS)}", REMEDY)
    settled = {field for own in labels.SETTINGS.values() for field in own}
    others = {*labels.IDENTITY, *labels.SIZE, *(settled if kind == "reading" else labels.switches())}
    if taken := [field for field in fields if field in others]:
        whose = "settings are" if kind == "reading" else "readings are"
        remedy = f"Sizes, and what {whose} made of, are for no {kind}: name the field in the cells of a study."
        raise UsageError(f"{source}: the {kind} {name!r} has {taken[0]}", remedy)
