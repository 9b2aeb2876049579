"""Two cells on one page: training loss and validation accuracy by epoch, over the seeds that both have."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Page
from matplotlib.lines import Line2D

from bnstudy import disk
from bnstudy.design.labels import name
from bnstudy.figures import pages, panels, style
from bnstudy.figures.series import over_seeds
from bnstudy.figures.style import Look
from bnstudy.figures.writer import content, csv
from bnstudy.results import frames
from bnstudy.results.record import Record

QUANTITIES = {"Training loss with its penalty (nats)": "loss", "Validation accuracy (%)": "validation_accuracy"}
LOOKS = ("#1B4F9C", "solid"), ("#D55E00", style.DASHED)


def plotted(a: Sequence[Record], b: Sequence[Record]) -> pd.DataFrame:
    """quantity (loss with penalty, nats, from epoch 1; validation_accuracy, percent, from epoch 0), cell (its key),
    epoch, mean, low, high, seeds, running."""
    epochs = frames.build([*a, *b]).epochs.astype({"key": "str"})
    rows = epochs.assign(loss=epochs["data_loss"] + epochs["penalty"])
    parts = [
        over_seeds(rows[rows["epoch"] > 0] if quantity == "loss" else rows, quantity, ["key"]).assign(quantity=quantity)
        for quantity in QUANTITIES.values()
    ]
    table = pd.concat(parts, ignore_index=True).rename(columns={"key": "cell"})
    return table[["quantity", "cell", "epoch", "mean", "low", "high", "seeds", "running"]]


def draw(a: Sequence[Record], b: Sequence[Record], subtitle: str, narrow: bool = False) -> Page:
    """The page; `subtitle` describes the difference."""
    table, cells = plotted(a, b), (a[0].cell, b[0].cell)
    looks = {
        cell.key: Look(f"{letter}: {name(cell)}", *look) for letter, cell, look in zip("AB", cells, LOOKS, strict=True)
    }
    with style.look(narrow):
        legend = [Line2D([], [], color=k.color, linestyle=k.line, label=k.label) for k in looks.values()]
        words = pages.Words(
            "Two cells compared", subtitle, "Means over the seeds that both have; band: lowest to highest."
        )
        page, axes = pages.page(list(QUANTITIES), words, legend, narrow)
        for ax, quantity in zip(axes, QUANTITIES.values(), strict=True):
            here = table[table["quantity"] == quantity]
            panels.epochs_axis(ax, int(here["epoch"].max()))
            for key, look in looks.items():
                panels.line(ax, here[here["cell"] == key], look)
            _scale(ax, quantity, here)
    return page


def _scale(ax: Axes, quantity: str, here: pd.DataFrame) -> None:
    if quantity != "loss":
        panels.accuracy_axis(ax)
        return
    finite = here.loc[np.isfinite(here["mean"]) & (here["mean"] > 0), "mean"]
    if len(finite) and finite.max() > 20 * finite.min():
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0)


def write(a: Sequence[Record], b: Sequence[Record], subtitle: str, folder: Path) -> list[Path]:
    """`<key of A>-<key of B>.svg` and the plotted data as `.csv`; their paths. Raises WriteError."""
    stem = f"{a[0].cell.key}-{b[0].cell.key}"
    disk.write(folder / f"{stem}.csv", csv(plotted(a, b)).encode())
    disk.write(folder / f"{stem}.svg", content(draw(a, b, subtitle), "svg", stem))
    return [folder / f"{stem}.svg", folder / f"{stem}.csv"]
