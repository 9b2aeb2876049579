"""The extensions that `bnstudy.extend` has loaded into this process. Stdlib only: records and configs import this."""

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Extension:
    """A loaded extension: its name, 12 hex of SHA-256 over its Python files, and its `config.yaml`, if any."""

    name: str
    digest: str
    config: Path | None


LOADED: dict[Any, Extension] = {}
"""Folder or entry point -> extension; only `bnstudy.extend` writes here."""


def loaded() -> tuple[Extension, ...]:
    return tuple(LOADED.values())


def place_of(error: BaseException) -> str:
    """Return FILE:LINE of the last line of a loaded folder that an error passed; empty if it passed none."""
    folders = [folder for folder in LOADED if isinstance(folder, Path)]
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if any(Path(f.filename).is_relative_to(folder) for folder in folders)]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else ""


def hint() -> str:
    """Return the end of a remedy for an unknown name: an extension may add it, if none is loaded."""
    return "" if LOADED else " If a folder of yours adds it, name the folder with --extensions."


def suffix() -> str:
    """Return what extensions add to a record's source digest: `+name:digest` for each."""
    return "".join(f"+{each.name}:{each.digest}" for each in LOADED.values())
