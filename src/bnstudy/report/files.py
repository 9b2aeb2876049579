"""Where the page finds the files beside it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any


def addresses(stem: str, made: Iterable[Path]) -> dict[str, Any]:
    """Of a figure's files: `files`, ending -> address, and `narrow`, that of the SVG for small screens, or empty."""
    found = {path.name.removeprefix(stem).lstrip("."): f"figures/{path.name}" for path in made}
    return {"narrow": found.pop("_narrow.svg", ""), "files": found}
