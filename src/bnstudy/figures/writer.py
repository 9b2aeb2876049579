"""Writes figures: a page in each format, a narrow one for phones beside an SVG, and the plotted data as CSV.

The same data give the same bytes: no dates, a fixed salt for SVG ids. A file that this code has drawn from these data
is left as it is.
"""

import contextlib
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure as Page

from bnstudy import disk, small_json
from bnstudy.errors import UsageError
from bnstudy.figures import style
from bnstudy.results.provenance import source_digest, tree_digest

FORMATS: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": "bnstudy"},
    "pdf": {"CreationDate": None, "Creator": "bnstudy"},
    "png": {"Software": None},
}
"""The formats of a page, each with metadata that keep it free of dates and versions."""


@dataclass(frozen=True)
class Target:
    """Where figures are written, and in which formats. Raises UsageError on a format that is not in FORMATS."""

    folder: Path
    formats: tuple[str, ...] = ("svg",)

    def __post_init__(self):
        for format in self.formats:
            if format not in FORMATS:
                raise UsageError(f"--formats {format}: cannot be written", f"Formats: {', '.join(FORMATS)}.")


@dataclass(frozen=True)
class Drawing:
    """A figure that can be written.

    stem    file name without its ending: fig_7_16
    facts   what its files depend on, besides the code of this folder and what records name as their source
    page    draws it; given True, for a phone's width
    table   the plotted data, if it has any
    """

    stem: str
    facts: tuple[Any, ...]
    page: Callable[[bool], Page]
    table: Callable[[], pd.DataFrame] | None = None


def of_table(stem: str, table: pd.DataFrame, page: Callable[[bool], Page], *facts: Any) -> Drawing:
    """The drawing of a table that is known. `facts`: what the page depends on besides the table."""
    return Drawing(stem, (csv(table), *facts), page, lambda: table)


def write(drawing: Drawing, target: Target) -> list[Path]:
    """Write `<stem>.<format>` for each format, `<stem>_narrow.svg` beside an SVG, and `<stem>.csv` where there is a
    table. Returns their paths. Raises WriteError."""
    files, digest, note = _files(drawing, target), _digest(drawing), _note(drawing, target)
    known = _noted(note)
    for path, content in files.items():
        if known.get(path.name) != digest or not path.exists():
            disk.write(path, content())
    noted = known | {path.name: digest for path in files}
    if noted != known:
        disk.write(note, json.dumps(noted, indent=1, sort_keys=True).encode() + b"\n")
    return list(files)


def is_written(drawing: Drawing, target: Target) -> bool:
    """Return True if `write` has nothing to do."""
    known, digest = _noted(_note(drawing, target)), _digest(drawing)
    return all(known.get(path.name) == digest and path.exists() for path in _files(drawing, target))


def _files(drawing: Drawing, target: Target) -> dict[Path, Callable[[], bytes]]:
    """Path -> what makes the file's content."""
    wide = {f"{drawing.stem}.{format}": partial(_content, drawing, format) for format in target.formats}
    narrow = {f"{drawing.stem}_narrow.svg": partial(_content, drawing, "svg", True)} if "svg" in target.formats else {}
    table = {} if drawing.table is None else {f"{drawing.stem}.csv": partial(_data, drawing.table)}
    return {target.folder / name: content for name, content in (wide | narrow | table).items()}


def _content(drawing: Drawing, format: str, narrow: bool = False) -> bytes:
    return content(drawing.page(narrow), format, drawing.stem)


def _data(table: Callable[[], pd.DataFrame]) -> bytes:
    return csv(table()).encode()


def _note(drawing: Drawing, target: Target) -> Path:
    return target.folder / f".{drawing.stem}.json"


def _noted(note: Path) -> dict[str, str]:
    """The digest that each file was drawn by; empty if there is no note, or a torn one."""
    with contextlib.suppress(OSError, ValueError):
        return small_json.read(note, dict)
    return {}


def _digest(drawing: Drawing) -> str:
    return hashlib.sha256(repr([drawing.facts, _code(), matplotlib.__version__]).encode()).hexdigest()


def _code() -> str:
    """A digest of the code that draws: this folder's, and what records name as their source, with all extensions."""
    return tree_digest(Path(__file__).parent) + source_digest()


def csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n", float_format="%.8g")


def content(page: Page, format: str, salt: str) -> bytes:
    """The file of a page, free of dates; `salt` makes the ids of an SVG."""
    file = io.BytesIO()
    with style.look(salt=salt):
        page.savefig(file, format=format, metadata=FORMATS[format])
    found = file.getvalue()
    return found.replace(b"<defs>", b"<defs>" + _dark().encode(), 1) if format == "svg" else found


def _dark() -> str:
    """A style that an SVG follows where the reader prefers a dark scheme: the colours of style.DARK."""
    rules = [
        f'[style*="{part}: {light.lower()}"]{{{part}:{dark}!important}}'
        for light, dark in style.DARK.items()
        for part in ("fill", "stroke")
    ]
    return f"<style>@media (prefers-color-scheme:dark){{text{{fill:{style.DARK[style.INK]}}}{''.join(rules)}}}</style>"
