"""The extensions that this process has loaded (by `extending`). Stdlib only: records and configs ask for them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Extension:
    """What has been loaded: its name, 12 hex of SHA-256 over its Python files, its studies if it has any."""

    name: str
    digest: str
    config: Path | None


LOADED: dict[Any, Extension] = {}
"""Folder or entry point -> what it is; only `extending` writes here."""


def loaded() -> tuple[Extension, ...]:
    return tuple(LOADED.values())


def suffix() -> str:
    """What the source digest of a record says of extensions: `+name:digest` of each."""
    return "".join(f"+{each.name}:{each.digest}" for each in LOADED.values())
