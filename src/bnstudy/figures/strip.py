"""The strip at the edge of a panel for cells that make a constant guess, so that the axis shows those that learn.

A cell is a hollow marker in the strip if most or all of its seeds guess, and half filled if fewer do.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from bnstudy.figures import style
from bnstudy.figures.style import Look

LEAST_SPAN = 1.0
"""The least points that an axis of accuracies spans, so that seed noise does not fill it."""
STRIP = 0.12
"""The share of a panel that the strip takes."""


@dataclass(frozen=True)
class Mark:
    """How cells of one column of the table stand in the strip.

    label  of the legend
    words  of the footer
    fill   how matplotlib fills the marker
    """

    label: str
    words: str
    fill: dict[str, Any]


MARKS = {
    "broken": Mark(
        "constant guess", "Hollow, in the strip: most or all seeds make a constant guess.", {"markerfacecolor": "none"}
    ),
    "partly": Mark(
        "constant guess of some seeds",
        "Half filled, in the strip: at most half of the seeds make a constant guess.",
        {"fillstyle": "bottom", "markerfacecoloralt": "white"},
    ),
}
"""Column of the table -> the mark of its cells."""


def marks(table: pd.DataFrame) -> dict[str, Mark]:
    """Return the marks that cells of the table have, by column."""
    return {column: mark for column, mark in MARKS.items() if column in table and table[column].any()}


def handles(table: pd.DataFrame) -> list[Line2D]:
    """Return the legend's entries for the strip."""
    return [
        Line2D([], [], color=style.GREY, linestyle="", marker="o", **mark.fill, label=mark.label)
        for mark in marks(table).values()
    ]


def guessing(rows: pd.DataFrame) -> pd.Series:
    """Return which cells stand in the strip."""
    return rows["broken"] | rows["partly"]


def lanes(count: int) -> np.ndarray:
    """Return the place of each line across the strip, as a share of the panel; the first on top."""
    return STRIP * (1 - (np.arange(count) + 0.5) / count)


def draw(ax: Axes, look: Look, rows: pd.DataFrame, places: np.ndarray, lane: float, horizontal: bool) -> None:
    """Mark the cells of one line that stand in the strip.

    places  of the rows along the strip, in the units of its axis
    lane    across the strip, as a share of the panel
    """
    for column, mark in marks(rows).items():
        along = places[rows[column].to_numpy()]
        across = np.full(len(along), lane)
        x, y = (along, across) if horizontal else (across, along)
        transform = ax.get_xaxis_transform() if horizontal else ax.get_yaxis_transform()
        ax.plot(x, y, color=look.color, marker=look.marker, linestyle="none", markersize=5.5, transform=transform,
                zorder=6, **mark.fill)  # fmt: skip


def value_axis(ax: Axes, here: pd.DataFrame, horizontal: bool) -> None:
    """Limit the axis of accuracies to the cells that learn; lay the strip of the others, if any, at its low end."""
    low, high = _limits(here)
    (ax.set_ylim if horizontal else ax.set_xlim)(low, high)
    if guessing(here).any():
        size = (1, STRIP) if horizontal else (STRIP, 1)
        ax.add_patch(Rectangle((0, 0), *size, transform=ax.transAxes, color=style.PALE, zorder=0.5, linewidth=0))
        low += STRIP * (high - low)
    axis = ax.yaxis if horizontal else ax.xaxis
    axis.set_ticks([tick for tick in axis.get_majorticklocs() if low <= tick <= high])


def _limits(here: pd.DataFrame) -> tuple[float, float]:
    learned = here[~guessing(here)]
    low, high = (learned["low"].min(), learned["high"].max()) if len(learned) else (0.0, 100.0)
    room = max(0.08 * (high - low), (LEAST_SPAN - (high - low)) / 2)
    low, high = low - room, min(100.5, high + room)
    return low - STRIP / (1 - STRIP) * (high - low) * bool(guessing(here).any()), high
