"""Figures P.1 to P.3: our runs of each course report's systems against steps, and the accuracies it prints.

One figure per report; its panels hold systems of one kind. A dashed line marks the printed accuracy over the last third
of a system's training.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Page
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from bnstudy.figures import pages, panels, style
from bnstudy.figures.series import over_seeds
from bnstudy.figures.style import DASH_DOT, DOTTED, Look
from bnstudy.figures.writer import Drawing, of_table
from bnstudy.printed.practicals import homes, placed
from bnstudy.printed.practicals import rows as printed_rows
from bnstudy.results.frames import Frames

LOOKS: tuple[tuple[str, Any], ...] = (
    ("#222222", "solid"), ("#D55E00", "solid"), ("#3D9BD9", DASH_DOT), ("#17A062", DOTTED), ("#7A3E9D", "solid"),
    ("#CC79A7", DOTTED),
)  # fmt: skip
"""Colour and line of a panel's systems, in their order; those that are equally light differ in line, for print."""

PRINTED: Any = style.DASHED

HIGH = 60.0
"""Percent that no MLP reaches: panels whose values are all below end here."""

LEAST = 20.0
"""The lower end of such a panel, if each of its systems ends above."""

GRID = ("batches of 200", "of 600", "of 1,000")


@dataclass(frozen=True)
class Panel:
    """Systems that are drawn together: (row, label, place in LOOKS)."""

    title: str
    systems: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class ReportFigure:
    """The figure of one report. `seen` is what the report sees in its own."""

    id: str
    report: str
    panels: tuple[Panel, ...]
    seen: str
    kind: str = "practicals"

    @property
    def stem(self) -> str:
        return "fig_" + self.id.replace(".", "_")

    @property
    def title(self) -> str:
        return f"Test accuracy by steps: the systems of {self.report}"

    @property
    def rows(self) -> tuple[str, ...]:
        return tuple(row for panel in self.panels for row, _, _ in panel.systems)


def _panel(title: str, **systems: str) -> Panel:
    """A panel of these rows (`_` for a dot), each with its label, in the order of LOOKS."""
    return Panel(title, tuple((row.replace("_", "."), label, i) for i, (row, label) in enumerate(systems.items())))


def _widths(title: str, first: int) -> Panel:
    """Six rows of Lindt's grid: three batch sizes, each with 5,000 steps, and with 2,000 in the same colour."""
    long = [(f"L3.{first + 3 + i}", label, i) for i, label in enumerate(GRID)]
    return Panel(title, (*long, *((f"L3.{first + i}", "", i) for i in range(3))))


REGISTRY: dict[str, ReportFigure] = {
    one.id: one
    for one in (
        ReportFigure(
            "P.1", "Knigge",
            (
                _panel("One hidden layer, or five", K1="K1 numpy", K2="K2 PyTorch", K4="K4 Adam", K5="K5 five layers"),
                Panel("Other rates of SGD", (
                    ("K2", "K2 rate 0.002", 1), ("K3a", "K3a rate 0.02", 2), ("K3b", "K3b rate 0.0002", 3),
                )),  # K2 has the colour that it has in the first panel
                _panel("50,000 steps", K6="K6 steps alone", K7="K7 all changes"),
                _panel("VGG-like CNN", K10="K10"),
            ),
            "PyTorch close to numpy, Adam noisier, five layers at random level, more steps alone of no use, and all "
            "changes together best; the CNN far above them.",
        ),
        ReportFigure(
            "P.2", "Lindt",
            (
                _panel("One hidden layer, and a CNN", L1="L1 numpy", L2="L2 PyTorch", L6="L6 VGG-like CNN"),
                _widths("Adam, 256-256-256", 1), _widths("Adam, 512-256-128-64", 7),
                _widths("Adam, 1024-512-256-128", 13),
            ),
            "wider networks, larger batches and more steps each a little better.",
        ),
        ReportFigure(
            "P.3", "Soons",
            (
                _panel("One hidden layer", S1="S1 numpy", S2_1="S2.1 PyTorch"),
                _panel("Batch norm, SGD", S2_2="S2.2 100", S2_3="S2.3 100-100", S2_4="S2.4 1024-512",
                       S2_5="S2.5 1024-512-256-64"),
                _panel("Four layers, Adam", S2_6="S2.6 batch norm, ELU", S2_7="S2.7 layer norm, ELU",
                       S2_8="S2.8 batch norm, ReLU", S2_9="S2.9 batch norm, tanh"),
                _panel("CNNs", S5="S5 residual", S6="S6 DenseNet, pretrained"),
            ),
            "batch norm above none and above layer norm, ELU above ReLU above tanh, the pretrained network best.",
        ),
    )
}  # fmt: skip


def state(figure: ReportFigure, frames: Frames) -> str:
    """complete (every curve has every seed asked for), partial, or not run."""
    wanted = homes_of(figure.rows).values()
    there = set(placed(frames.runs)["setting"]) & set(wanted)
    lacking = set(placed(frames.missing)["setting"]) & set(wanted)
    return "not run" if not there else "complete" if there == set(wanted) and not lacking else "partial"


def plotted(figure: ReportFigure, frames: Frames) -> pd.DataFrame:
    """panel, row, printed, step and the mean, low and high test accuracy (percent) over so many seeds."""
    runs = placed(frames.runs)[["key", "seed", "setting", "steps", "eval_every"]]
    epochs = frames.epochs.astype({"key": "str"}).merge(runs, on=["key", "seed"])
    epochs["epoch"] = (epochs["epoch"] * epochs["eval_every"]).clip(upper=epochs["steps"]).astype("int64")
    curves = over_seeds(epochs, "validation_accuracy", ["setting"]).rename(columns={"epoch": "step"})
    numbers = {row.id: row.printed for row in printed_rows()}
    systems = [
        (panel.title, row, numbers[row], home)
        for panel in figure.panels
        for row, home in homes_of(row for row, _, _ in panel.systems).items()
    ]
    drawn = pd.DataFrame(systems, columns=["panel", "row", "printed", "setting"]).astype({"printed": "float64"})
    columns = ["panel", "row", "printed", "step", "mean", "low", "high", "seeds", "running"]
    return drawn.merge(curves, on="setting")[columns]


def homes_of(rows: Iterable[str]) -> dict[str, str]:
    """Row -> the row whose id its cell has in the frames: L6 is K10."""
    cells = {row.id: row.cell.key for row in printed_rows()}
    return {row: homes()[cells[row]] for row in rows}


def draw(figure: ReportFigure, table: pd.DataFrame, narrow: bool = False) -> Page:
    """The figure on a page; narrow: panels one below the other, for a phone's width."""
    with style.look(narrow):
        legend = [
            Line2D([], [], color=style.INK, label="ours, watched on the test images"),
            Line2D([], [], color=style.INK, linestyle=PRINTED, linewidth=1.2, label="printed"),
        ]
        most = int(table["seeds"].max())
        seeds = f"Mean of up to {most} seeds; band: lowest to highest." if most > 1 else "One seed."
        words = pages.Words(f"Figure {figure.id}   {figure.title}", "", f"{seeds} A dot ends each run.")
        page, axes = pages.page([panel.title for panel in figure.panels], words, legend, narrow)
        tables = [table[table["panel"] == panel.title] for panel in figure.panels]
        first = pages.first_drawn([not here.empty for here in tables], narrow)
        for i, (ax, panel, here) in enumerate(zip(axes, figure.panels, tables, strict=True)):
            _paint(ax, panel, here, named=i in first)
    return page


def _paint(ax: Axes, panel: Panel, here: pd.DataFrame, named: bool) -> None:
    if here.empty:
        return panels.empty(ax, [", ".join(row for row, _, _ in panel.systems)])
    panels.accuracy_axis(ax)
    if here[["high", "printed"]].max().max() <= HIGH:
        ends = here.loc[here["step"] == here.groupby("row")["step"].transform("max"), "low"]
        ax.set(ylim=(LEAST if ends.min() > LEAST else 0, HIGH))
        ax.yaxis.set_major_locator(MultipleLocator(10))
    last = int(here["step"].max())
    ax.set_xlim(0, last)
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    ax.set_xlabel("step", labelpad=2)
    panels.name_axis(ax, "test accuracy (%)" if named else "")
    for row, label, place in panel.systems:
        curve = here[here["row"] == row]
        if not curve.empty:
            _system(ax, curve, Look(label, *LOOKS[place]))
    drawn = set(here["row"])
    places = {place for row, _, place in panel.systems if row in drawn}
    handles = [
        Line2D([], [], color=LOOKS[place][0], linestyle=LOOKS[place][1], label=label)
        for _, label, place in panel.systems
        if label and place in places
    ]
    ax.legend(handles=handles, loc="best", fontsize=9, handlelength=1.8,
              labelspacing=0.25, borderaxespad=0.3)  # fmt: skip
    systems = {row for row, _, _ in panel.systems}
    absent = [row.id for row in printed_rows() if row.id in systems - drawn]
    panels.write_notes(ax, [f"not run: {', '.join(absent)}"] if absent else [])


def _system(ax: Axes, curve: pd.DataFrame, look: Look) -> None:
    """A system's curve, and the printed accuracy over the last third of its steps."""
    panels.line(ax, curve.rename(columns={"step": "epoch"}), look, linewidth=1.5)
    end, printed = int(curve["step"].max()), curve["printed"].iloc[0]
    if pd.notna(printed):
        ax.plot([2 / 3 * end, end], [printed] * 2, color=look.color, linestyle=PRINTED, linewidth=1.2, zorder=5)


def drawing(figure: ReportFigure, frames: Frames) -> Drawing:
    """`fig_P_1`."""
    table = plotted(figure, frames)
    return of_table(figure.stem, table, partial(draw, figure, table))
