"""Mean gradient over all weight entries by epoch (7.1.2, 7.2.1), one colour per norm.

The mean absolute value by default; `signed` draws the signed mean, which the thesis's author logged. A layer
weighs in by its number of weights; biases, scales and shifts do not.

Within the first epoch single steps are drawn, as far as records have them; an epoch's mean is drawn at its end. If the
gradient explodes within these steps, or a loss is not finite, the axis counts steps on a log scale, so that the
explosion can be seen. A cross marks where the training loss is no longer finite: from there on
there is no mean to draw.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from bnstudy.datasets import REGISTRY
from bnstudy.design.rules import steps_of_epoch
from bnstudy.figures import kinds, panels, style
from bnstudy.figures.series import BY, Selection, over_seeds
from bnstudy.results.frames import by_epoch
from bnstudy.verdicts.accuracies import each
from bnstudy.verdicts.mean_gradient import mean_gradient

DECADES = 9
"""A log axis shows so many decades below the top of the lowest curve; values below, zero included, are marked at its
foot."""

OPTIONAL = ("train_size", "folds")
"""Fields of a cell that may be None, which a frame holds as missing."""

EXPLODED = 10.0
"""A gradient explodes if it grows to so many times that of the first step."""


def footer(selection: Selection) -> str:
    mean = "Signed mean" if selection.signed else "Mean absolute value"
    return f"{kinds.footer(selection)} {mean} over all weight entries."


def plotted(selection: Selection) -> pd.DataFrame:
    """BY, epoch, SUMMARY: the mean over weight entries. Rows of whole epochs, from 1, are averages over the epoch's
    sampled steps; rows below 1 are single steps of the first epoch, as a share of its steps."""
    column = "weight_grad.mean" if selection.signed else "weight_grad.mean_abs"
    at, frames = ["key", "seed", "position", "size"], selection.frames
    epochs = selection.rows(frames.layers[[*at, "epoch", column]])
    early = selection.rows(frames.early[[*at, "step", "weight_grad.mean_abs"]])
    early = early.assign(epoch=early["step"] / early["key"].map(_steps(selection)).astype(float))
    within = early[(early["epoch"] < 1) & (not selection.signed)]  # of steps, only absolute values are recorded
    steps, means = _curves(within, column), _curves(epochs, column)
    return pd.concat([steps, means], ignore_index=True) if len(steps) else means


def _curves(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """BY, epoch, SUMMARY of these rows of the frame `layers`, or of `early` with a column `epoch`."""
    curves = [pd.DataFrame(columns=[*BY, "seed", "epoch", "gradient"])]
    for _, run in rows.groupby(["key", "seed"]):
        found = by_epoch(run, [column])
        values = {"epoch": found["epoch"], "gradient": mean_gradient(found[column], found["size"])}
        curves.append(pd.DataFrame(values).assign(**run[[*BY, "seed"]].iloc[0]))
    return over_seeds(pd.concat(curves[1:] or curves), "gradient")


def _steps(selection: Selection) -> dict[str, int]:
    """Return the steps of an epoch of each cell, by key."""
    runs = selection.runs
    optional = {column: runs[column].astype(object).where(runs[column].notna(), None) for column in OPTIONAL}
    return {
        row.key: steps_of_epoch(row, row.train_size or REGISTRY[row.dataset].train)
        for row in each(runs.assign(**optional))
    }


def lacks(selection: Selection, here: pd.DataFrame) -> str:
    return "" if np.isfinite(here["mean"].to_numpy(float)).any() else "no finite gradient"


def legend(selection: Selection) -> list[Line2D]:
    return panels.norm_legend(selection.figure.norms)


def panel(ax: Axes, selection: Selection, here: pd.DataFrame, edges: tuple[bool, bool]) -> list[str]:
    """Draw one data set. Returns notes to write."""
    last, runs = int(selection.runs["epochs_run"].max()), selection.runs
    panels.epochs_axis(ax, last)
    notes = []
    if not selection.signed:
        _log_axis(ax, here)
    for norm in selection.figure.norms:
        mine, look = here[here["norm"] == norm], style.norm(norm)
        if len(mine):
            panels.line(ax, mine, look)
            notes += [] if selection.signed else _below(ax, mine[mine["epoch"] >= 1], look)
        own = runs[(runs["dataset"] == ax.get_label()) & (runs["norm"] == norm)]
        notes += [] if selection.signed else _not_finite(ax, own, mine, _steps(selection), look)
    if _explodes(here, runs[runs["dataset"] == ax.get_label()]):
        _step_axis(ax, here["epoch"].min(), last)
    ax.grid(axis="y", color="#E4E4E4", linewidth=0.7)
    if selection.signed:
        ax.axhline(0, color="#8A8A8A", linewidth=0.8, zorder=1)
        ax.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)
        ax.yaxis.get_offset_text().set(position=(1, 0), ha="right")
    panels.name_axis(ax, ("mean gradient" if selection.signed else "mean |gradient|") if edges[0] else "")
    return notes


def _explodes(here: pd.DataFrame, runs: pd.DataFrame) -> bool:
    """Return True if steps were recorded, and the gradient of one is EXPLODED times that of the first step or some loss
    was not finite."""
    steps = here[here["epoch"] < 1].groupby(["setting", "norm"])["mean"]
    grown = (steps.max() > EXPLODED * steps.first()).any()
    return bool(len(steps) and (grown or (runs["outcome"] == "diverged").any()))


def _step_axis(ax: Axes, first: float, last: int) -> None:
    """Count on a log scale, from the first step, a share `first` of an epoch, to the last epoch."""
    ax.set_xscale("log")
    ax.set_xlim(first, max(1, last))
    decades = [10**i for i in range(6)]
    steps, epochs = [d for d in decades if d * first < 0.5], [d for d in decades if d <= last]
    ax.set_xticks([d * first for d in steps] + epochs, [f"{d:,}" for d in steps] + [f"{d}" for d in epochs])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.axvline(1, color="#8A8A8A", linewidth=0.8, linestyle=":", zorder=1)
    ax.set_xlabel("step of epoch 1     ¦     epoch")


def _log_axis(ax: Axes, here: pd.DataFrame) -> None:
    """A log axis around the values, down to DECADES below the lowest top of a curve, or to a first value, since an
    explosion begins far below its top; out to whole decades if it would have fewer than two labels."""
    values = here[["mean", "low", "high"]].to_numpy(float)
    values = values[np.isfinite(values) & (values > 0)]
    curves = here[here["mean"] > 0].groupby(["setting", "norm"])["mean"]
    foot = pd.concat([curves.max() * 10.0**-DECADES, curves.first()]).min()
    high = values.max() if len(values) else 1.0
    low = max(values.min() if len(values) else 0.1, 10.0**-DECADES if pd.isna(foot) else foot)
    ax.set_yscale("log")
    decades = np.log10([low / 1.3, high * 1.3])
    if np.floor(decades[1]) <= np.ceil(decades[0]):
        decades = np.floor(decades[0]), np.ceil(decades[1])
    ax.set_ylim(10.0 ** decades[0], 10.0 ** decades[1])
    ax.yaxis.set_major_locator(LogLocator(10, numticks=6))
    ax.yaxis.set_minor_locator(NullLocator())


def _not_finite(
    ax: Axes, runs: pd.DataFrame, curve: pd.DataFrame, steps: dict[str, int], look: style.Look
) -> list[str]:
    """Put a cross at the head of the axis where a run's training loss is no longer finite."""
    runs = runs[runs["outcome"] == "diverged"]
    at = [
        row.diverged_epoch if pd.isna(row.diverged_step) else row.diverged_step / steps[row.key] for row in each(runs)
    ]
    if not at:
        return []
    ax.plot(at, np.ones(len(at)), "x", transform=ax.get_xaxis_transform(), color=look.color, markersize=6,
            markeredgewidth=1.8, clip_on=False, zorder=7)  # fmt: skip
    first = runs["diverged_step"].min()
    when = f"step {first:,.0f}" if pd.notna(first) else f"some step of epoch {runs['diverged_epoch'].min()}"
    seen = np.isfinite(curve["mean"].to_numpy(float)).any() if len(curve) else False
    return [f"{look.label}: not finite from {when} on (×)" + ("" if seen else "; no steps recorded before")]


def _below(ax: Axes, curve: pd.DataFrame, look: style.Look) -> list[str]:
    """Mark epochs whose mean is below the axis by triangles at its foot."""
    foot = ax.get_ylim()[0]
    below = curve[curve["mean"] < foot]
    if below.empty:
        return []
    ax.plot(below["epoch"], np.full(len(below), foot), "v", color=look.color, markersize=4.5, clip_on=False, zorder=7)
    what = "exactly 0" if (below["mean"] == 0).all() else "below the axis"
    first, last = int(below["epoch"].min()), int(below["epoch"].max())
    between = curve[curve["epoch"].between(first, last)]
    span = f"{first}" if first == last else f"{first} to {last}"
    return [f"{look.label}: {what} in {'' if len(between) == len(below) else 'some of '}epochs {span} (▼)"]
