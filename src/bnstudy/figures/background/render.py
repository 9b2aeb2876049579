"""Writes background figures; one that was drawn by these sources is left as it is."""

import contextlib
import hashlib
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure as Page

from bnstudy import datasets, disk, paths
from bnstudy.figures import style
from bnstudy.figures.background import Background
from bnstudy.figures.render import code, content


def draw(one: Background, narrow: bool = False) -> Page:
    """The figure on a page; narrow: panels one below the other, for a phone's width."""
    topic = import_module(f"bnstudy.figures.background.{one.topic}")
    with matplotlib.rc_context(rc=style.rc(narrow)):
        return getattr(topic, one.function)(one, narrow)


def render(one: Background, out_dir: Path, formats: Sequence[str] = ("svg",)) -> list[Path]:
    """Write `fig_2_5.<format>` for each format, `fig_2_5_narrow.svg` beside an SVG, `fig_L1.csv` if it has a table;
    the paths. Raises WriteError."""
    wanted = _files(one, formats)
    if not is_drawn(one, out_dir, formats):
        for file, (format, narrow) in wanted.items():
            drawn = table(one) if format == "csv" else content(draw(one, narrow), format, one.stem)
            disk.write(out_dir / file, drawn)
        disk.write(_note(one, out_dir), _digest(one, formats).encode())
    return [out_dir / file for file in wanted]


def table(one: Background) -> bytes:
    """The data that the figure shows, as CSV."""
    topic = import_module(f"bnstudy.figures.background.{one.topic}")
    return getattr(topic, one.table)().to_csv(index=False, lineterminator="\n", float_format="%.8g").encode()


def is_drawn(one: Background, out_dir: Path, formats: Sequence[str] = ("svg",)) -> bool:
    """Whether the files are there, as these sources draw them."""
    with contextlib.suppress(OSError):
        known = _note(one, out_dir).read_text() == _digest(one, formats)
        return known and all((out_dir / file).exists() for file in _files(one, formats))
    return False


def _files(one: Background, formats: Sequence[str]) -> dict[str, tuple[str, bool]]:
    """File name -> (format, narrow)."""
    wide = {f"{one.stem}.{format}": (format, False) for format in formats}
    narrow = {f"{one.stem}_narrow.svg": ("svg", True)} if "svg" in formats else {}
    return wide | narrow | ({f"{one.stem}.csv": ("csv", False)} if one.table else {})


def _note(one: Background, out_dir: Path) -> Path:
    return out_dir / f".{one.stem}.txt"


def _digest(one: Background, formats: Sequence[str]) -> str:
    """Of all that a figure depends on: the code, and which data sets are here."""
    here = [(name, _stamp(name)) for name in datasets.REGISTRY] if one.function == "samples" else []
    facts = [one, formats, code(), matplotlib.__version__, here]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _stamp(name: str) -> tuple[int, int]:
    """Size and time of a data set's file; zeros if it is not here."""
    with contextlib.suppress(OSError):
        status = paths.dataset(paths.data_root(), name).stat()
        return status.st_size, status.st_mtime_ns
    return 0, 0
