"""Loss (dashed, left axis) and validation accuracy (solid, right axis) over epochs, one colour per norm."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bnstudy.figures import kinds, panels, style
from bnstudy.figures.series import BY, SUMMARY, Selection, over_seeds

EXPLODED = 3.0
"""A loss has exploded if it is above this multiple of the calmest curve's maximum and above twice that of a uniform
guess."""


def plotted(selection: Selection) -> pd.DataFrame:
    """BY, quantity (`loss`: data loss + penalty, nats, from epoch 1; `validation_accuracy`: percent, from epoch 0),
    epoch and SUMMARY. Epoch 0 has no training loss."""
    rows = selection.rows(selection.frames.epochs)
    rows = rows.assign(loss=rows["data_loss"] + rows["penalty"])
    parts = {
        "loss": over_seeds(rows[rows["epoch"] > 0], "loss"),
        "validation_accuracy": over_seeds(rows, "validation_accuracy"),
    }
    table = pd.concat([part.assign(quantity=quantity) for quantity, part in parts.items()], ignore_index=True)
    return table[[*BY, "quantity", "epoch", *SUMMARY]]


def legend(selection: Selection) -> list[Line2D]:
    return [
        *panels.norm_legend(selection.figure.norms),
        Line2D([], [], color=style.INK, label="validation accuracy"),
        Line2D([], [], color=style.INK, linestyle=style.LOSS_DASH, label="loss + penalty"),
        *([panels.PRINTED] if len(kinds.printed_of(selection)) else []),
    ]


def panel(ax: Axes, selection: Selection, here: pd.DataFrame, edges: tuple[bool, bool]) -> list[str]:
    """Draw one data set. `edges`: is the panel the first, and the last, of its row? Returns notes to write."""
    loss, accuracy = (here[here["quantity"] == q] for q in ("loss", "validation_accuracy"))
    right = ax.twinx()
    panels.epochs_axis(ax, int(selection.runs["epochs_run"].max()))
    panels.accuracy_axis(right)
    top = loss_top(loss, _guess(selection, here))
    ax.set_ylim(0, top)
    ax.yaxis.set_major_locator(MaxNLocator(5))
    notes, curves = [], []
    for norm in selection.figure.norms:
        look, mine = style.norm(norm), loss[loss["norm"] == norm]
        if len(mine):
            panels.line(ax, mine, look, style.LOSS_DASH)
            notes += _clipped(ax, mine, look, top)
            curves.append((accuracy[accuracy["norm"] == norm], look))
            panels.line(right, curves[-1][0], look, "solid", clip_on=False)
    panels.magnify(right, curves)
    if panels.coincide(curves):
        notes.append(f"the accuracies of {' and '.join(look.label for _, look in curves)} coincide")
    given = kinds.printed_of(selection)
    given = given[given["dataset"] == here["dataset"].iloc[0]]
    panels.printed_ticks(right, [(row.printed, style.norm(row.norm)) for row in given.itertuples(index=False)])
    panels.name_axis(ax, "loss (nats)" if edges[0] else "")
    right.set_ylabel("validation accuracy (%)" if edges[1] else "")
    right.tick_params(labelright=edges[1], length=3 if edges[1] else 0, pad=8)
    return notes


def _guess(selection: Selection, here: pd.DataFrame) -> float:
    """The loss of a uniform guess: ln(classes)."""
    runs = selection.runs
    return float(np.log(max(2, runs.loc[runs["dataset"] == here["dataset"].iloc[0], "classes"].max())))


def loss_top(loss: pd.DataFrame, guess: float) -> float:
    """The top of the loss axis: the largest value, except those of an exploded curve, which would squash the others."""
    tops = loss.groupby("norm")["high"].max().dropna()
    if tops.empty:
        return 2 * guess
    limit = max(EXPLODED * tops.min(), 2 * guess) if len(tops) > 1 else np.inf
    within = loss.loc[loss["high"] <= limit, "high"]
    return 1.04 * float(within.max())


def _clipped(ax: Axes, curve: pd.DataFrame, look: style.Look, top: float) -> list[str]:
    """Mark the epochs whose mean is above the axis by triangles at its top. Returns a note with the largest mean."""
    above = curve[curve["mean"] > top]
    if above.empty:
        return []
    x = above["epoch"].to_numpy()
    ax.plot(x, np.full(len(x), top), "^", color=look.color, markersize=6, clip_on=False, zorder=7)
    return [f"{look.label}: loss up to {_plain(above['mean'].max())} (▲)"]


def _plain(value: float) -> str:
    """Two digits, with an exponent only below 10 and from a million on: 2,100 or 3.4e+12."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if 10 <= rounded < 1e6 else f"{value:.2g}"
