"""Draws a figure of the catalogue from the frames, and writes it with the data it shows.

The same data give the same bytes: no dates, a fixed salt for SVG ids. A file that already shows these data, drawn by
this code, is left as it is.
"""

import contextlib
import functools
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure as Page

from bnstudy import disk
from bnstudy.errors import UsageError
from bnstudy.figures import panels, series, style
from bnstudy.figures.catalogue import KINDS, Figure
from bnstudy.figures.series import Notes, Selection, state
from bnstudy.frames import Frames
from bnstudy.provenance import source_digest

__all__ = ["FORMATS", "code", "content", "draw", "render", "renderer", "state", "write"]

FORMATS: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": "bnstudy"},
    "pdf": {"CreationDate": None, "Creator": "bnstudy"},
    "png": {"Software": None},
}
"""What can be written, each with the metadata that keep it free of dates and versions."""


def renderer(figure: Figure) -> Any:
    """The module that paints figures of this kind."""
    return import_module(KINDS[figure.kind].module)


def draw(
    figure: Figure,
    frames: Frames,
    datasets: Sequence[str],
    reading: str = "default",
    *,
    narrow: bool = False,
    signed: bool = False,
) -> tuple[Page, pd.DataFrame]:
    """The figure on a page, one panel per data set, and the plotted data.

    narrow   panels one below the other, for a phone's width
    signed   gradients: the signed mean instead of the mean absolute value
    """
    selection = series.select(figure, frames, datasets, reading, signed)
    table = renderer(figure).plotted(selection)
    return _page(selection, table, series.notes(selection), narrow), table


def _page(selection: Selection, table: pd.DataFrame, said: Notes, narrow: bool) -> Page:
    painter, datasets = renderer(selection.figure), selection.datasets
    with matplotlib.rc_context(rc=style.rc(narrow)):
        page, axes = panels.page(datasets, _words(selection), painter.legend(selection), narrow)
        per_row = 1 if narrow else min(4, len(datasets))
        drawn = [i for i, dataset in enumerate(datasets) if (table["dataset"] == dataset).any()]
        for i, (ax, dataset) in enumerate(zip(axes, datasets, strict=True)):
            here = table[table["dataset"] == dataset]
            if here.empty:
                panels.empty(ax, said[dataset])
                continue
            row = [j for j in drawn if j // per_row == i // per_row]  # an empty panel has no axis to name
            edges = i == row[0], i == row[-1]
            panels.say(ax, [*said[dataset], *painter.panel(ax, selection, here, edges)])
    return page


def _words(selection: Selection) -> panels.Words:
    """The title, the protocol if it is not the full one, and below how seeds are shown."""
    figure, count = selection.figure, series.seeds(selection)
    dots = figure.kind == "batch_sizes"
    spread = "bars: lowest to highest, points: single seeds" if dots else "band: lowest to highest"
    parts = {"no runs": "No runs yet.", "1 seed": "One seed."}
    footer = [parts.get(count, f"Mean of {count}; {spread}.")]
    if not dots and not selection.runs.empty:
        footer.append("A dot marks a seed's last epoch; its last value is held from there.")
    if figure.kind == "mean_gradients":
        footer.append(f"{'Signed mean' if selection.signed else 'Mean absolute value'} over all weight entries.")
    return panels.Words(f"Figure {figure.id}   {figure.title}", series.protocol(selection), " ".join(footer))


def render(
    figure: Figure,
    frames: Frames,
    datasets: Sequence[str],
    out_dir: Path,
    formats: Sequence[str] = ("svg",),
    reading: str = "default",
    *,
    signed: bool = False,
) -> list[Path]:
    """Write `fig_7_16.<format>` for each format, the narrow `fig_7_16_narrow.svg` beside an SVG, and the plotted data
    as `fig_7_16.csv` (`fig_7_16_signed.*` with `signed`). Returns their paths.

    Raises UsageError on a format that is not in FORMATS, and WriteError.
    """
    for format in formats:
        if format not in FORMATS:
            raise UsageError(f"--formats {format}: cannot be written", f"Formats: {', '.join(FORMATS)}.")
    selection = series.select(figure, frames, datasets, reading, signed)
    table = renderer(figure).plotted(selection)
    stem = figure.stem + ("_signed" if signed else "")
    wanted = [(f"{stem}.{f}", f, False) for f in formats] + [(f"{stem}_narrow.svg", "svg", True)] * ("svg" in formats)
    data = table.to_csv(index=False, lineterminator="\n", float_format="%.8g").encode()
    said = series.notes(selection)
    digest = _digest(selection, data, said)
    known = _drawn(out_dir / f".{stem}.json")
    if known.get(f"{stem}.csv") != digest or not (out_dir / f"{stem}.csv").exists():
        disk.write(out_dir / f"{stem}.csv", data)
    for file, format, narrow in wanted:
        if known.get(file) != digest or not (out_dir / file).exists():
            disk.write(out_dir / file, content(_page(selection, table, said, narrow), format, stem))
    drawn = known | dict.fromkeys([f"{stem}.csv", *(file for file, _, _ in wanted)], digest)
    if drawn != known:
        disk.write(out_dir / f".{stem}.json", json.dumps(drawn, indent=1, sort_keys=True).encode() + b"\n")
    return [out_dir / file for file, _, _ in wanted] + [out_dir / f"{stem}.csv"]


def write(
    stem: str, table: pd.DataFrame, draw: Callable[[pd.DataFrame, bool], Page], folder: Path, formats: Sequence[str]
) -> list[Path]:
    """Write a figure beside the catalogue: `<stem>.<format>` for each format, `<stem>_narrow.svg` beside an SVG, and
    `table`, the plotted data, as `<stem>.csv`; the paths.

    draw   gives the page of the table, narrow or not
    Raises WriteError.
    """
    wanted = [(f"{stem}.{f}", f, False) for f in formats] + [(f"{stem}_narrow.svg", "svg", True)] * ("svg" in formats)
    for file, format, narrow in wanted:
        disk.write(folder / file, content(draw(table, narrow), format, stem))
    disk.write(folder / f"{stem}.csv", table.to_csv(index=False, lineterminator="\n", float_format="%.8g").encode())
    return [*(folder / file for file, _, _ in wanted), folder / f"{stem}.csv"]


def _digest(selection: Selection, data: bytes, said: Notes) -> str:
    """Of all that a page depends on: plotted data, notes, words, catalogue entry, code and matplotlib."""
    words = _words(selection)
    titles = [style.dataset(d) for d in selection.datasets]
    facts = [selection.figure, words, said, selection.datasets, titles, code(), matplotlib.__version__]
    points = selection.runs[["name", "seed", "test_accuracy"]].to_csv(index=False)
    return hashlib.sha256(data + repr(facts).encode() + points.encode()).hexdigest()


def code() -> str:
    """A digest of the code that draws: this room's, and what records name as their source, with all extensions."""
    return _own_code() + source_digest()


@functools.cache
def _own_code() -> str:
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _drawn(path: Path) -> dict[str, str]:
    """Which data each file shows, as noted when it was drawn; nothing if there is no note, or a torn one."""
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(path.read_text())
        return known if isinstance(known, dict) else {}
    return {}


def content(page: Page, format: str, salt: str) -> bytes:
    """The file of a page, free of dates; `salt` makes the ids of an SVG."""
    file = io.BytesIO()
    look: dict[Any, Any] = style.RC | {"svg.hashsalt": salt}
    with matplotlib.rc_context(rc=look):
        page.savefig(file, format=format, metadata=FORMATS[format])
    return file.getvalue()
