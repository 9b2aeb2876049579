"""Extensions: a user's folder that adds data sets, norms, figures, studies, ... without touching the package.

Each `*.py` of the folder whose name does not begin with `_` is imported once, in order of name, and adds its entries
to the registries, which this module exports (`__all__`):

    from bnstudy.extend import norms
    norms.REGISTRY["mine"] = build_mine

A `config.yaml` in the folder adds its studies to those of the config in use, whose margins apply to them. Folders
are named by `--extensions` (an option of every command) or by BNSTUDY_EXTENSIONS, which the jobs of a study inherit; an
installed package names a module in the entry-point group `bnstudy.extensions`. Imports no torch.
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
"""Ids reserved for present and future figures of the thesis and of this project."""
REMEDY = "Correct it, or run without this extension."


def load(folders: Iterable[str | os.PathLike] = ()) -> None:
    """Load these folders, those of BNSTUDY_EXTENSIONS and installed ones, each once. Child processes inherit them.

    Raises UsageError, naming the file, if it cannot be imported or replaces an existing entry.
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
        raise UsageError(f"--extensions {folder}: contains neither a Python file nor a config.yaml", "Add one.")
    package = ModuleType(f"bnstudy_extension_{len(LOADED)}")  # so that `from . import _other` works in the files
    package.__path__ = [str(folder)]
    sys.modules[package.__name__] = package
    for file in files:
        if not file.is_file():  # importing a pipe would wait for its writer
            raise UsageError(f"{file}: not a regular file", REMEDY)
        _entering(str(file), lambda name=f"{package.__name__}.{file.stem}": import_module(name))
    return Extension(_plain(folder.name), provenance.tree_digest(folder), config)


def _installed(point: EntryPoint) -> Extension:
    """Load an installed extension; the digest covers the file of a module, or the folder of a package."""
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
    """Import one file and check the entries it added. Raises UsageError naming it."""
    before = {kind: dict(registry) for kind, registry in _registries().items()}
    try:
        module = enter()
    except StudyError as error:
        raise UsageError(f"{source}: {error.cause}", error.remedy) from error
    except Exception as error:
        message = str(error).partition("\n")[0]
        raise UsageError(f"{source}{_line(error, source)}: {type(error).__name__}: {message}", REMEDY) from error
    for kind, registry in _registries().items():
        _check_entries(source, kind, before[kind], registry)
    return module


def _registries() -> dict[str, dict[str, Any]]:
    more = {"setting": labels.SETTINGS, "reading": labels.READINGS, "figure": figures.REGISTRY, "kind": figures.KINDS}
    return choices.REGISTRIES | more | {"facts of model": MODELS}


def _line(error: Exception, file: str) -> str:
    """Return `:12`, the line of the file at which the error arose, or an empty string if unknown."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return f":{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f":{lines[-1]}" if lines else ""


def _check_entries(source: str, kind: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse replaced or badly named entries: records and papers refer to them by name. Raises UsageError."""
    for name, value in before.items():
        if now.get(name) is not value:
            raise UsageError(f"{source}: replaces the {kind} {name!r}", "Choose another name.")
    pattern = r"[A-Za-z0-9_.]{1,40}" if kind == "figure" else r"[a-z0-9_]{1,40}"
    for name, value in now.items():
        if name in before:
            continue
        if kind == "figure" and re.fullmatch(NUMBERED, str(name)):
            remedy = "Ids like 7.1, E1, L1 and P.1 are reserved for figures of the thesis and of this project."
            raise UsageError(f"{source}: {name!r} cannot be the id of a figure", remedy)
        if not (isinstance(name, str) and re.fullmatch(pattern, name)):
            remedy = "Use lower-case letters, digits and underscores."
            raise UsageError(f"{source}: {name!r} cannot be the name of a {kind}", remedy)
        if kind in ("setting", "reading"):
            _check_fields(source, kind, name, value)
        own = {"dataset": "name", "figure": "id"}.get(kind)
        if own and getattr(value, own, None) != name:
            raise UsageError(f"{source}: {kind} {name!r} has another {own}", f"Register it under its own {own}.")


def _check_fields(source: str, kind: str, name: str, fields: Mapping[str, Any]) -> None:
    """Refuse unknown fields, sizes, and for a reading the fields of settings and vice versa: the cells that have them
    would lose their names. Raises UsageError."""
    if unknown := [field for field in fields if field not in FIELDS]:
        raise UsageError(f"{source}: {kind} {name!r}: {unknown[0]}: no such field{nearest(unknown[0], FIELDS)}", REMEDY)
    settled = {field for row, own in labels.SETTINGS.items() if (kind, name) != ("setting", row) for field in own}
    switches = {field for own in labels.READINGS.values() for field in own} - settled
    others = {*labels.IDENTITY, *labels.SIZE, *(settled if kind == "reading" else switches)}
    if taken := [field for field in fields if field in others]:
        other = "settings" if kind == "reading" else "readings"
        remedy = f"A {kind} cannot set sizes or fields of {other}: set the field in the cells of a study."
        raise UsageError(f"{source}: the {kind} {name!r} sets {taken[0]}", remedy)
