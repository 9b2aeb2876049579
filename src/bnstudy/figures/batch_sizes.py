"""Test accuracy against the batch size (7.1.5, 7.2.5): the mean over seeds, its range, and a point per seed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bnstudy.design.labels import SETTINGS
from bnstudy.figures import kinds, panels, style
from bnstudy.figures.catalogue import Figure
from bnstudy.figures.series import BY, Selection

LEAST_SPAN = 3.0
"""The least percent that a panel spans, so that seed noise does not fill it."""


def subject(figure: Figure) -> str:
    return f": {style.model(figure.model)}"


def notes(selection: Selection, here: pd.DataFrame) -> Iterator[str]:
    """The batch sizes that were not run, by norm."""
    for norm in selection.figure.norms:
        ran = set(here.loc[here["norm"] == norm, "setting"])
        absent = [f"{_size(setting):,}" for setting in selection.figure.settings if setting not in ran]
        if absent:
            yield f"{style.norm(norm).label}: not run" + (f" with {', '.join(absent)}" if ran else "")


def _size(setting: str) -> int:
    """The batch size of a setting; the baseline's is 64."""
    return SETTINGS[setting].get("batch_size", 64)


def footer(selection: Selection) -> str:
    return kinds.averaged(selection, "bars: lowest to highest, points: single seeds")


def plotted(selection: Selection) -> pd.DataFrame:
    """BY, batch_size, mean, low, high (percent, by the tested weights), seeds, broken (how many of them)."""
    groups = selection.runs.groupby([*BY, "batch_size"], as_index=False)
    table = groups.agg(
        mean=("test_accuracy", "mean"),
        low=("test_accuracy", "min"),
        high=("test_accuracy", "max"),
        seeds=("seed", "size"),
        broken=("broken", "sum"),
    )
    return table.sort_values(["dataset", "norm", "batch_size"], ignore_index=True)


def lacks(selection: Selection, here: pd.DataFrame) -> str:
    sizes = here["batch_size"].unique()
    return f"batch size {sizes[0]:,} alone" if len(sizes) == 1 else ""


def drawable(selection: Selection) -> bool:
    """Return True if some data set has several batch sizes."""
    return bool((selection.runs.groupby("dataset")["batch_size"].nunique() > 1).any())


def legend(selection: Selection) -> list[Line2D]:
    given = Line2D([], [], color=style.INK, marker="_", linestyle="", markersize=13, label="printed, at 64")
    return [
        *panels.norm_legend(selection.figure.norms, marker=True),
        *([given] if len(kinds.printed_of(selection)) else []),
    ]


def panel(ax: Axes, selection: Selection, here: pd.DataFrame, edges: tuple[bool, bool]) -> list[str]:
    """Draw one data set. Returns notes to write."""
    notes, given = [], kinds.printed_of(selection)
    given = given[given["dataset"] == here["dataset"].iloc[0]]
    for side, norm in zip(np.linspace(-0.06, 0.06, len(selection.figure.norms)), selection.figure.norms, strict=True):
        mine, look = here[here["norm"] == norm], style.norm(norm)
        if mine.empty:
            continue
        x = np.log2(mine["batch_size"].to_numpy(float)) + side
        ax.plot(x, mine["mean"], color=look.color, marker=look.marker, markersize=6)
        ax.vlines(x, mine["low"], mine["high"], color=look.color, linewidth=1.4, alpha=0.7)
        runs = selection.runs[(selection.runs["dataset"] == here["dataset"].iloc[0]) & (selection.runs["norm"] == norm)]
        ax.plot(
            np.log2(runs["batch_size"]) + side, runs["test_accuracy"], ".", color=look.color, markersize=4, alpha=0.6
        )
        for row in given[given["norm"] == norm].itertuples(index=False):
            ax.plot(np.log2(_size(row.setting)) + side, row.printed, "_", color=look.color, markersize=13, zorder=6)
        if sizes := [_broken(row) for row in mine.itertuples(index=False) if row.broken]:
            notes.append(f"{look.label} broken at {', '.join(sizes)}")
    _axes(ax, pd.concat([here["low"], here["high"], given["printed"]]), sorted(selection.runs["batch_size"].unique()))
    panels.name_axis(ax, "test accuracy (%)" if edges[0] else "")
    return notes


def _broken(row: Any) -> str:
    """A batch size at which seeds answer one class, and how many if not all do."""
    return f"{row.batch_size:,}" + (f" ({row.broken} of {row.seeds} seeds)" if row.broken < row.seeds else "")


def _axes(ax: Axes, values: pd.Series, sizes: list[int]) -> None:
    ax.set_xticks([np.log2(s) for s in sizes], [str(s) for s in sizes])
    ax.set_xlim(np.log2(sizes[0]) - 0.4, np.log2(sizes[-1]) + 0.4)
    ax.set_xlabel("batch size")
    low, high = values.min(), values.max()
    room = max(0.08 * (high - low), (LEAST_SPAN - (high - low)) / 2)
    ax.set_ylim(max(-1.0, low - room), min(100.0, high + room) if high < 100 else 100.5)
    ax.grid(axis="y", color="#E4E4E4", linewidth=0.7)
