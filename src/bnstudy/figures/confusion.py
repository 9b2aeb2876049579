"""Which class is taken for which: a heat map per norm, mean over seeds (6.1.2: SVHN has far more low digits)."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from bnstudy.figures import heat, kinds, pages, series, style
from bnstudy.figures.series import BY, Selection

WIDE = pages.Layout(2, (6.0, 3.0), (0.5, 0.95), 0.76, 0.3, 1.2, 0.8)
NARROW = pages.Layout(1, (3.1, 1.52), (0, 0.9), 0.62, 0.28, 1.5, 1.02)
ROOM = 200
"""Maps less wide than this (pixels) have short titles."""
MOST_NAMED = 20
"""More classes than this have no numbers at their rows and columns."""


def layout(count: int, narrow: bool) -> pages.Layout:
    return NARROW if narrow else WIDE


def state(selection: Selection) -> str:
    """As of other figures, but of the runs that have their answers recorded."""
    recorded = len(selection.rows(selection.frames.confusion)[["key", "seed"]].drop_duplicates())
    if not recorded:
        return "not run"
    return series.state(selection) if recorded == len(selection.runs) else "partial"


def footer(selection: Selection) -> str:
    recorded = selection.rows(selection.frames.confusion)
    return f"{kinds.averaged(selection, 'classes by index', recorded)} Rows: true class; columns: answer."


def plotted(selection: Selection) -> pd.DataFrame:
    """BY, label, answer, share: percent of the test images of class `label`, mean over seeds; 0 is left out."""
    rows = selection.rows(selection.frames.confusion)
    rows = rows.assign(share=100 * rows["images"] / rows.groupby(["key", "seed", "label"])["images"].transform("sum"))
    seeds = rows.groupby(BY)["seed"].nunique().rename("seeds").reset_index()
    shares = rows.groupby([*BY, "label", "answer"], as_index=False)["share"].sum().merge(seeds, on=BY)
    return shares.assign(share=shares["share"] / shares["seeds"])[[*BY, "label", "answer", "share"]]


def legend(selection: Selection) -> list[Patch]:
    return heat.legend("none of a class", "a quarter", "all")


def matrix(shares: pd.DataFrame) -> pd.DataFrame:
    """Return the shares of one cell as [label][answer], in percent."""
    classes = range(int(shares[["label", "answer"]].to_numpy().max()) + 1)
    return shares.pivot(index="label", columns="answer", values="share").reindex(classes, columns=classes).fillna(0.0)


def panel(ax: Axes, selection: Selection, here: pd.DataFrame, edges: tuple[bool, bool]) -> list[str]:
    """Draw one data set. Returns notes to write."""
    (row,), notes = heat.grid(ax, selection.figure.norms, 1), []
    ran = set(selection.runs.loc[selection.runs["dataset"] == ax.get_label(), "norm"])
    for one, norm in zip(row, selection.figure.norms, strict=True):
        mine, label = here[here["norm"] == norm], style.norm(norm).label
        if mine.empty:
            one.set_title(label, size=9, weight="normal", pad=3)
            notes += [f"{label}: no answers recorded"] if norm in ran else []
            continue
        shares = matrix(mine)
        heat.draw(one, shares, 100.0, power=0.5)
        one.set_title(
            _title(label, np.diag(shares), one.get_window_extent().width < ROOM), size=9, weight="normal", pad=3
        )
        if len(shares) <= MOST_NAMED:
            ticks = np.arange(len(shares)) + 0.5
            one.set_xticks(ticks, list(shares.columns), size=7.5)
            one.tick_params(length=0, pad=1)
            if one is row[0]:
                one.set_yticks(ticks, list(shares.index), size=7.5, rotation=0)
    return notes


def _title(label: str, accuracies: np.ndarray, short: bool) -> str:
    """The norm, and the lowest and highest accuracy of a class."""
    low, high = accuracies.argmin(), accuracies.argmax()
    if short:
        return f"{label}, {accuracies[low]:.0f} to {accuracies[high]:.0f} %"
    return f"{label}: {accuracies[low]:.0f} % (class {low}) to {accuracies[high]:.0f} % (class {high})"
