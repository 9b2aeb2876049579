"""How figures of open questions are drawn: accuracy by a number (a rate, a scale, a strength) or by a choice, a heat
map of rate by decay, gain against cost, and curves.

Cells that make a constant guess stand in a strip, off the axis of values (see `strip`).
"""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from bnstudy.figures import heat, pages, panels, strip, style
from bnstudy.figures.style import Look
from bnstudy.questions.cells import NORMED_LAYERS

FEW = 6
"""Numbers of an axis that all have a label; of more, the powers of ten have one."""

WORD = 20
"""Letters in a line of a word at the left of a panel."""
LABEL = 0.4
"""Inches that the label of a number takes."""


@dataclass(frozen=True)
class QuestionKind:
    """How a figure is drawn: its panel, legend and layout, and what its footer explains."""

    footer: str
    panel: Callable[..., None]
    legend: Callable[..., list[Any]]
    layout: Callable[..., pages.Layout | None]


def _lines(figure: Any, here: pd.DataFrame) -> list[tuple[Look, pd.DataFrame]]:
    """Return the lines of a figure in their order, each with its look and its rows."""
    return [(figure.look(line), here[here["line"] == line]) for line in dict.fromkeys(here["line"])]


def line_legend(figure: Any, table: pd.DataFrame) -> list[Line2D]:
    joined = figure.kind == "by_value"
    lines = [
        Line2D([], [], color=k.color, linestyle=k.line if joined else "", marker=k.marker, label=k.label)
        for k in (figure.look(line) for line in dict.fromkeys(table.loc[table["mean"].notna(), "line"]))
    ]
    return lines if figure.log else [*lines, *strip.handles(table)]


def by_value(ax: Axes, figure: Any, here: pd.DataFrame, first: bool) -> None:
    """Draw a value against a number, on a logarithmic axis unless the numbers are shares."""
    places = _places(sorted(here["x"].unique()))
    lines = _lines(figure, here)
    for lane, (look, rows) in zip(strip.lanes(len(lines)), lines, strict=True):
        rows = rows.sort_values("x")
        x = rows["x"].map(places).to_numpy(float)
        learned = np.isfinite(rows["mean"]) & (figure.log | ~strip.guessing(rows))
        mean, low, high = (rows[c].where(learned).to_numpy(float) for c in ("mean", "low", "high"))
        ax.plot(x, mean, color=look.color, linestyle=look.line, marker=look.marker, markersize=5.5, clip_on=False)
        ax.fill_between(x, low, high, color=look.color, alpha=0.16, linewidth=0)
        if not figure.log:
            strip.draw(ax, look, rows, x, lane, horizontal=True)
    _number_axis(ax, places)
    ax.set_xlabel(figure.across, labelpad=3)
    _value_axis(ax, figure, here)
    panels.name_axis(ax, figure.value if first else "")


def _places(values: Sequence[float]) -> dict[float, float]:
    """Return the place of each number on the axis: its logarithm, with 0 a step left of the smallest; shares as they
    are."""
    above = [v for v in values if v > 0]
    if max(values) < 1 and min(above, default=1) >= 0.1:
        return {v: float(v) for v in values}
    found = {v: float(np.log10(v)) for v in above}
    return ({0.0: min(found.values()) - 0.6} if 0.0 in values else {}) | found


def _number_axis(ax: Axes, places: dict[float, float]) -> None:
    tens = [v for v in places if v == 0 or abs(np.log10(v) - round(np.log10(v))) < 1e-9]
    named = list(places) if len(places) <= FEW or len(tens) < 2 else tens
    fitting = ax.get_window_extent().width / ax.figure.dpi / LABEL
    named = named[:: -max(1, -int(-len(named) // fitting))]
    ax.set_xticks([places[v] for v in named], [number(v) for v in named])
    ax.set_xticks([places[v] for v in places if v not in named], minor=True)
    low, high = min(places.values()), max(places.values())
    room = 0.05 * (high - low) or 0.5
    ax.set_xlim(low - room, high + room)
    ax.grid(axis="y", color="#E4E4E4", linewidth=0.7)
    ax.set_axisbelow(True)


def number(value: float) -> str:
    """Format a number for an axis: 0.001, 1,024, 10⁻⁸."""
    if value and value < 1e-3:
        exponent = int(np.floor(np.log10(value) + 1e-9))
        factor = round(value / 10**exponent, 3)
        raised = f"10{str(exponent).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
        return raised if factor == 1 else f"{factor:g}·{raised}"
    return f"{value:,.0f}" if value >= 100 else f"{value:g}"


def _value_axis(ax: Axes, figure: Any, here: pd.DataFrame) -> None:
    if figure.log:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))  # a quarter takes a digit more
        strip.value_axis(ax, here, horizontal=True)


def by_choice(ax: Axes, figure: Any, here: pd.DataFrame, first: bool) -> None:
    """Draw a value against words, one below the other, a marker per line."""
    choices = list(dict.fromkeys(here["x"]))
    lines = _lines(figure, here)
    shifts = np.linspace(-0.22, 0.22, len(lines)) if len(lines) > 1 else [0.0]
    for shift, (look, rows) in zip(shifts, lines, strict=True):
        y = rows["x"].map(choices.index).to_numpy(float) + shift
        learned = ~strip.guessing(rows).to_numpy()
        ax.plot(rows["mean"][learned], y[learned], color=look.color, marker=look.marker, markersize=6, linestyle="none")
        ax.hlines(y[learned], rows["low"][learned], rows["high"][learned], color=look.color, linewidth=1.4, alpha=0.7)
        strip.draw(ax, look, rows, y, strip.STRIP / 2, horizontal=False)
    ax.set_yticks(range(len(choices)), [_word(figure, c) for c in choices] if first else [""] * len(choices))
    ax.set_ylim(len(choices) - 0.5, -0.5)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    strip.value_axis(ax, here, horizontal=False)
    ax.grid(axis="both", color="#E4E4E4", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.set_xlabel(figure.value, labelpad=3)


def _word(figure: Any, choice: str) -> str:
    return style.wrapped(choice, WORD) if choice in style.SETTINGS else textwrap.fill(choice, WORD)


def rate_by_decay(ax: Axes, figure: Any, here: pd.DataFrame, first: bool) -> None:
    """Draw a heat map of a value by line (rows) and number (columns), each cell with its value."""
    import seaborn

    rows, columns = list(dict.fromkeys(here["line"])), sorted(here["x"].unique())
    values = here.pivot(index="line", columns="x", values="mean").reindex(index=rows, columns=columns)
    finite = values.where(np.isfinite(values))
    shown = np.array([[_epochs(v) for v in row] for row in values.to_numpy(float)])
    seaborn.heatmap(finite, ax=ax, annot=shown, fmt="", cmap=heat.COLOURS, cbar=False, linewidths=1.5,
                    linecolor="white", annot_kws={"size": 10})  # fmt: skip
    for y, row in enumerate(values.to_numpy()):
        for x in np.flatnonzero(~np.isfinite(row)):  # seaborn writes nothing into a cell without a colour
            ax.text(x + 0.5, y + 0.5, shown[y, x], ha="center", va="center", size=10, color=style.GREY)
    ax.set_facecolor(style.PALE)
    ax.set_xticks(np.arange(len(columns)) + 0.5, [number(v) for v in columns], rotation=0)
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows if first else [""] * len(rows), rotation=0)
    ax.tick_params(length=0)
    ax.set(xlabel=figure.across, ylabel="")


def _epochs(count: float) -> str:
    return "–" if np.isnan(count) else "never" if np.isinf(count) else f"{count:.1f}"


GAIN = "gain in test accuracy (points)"


def cost(ax: Axes, figure: Any, here: pd.DataFrame, first: bool) -> None:
    """Draw the gain on the network without norm against the seconds that the norm adds to an epoch, in percent; against
    the number of layers with a norm if the runs are of several engines, machines or commits, since then their seconds
    tell of these, too."""
    base = here[here["norm"] == "none"]
    timed = here["origins"].iloc[0] == 1 and here["seconds"].min() > 0
    if base.empty:
        return panels.empty(ax, ["it is compared with vanilla"], "not run")
    vanilla = base.iloc[0]
    look = style.norm("batch")
    ax.axhline(0, color="#A8A8A8", linewidth=0.9, zorder=0.8)
    ax.plot(0, 0, color=style.norm("none").color, marker="o", markersize=7, zorder=5)
    ax.annotate("no norm", (0, 0), xytext=(7, -13), textcoords="offset points", size=9.5)
    for row in here[here["norm"] != "none"].itertuples(index=False):
        x = 100 * (row.seconds / vanilla.seconds - 1) if timed else NORMED_LAYERS[str(row.x)]
        y = row.mean - vanilla["mean"]
        ax.vlines(x, row.low - vanilla["mean"], row.high - vanilla["mean"], color=look.color, linewidth=1.4, alpha=0.7)
        ax.plot(x, y, color=look.color, marker=look.marker, markersize=7, zorder=5)
        left = not timed and row.x == "last"  # beside the first layer
        place: dict[str, Any] = {"xytext": (-7, 5), "ha": "right"} if left else {"xytext": (7, 5)}
        ax.annotate(str(row.x), (x, y), textcoords="offset points", size=9.5, **place)
    ax.margins(0.18, 0.14)
    if not timed:
        ax.set_xticks(sorted(set(NORMED_LAYERS.values())))
    ax.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    ax.set_xlabel("seconds added to an epoch, as recorded (%)" if timed else "hidden layers with a norm", labelpad=3)
    ax.grid(color="#ECECEC", linewidth=0.7)
    ax.set_axisbelow(True)
    panels.name_axis(ax, GAIN if first else "")


def by_epoch(ax: Axes, figure: Any, here: pd.DataFrame, first: bool) -> None:
    """Draw curves by epoch; the axis begins below the first quarter of the values, which the start would stretch."""
    for look, rows in _lines(figure, here):
        panels.line(ax, rows, look)
    low, high = here["mean"].quantile(0.05), here["high"].max()
    room = 0.1 * (high - low)
    ax.set_ylim(max(0.0, low - room), min(100.0, high + room))
    panels.epochs_axis(ax, int(here["epoch"].max()))
    ax.grid(axis="y", color="#E4E4E4", linewidth=0.7)
    ax.set_axisbelow(True)
    panels.name_axis(ax, figure.value if first else "")


def _usual(table: pd.DataFrame, count: int, narrow: bool) -> pages.Layout:
    return pages.layout(count, narrow)


def _wordy(table: pd.DataFrame, count: int, narrow: bool) -> pages.Layout:
    """Room for words at the left, and for each of them."""
    rows, lines = ("line", "x") if pd.api.types.is_numeric_dtype(table["x"]) else ("x", "line")
    height = max(2.0, (0.16 + 0.07 * table[lines].nunique()) * table[rows].nunique() + 0.1)
    if narrow:
        return pages.Layout(1, (2.0, height), (0, 0.8), 1.5, 0.3, 1.3, 1.25)
    return pages.Layout(2, (4.2, height), (0.3, 0.8), 1.75, 0.2, 0.98, 0.98)


def _none(figure: Any, table: pd.DataFrame) -> list[Patch]:
    return []


def _cost_legend(figure: Any, table: pd.DataFrame) -> list[Line2D]:
    return panels.norm_legend(["none", "batch"], marker=True)


def _curve_legend(figure: Any, table: pd.DataFrame) -> list[Line2D]:
    looks = [figure.look(line) for line in dict.fromkeys(table["line"])]
    return [Line2D([], [], color=k.color, linestyle=k.line, label=k.label) for k in looks]


SEEDS = "Mean over seeds"
KINDS: dict[str, QuestionKind] = {
    "by_value": QuestionKind(
        f"{SEEDS}; band: lowest to highest.", by_value, line_legend, _usual
    ),
    "by_choice": QuestionKind(
        f"{SEEDS}; bars: lowest to highest.", by_choice, line_legend, _wordy
    ),
    "heat": QuestionKind(
        f"Epochs to 99 % of the baseline's best validation accuracy, {SEEDS.lower()}; never: not with every seed. "
        "Rows: the factor of the rate, and the epochs without improvement before it acts.",
        rate_by_decay, _none, _wordy,
    ),
    "cost": QuestionKind(
        f"{SEEDS}; bars: lowest to highest.", cost, _cost_legend, _usual
    ),
    "by_epoch": QuestionKind(
        f"{SEEDS}; band: lowest to highest. A dot marks a seed's last epoch.", by_epoch, _curve_legend, _usual
    ),
}  # fmt: skip
