"""Export results: frames and tables as CSV, frames as Parquet, tables as LaTeX, runs for TensorBoard.

Everything written here can be rebuilt from the records.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from bnstudy import disk, tables
from bnstudy.results import frames
from bnstudy.results.collect import Results
from bnstudy.tables import practicals

Margins = Mapping[str, float]

GRAINS = (*frames.KEPT, "timings")


def write_csv(results: Results, margins: Margins, folder: Path) -> list[Path]:
    """Write every frame, and the tidy content of every table of the study; return the paths."""
    contents = {name: frames.for_spreadsheets(_frame(results, name)) for name in GRAINS}
    contents |= {f"table_{one.stem}": one.content for one in _tables(results, margins)}
    return [_put(folder / f"{name}.csv", _csv(frame)) for name, frame in contents.items()]


def write_parquet(results: Results, margins: Margins, folder: Path) -> list[Path]:
    """Write every frame, with its column types; return the paths."""
    return [_put(folder / f"{name}.parquet", _frame(results, name).to_parquet(index=False)) for name in GRAINS]


def write_latex(results: Results, margins: Margins, folder: Path) -> list[Path]:
    """Write every table of the study as LaTeX; return the paths. (LaTeX packages: booktabs, longtable, array.)"""
    return [_put(folder / f"{one.stem}.tex", one.texts()["tex"].encode()) for one in _tables(results, margins)]


def write_tensorboard(results: Results, margins: Margins, folder: Path) -> list[Path]:
    """Write an event file per run; return their folders. Raises UsageError if tensorboard is not installed."""
    from bnstudy.exports import tensorboard

    return tensorboard.write(results, folder)


FORMATS: dict[str, Callable[[Results, Margins, Path], list[Path]]] = {
    "csv": write_csv,
    "parquet": write_parquet,
    "latex": write_latex,
    "tensorboard": write_tensorboard,
}
"""Name of a format -> its writer: takes (results, margins of the verdicts, folder), returns the paths."""


def _frame(results: Results, name: str) -> pd.DataFrame:
    return getattr(results, name)


def _tables(results: Results, margins: Margins) -> list[tables.Shown | practicals.Listed]:
    """Return the tables of the thesis for which the study plans cells or has timings, and those of the course reports
    if it has their cells."""
    plan = tables.planned(results.study.trained, results.study.seeds)
    thesis = [one for one in tables.shown(plan, results.runs, results.timings, margins, results.layers) if one.planned]
    return [*thesis, *practicals.shown(plan, results.runs, margins)]


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode()


def _put(path: Path, content: bytes) -> Path:
    disk.write(path, content)
    return path
