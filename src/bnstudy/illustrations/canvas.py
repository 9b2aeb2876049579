"""Helpers for background figures: pages of titled panels, and simple axes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Page

from bnstudy.figures import pages
from bnstudy.illustrations import Background

BLUE, GREEN, ORANGE, PURPLE = "#1B4F9C", "#17A062", "#D55E00", "#7A3E9D"
RAW = {"s": 7, "alpha": 0.5, "linewidths": 0}


def page(
    one: Background, titles: Sequence[str], narrow: bool, legend: Sequence[Any] = (), footer: str = "",
    ratio: float | None = None,
) -> tuple[Page, list[Axes]]:  # fmt: skip
    """A page of titled panels. `ratio`: their height by their width, for a drawing of that shape; else the usual."""
    words, plan = pages.Words(f"Figure {one.id}   {one.title}", "", footer), pages.layout(len(titles), narrow)
    if ratio:
        plan = replace(plan, panel=(plan.panel[0], ratio * plan.panel[0]))
    return pages.page(titles, words, legend, narrow, plan)


def square(ax: Axes, half: float, centre: tuple[float, float] = (0, 0)) -> None:
    """Use the same scale on both axes, `half` around the centre in the shorter direction."""
    box = ax.get_window_extent()
    ratio = box.width / box.height
    x, y = (half * max(1.0, ratio), half * max(1.0, 1 / ratio))
    ax.set(xlim=(centre[0] - x, centre[0] + x), ylim=(centre[1] - y, centre[1] + y))


def crossed(ax: Axes) -> None:
    """Draw light lines through the origin."""
    ax.axhline(0, color="#BBBBBB", linewidth=0.8, zorder=0)
    ax.axvline(0, color="#BBBBBB", linewidth=0.8, zorder=0)


def bare(ax: Axes) -> None:
    """Hide ticks and frame: the drawing has no coordinates to read."""
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)


def surface(loss: Any, ax: Axes, count: int = 121) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x, y and loss, each (count, count), on a grid over the panel's limits."""
    x, y = np.meshgrid(np.linspace(*ax.get_xlim(), count), np.linspace(*ax.get_ylim(), count))
    return x, y, loss(x, y)
