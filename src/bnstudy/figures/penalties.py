"""Data loss (solid) and penalty (dashed) over epochs, where a penalty acts (5.3); one colour per norm."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bnstudy.figures import panels, style
from bnstudy.figures.series import BY, SUMMARY, Selection, over_seeds
from bnstudy.figures.training_curves import loss_top

QUANTITIES = {"data_loss": "solid", "penalty": style.LOSS_DASH}
"""Column of the frame `epochs`, and its dash."""


def plotted(selection: Selection) -> pd.DataFrame:
    """BY, quantity (data_loss, penalty), epoch (from 1) and SUMMARY, in nats."""
    rows = selection.rows(selection.frames.epochs)
    parts = [over_seeds(rows[rows["epoch"] > 0], q).assign(quantity=q) for q in QUANTITIES]
    table = pd.concat(parts, ignore_index=True)
    return table[[*BY, "quantity", "epoch", *SUMMARY]]


def legend(selection: Selection) -> list[Line2D]:
    dashes = {"data loss": "solid", "penalty": style.LOSS_DASH}
    lines = [Line2D([], [], color=style.INK, linestyle=dash, label=label) for label, dash in dashes.items()]
    return [*panels.norm_legend(selection.figure.norms), *lines]


def panel(ax: Axes, selection: Selection, here: pd.DataFrame, edges: tuple[bool, bool]) -> list[str]:
    """Draw one data set. Returns notes to write."""
    panels.epochs_axis(ax, int(selection.runs["epochs_run"].max()))
    for norm in selection.figure.norms:
        for quantity, dash in QUANTITIES.items():
            curve = here[(here["norm"] == norm) & (here["quantity"] == quantity)]
            if len(curve):
                panels.line(ax, curve, style.norm(norm), dash)
    ax.set_ylim(0, loss_top(here, 0.0))
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.grid(axis="y", color="#E4E4E4", linewidth=0.7)
    panels.name_axis(ax, "nats" if edges[0] else "")
    return []
