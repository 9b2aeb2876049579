"""Figures P.4 to P.6: loss and accuracy in training and on the test images by steps, as the course reports draw them.

The panels are those of figures P.1 to P.3, once with the loss and once with the accuracy. In training, values are means
over the batches of each period; on the test images they are those of the network at its end.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Page
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bnstudy.figures import pages, panels, practicals, style
from bnstudy.figures.practicals import LOOKS, Panel, ReportFigure
from bnstudy.figures.writer import Drawing, of_table
from bnstudy.printed.practicals import placed
from bnstudy.results.frames import Frames

COLUMNS = {
    "loss": {"data_loss": "training", "validation_loss": "test"},
    "accuracy": {"train_accuracy": "training", "validation_accuracy": "test"},
}
"""Quantity -> column of the frame `epochs` -> part. No images are held out: the test images are evaluated instead."""

DASHES: dict[str, Any] = {"test": "", "training": (3, 2)}
TOP = 5.0
"""Losses above are cut off: nats, about twice that of guessing."""


@dataclass(frozen=True)
class CurvesFigure:
    """The curves of one report's systems; `of` is the figure of its test accuracies."""

    id: str
    of: ReportFigure
    kind: str = "course_curves"

    @property
    def report(self) -> str:
        return self.of.report

    @property
    def stem(self) -> str:
        return "fig_" + self.id.replace(".", "_")

    @property
    def title(self) -> str:
        return f"Loss and accuracy by steps, in training and on the test images: the systems of {self.report}"


REGISTRY = {f"P.{i}": CurvesFigure(f"P.{i}", one) for i, one in enumerate(practicals.REGISTRY.values(), 4)}


def state(figure: CurvesFigure, frames: Frames) -> str:
    """See `practicals.state`."""
    return practicals.state(figure.of, frames)


def plotted(figure: CurvesFigure, frames: Frames) -> pd.DataFrame:
    """panel, row, quantity, part, step, seed, value: nats or percent; a row per period of each run."""
    runs = placed(frames.runs)[["key", "seed", "setting", "steps", "eval_every"]]
    epochs = frames.epochs.astype({"key": "str"}).merge(runs, on=["key", "seed"])
    epochs["step"] = (epochs["epoch"] * epochs["eval_every"]).clip(upper=epochs["steps"]).astype("int64")
    parts = [
        epochs[["setting", "step", "seed"]].assign(quantity=quantity, part=part, value=epochs[column].astype(float))
        for quantity, columns in COLUMNS.items()
        for column, part in columns.items()
    ]
    systems = [
        (panel.title, row, home)
        for panel in figure.of.panels
        for row, home in practicals.homes_of(row for row, _, _ in panel.systems).items()
    ]
    drawn = pd.DataFrame(systems, columns=["panel", "row", "setting"]).merge(pd.concat(parts), on="setting")
    return drawn[["panel", "row", "quantity", "part", "step", "seed", "value"]]


def draw(figure: CurvesFigure, table: pd.DataFrame, narrow: bool = False) -> Page:
    """The figure on a page: a row of panels of the loss above one of the accuracy; narrow: one below the other."""
    with style.look(narrow):
        legend = [
            Line2D([], [], color=style.INK, label="test images"),
            Line2D([], [], color=style.INK, linestyle=(0, DASHES["training"]), label="training, mean over a period"),
        ]
        footer = f"Mean over seeds; band: lowest to highest. Losses above {TOP:g} are cut off."
        titles = [panel.title for panel in figure.of.panels] * len(COLUMNS)
        words = pages.Words(f"Figure {figure.id}   {figure.title}", "", footer)
        page, axes = pages.page(titles, words, legend, narrow)
        parts = [(quantity, panel) for quantity in COLUMNS for panel in figure.of.panels]
        tables = [table[(table["panel"] == panel.title) & (table["quantity"] == quantity)] for quantity, panel in parts]
        first = pages.first_drawn([not here.empty for here in tables], narrow)
        for i, (ax, (quantity, panel), here) in enumerate(zip(axes, parts, tables, strict=True)):
            _paint(ax, panel, quantity, here, named=i in first)
    return page


def _paint(ax: Axes, panel: Panel, quantity: str, here: pd.DataFrame, named: bool) -> None:
    import seaborn

    if here.empty:
        return panels.empty(ax, [", ".join(row for row, _, _ in panel.systems)])
    colors = {row: LOOKS[place][0] for row, _, place in panel.systems}
    seaborn.lineplot(
        here, x="step", y="value", hue="row", style="part", palette=colors, dashes=DASHES, errorbar=("pi", 100),
        legend=False, ax=ax, linewidth=1.4,
    )  # fmt: skip
    if quantity == "loss":
        ax.set_ylim(0, min(TOP, 1.05 * here["value"].max()))
    else:
        panels.accuracy_axis(ax)
    ax.set_xlim(0, int(here["step"].max()))
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    ax.set_xlabel("step", labelpad=2)
    panels.name_axis(ax, {"loss": "loss (nats)", "accuracy": "accuracy (%)"}[quantity] if named else "")
    drawn = set(here["row"])
    handles = [
        Line2D([], [], color=colors[row], label=label) for row, label, _ in panel.systems if label and row in drawn
    ]
    ax.legend(handles=handles, loc="best", fontsize=9, handlelength=1.8, labelspacing=0.25, borderaxespad=0.3)


def drawing(figure: CurvesFigure, frames: Frames) -> Drawing:
    """`fig_P_4`."""
    table = plotted(figure, frames)
    return of_table(figure.stem, table, partial(draw, figure, table))
