"""Panels of heat maps: a panel is cut into a grid of small ones, a column per norm."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.patches import Patch

from bnstudy.figures import style

COLOURS = "viridis"
GAP = 0.05
"""Between columns, as a share of the panel's width."""


def legend(*labels: str) -> list[Patch]:
    """What the colours mean, at equal distances from the lowest to the highest."""
    import matplotlib

    colours = matplotlib.colormaps[COLOURS]
    return [Patch(color=colours(i / (len(labels) - 1)), label=label) for i, label in enumerate(labels)]


def grid(ax: Axes, norms: Sequence[str], rows: int, between: float = 0.0) -> list[list[Axes]]:
    """Cut a panel into `rows` rows of one column per norm, each column with the norm's name; `between` rows a share of
    the panel's height stays free."""
    ax.set_axis_off()
    ax.set_title(ax.get_title(loc="left"), loc="left", pad=18)  # above the titles of the maps
    width, height = (1 + GAP) / len(norms) - GAP, (1 + between) / rows - between
    cut = [
        [ax.inset_axes((j * (width + GAP), 1 - height - i * (height + between), width, height))
         for j in range(len(norms))]
        for i in range(rows)
    ]  # fmt: skip
    for one in (one for row in cut for one in row):
        one.set_facecolor(style.PALE)
        one.set(xticks=[], yticks=[])
    return cut


def draw(ax: Axes, values: pd.DataFrame, high: float, power: float = 1.0) -> None:
    """Draw a table as a heat map from 0 to `high`; cells without a finite value keep the ground of the panel. A `power`
    below 1 spreads small values: a colour is at (value / high) ** power.

    seaborn.heatmap lays the whole page out at each call, and a page has dozens of maps."""
    ax.pcolormesh(
        np.ma.masked_invalid(values.to_numpy(float)), norm=PowerNorm(power, 0.0, high, clip=True), cmap=COLOURS,
        rasterized=True,
    )  # fmt: skip
    ax.spines[:].set_visible(False)
    ax.set(xlim=(0, values.shape[1]), ylim=(values.shape[0], 0), xticks=[], yticks=[])
