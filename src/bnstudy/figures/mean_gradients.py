"""Mean gradient over all weight entries by epoch (7.1.2, 7.2.1), one colour per norm.

The mean absolute value by default; `signed` draws the signed mean, which the thesis's author logged. A layer
weighs in by its number of weights; biases, scales and shifts do not.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from bnstudy.figures import kinds, panels, style
from bnstudy.figures.series import BY, Selection, over_seeds
from bnstudy.results.frames import by_epoch
from bnstudy.verdicts.mean_gradient import mean_gradient

DECADES = 9
"""The most decades that a log axis shows; values below, zero included, are marked at its foot."""


def footer(selection: Selection) -> str:
    mean = "Signed mean" if selection.signed else "Mean absolute value"
    return f"{kinds.footer(selection)} {mean} over all weight entries."


def plotted(selection: Selection) -> pd.DataFrame:
    """BY, epoch (from 1), SUMMARY: the mean over weight entries, averaged over the epoch's sampled steps."""
    rows = selection.rows(selection.frames.layers)
    curves = [_curve(run, selection.signed) for _, run in rows.groupby(["key", "seed"])]
    empty = pd.DataFrame(columns=[*BY, "seed", "epoch", "gradient"])
    return over_seeds(pd.concat(curves) if curves else empty, "gradient")


def _curve(run: pd.DataFrame, signed: bool) -> pd.DataFrame:
    """BY, seed, epoch, gradient: the mean gradient of one run, from its rows of the frame `layers`."""
    column = "weight_grad.mean" if signed else "weight_grad.mean_abs"
    found = by_epoch(run, [column])
    gradient = mean_gradient(found[column], found["size"])
    return pd.DataFrame({"epoch": found["epoch"], "gradient": gradient}).assign(**run[[*BY, "seed"]].iloc[0])


def lacks(selection: Selection, here: pd.DataFrame) -> str:
    return "" if np.isfinite(here["mean"].to_numpy(float)).any() else "no finite gradient"


def legend(selection: Selection) -> list[Line2D]:
    return panels.norm_legend(selection.figure.norms)


def panel(ax: Axes, selection: Selection, here: pd.DataFrame, edges: tuple[bool, bool]) -> list[str]:
    """Draw one data set. Returns notes to write."""
    panels.epochs_axis(ax, int(selection.runs["epochs_run"].max()))
    notes = []
    if not selection.signed:
        _log_axis(ax, here)
    for norm in selection.figure.norms:
        mine = here[here["norm"] == norm]
        if len(mine):
            panels.line(ax, mine, style.norm(norm))
            notes += [] if selection.signed else _below(ax, mine, style.norm(norm))
    ax.grid(axis="y", color="#E4E4E4", linewidth=0.7)
    if selection.signed:
        ax.axhline(0, color="#8A8A8A", linewidth=0.8, zorder=1)
        ax.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)
        ax.yaxis.get_offset_text().set(position=(1, 0), ha="right")
    panels.name_axis(ax, ("mean gradient" if selection.signed else "mean |gradient|") if edges[0] else "")
    return notes


def _log_axis(ax: Axes, here: pd.DataFrame) -> None:
    """A log axis around the values; out to whole decades if it would have fewer than two labels."""
    values = here[["mean", "low", "high"]].to_numpy(float)
    values = values[np.isfinite(values) & (values > 0)]
    high = values.max() if len(values) else 1.0
    low = max(values.min() if len(values) else 0.1, high * 10.0**-DECADES)
    ax.set_yscale("log")
    decades = np.log10([low / 1.3, high * 1.3])
    if np.floor(decades[1]) <= np.ceil(decades[0]):
        decades = np.floor(decades[0]), np.ceil(decades[1])
    ax.set_ylim(10.0 ** decades[0], 10.0 ** decades[1])
    ax.yaxis.set_major_locator(LogLocator(10, numticks=6))
    ax.yaxis.set_minor_locator(NullLocator())


def _below(ax: Axes, curve: pd.DataFrame, look: style.Look) -> list[str]:
    """Mark epochs whose mean is below the axis by triangles at its foot."""
    foot = ax.get_ylim()[0]
    below = curve[curve["mean"] < foot]
    if below.empty:
        return []
    ax.plot(below["epoch"], np.full(len(below), foot), "v", color=look.color, markersize=4.5, clip_on=False, zorder=7)
    what = "exactly 0" if (below["mean"] == 0).all() else "below the axis"
    first, last = below["epoch"].min(), below["epoch"].max()
    between = curve[curve["epoch"].between(first, last)]
    span = f"{first}" if first == last else f"{first} to {last}"
    return [f"{look.label}: {what} in {'' if len(between) == len(below) else 'some of '}epochs {span} (▼)"]
