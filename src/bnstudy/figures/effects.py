"""Figure E1: the effect of batch norm as the thesis prints it against ours, a point per pair of cells.

A panel shows a model's pairs in which both networks learn, whose effects are a few points. An inset shows all pairs:
where one network does not learn, the effect is up to ninety points.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Page
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bnstudy import printed
from bnstudy.figures import pages, panels, style
from bnstudy.figures.writer import Drawing, of_table
from bnstudy.verdicts.accuracies import SLOT, each


@dataclass(frozen=True, slots=True)
class EffectFigure:
    """Its catalogue entry, as other catalogues have theirs."""

    id: str
    kind: str
    stem: str
    title: str
    caption: str


FIGURE = EffectFigure(
    "E1",
    "effects",
    "fig_E1",
    "Effect of batch norm, printed and ours",
    "Test accuracy with batch norm less that without, in points, of each pair of numbers in tables B.1 and B.2; ours "
    "is of means over seeds. On the line both are the same.",
)
BARS = "Bars: 95 % of one more pair of runs; named if they miss the line."
LONGEST = 3.0
"""Times the median bar."""
LONG = "The longest is cut."
INSET = "Inset: all pairs, hollow: a network answers one class."

WIDE = pages.Layout(2, (4.5, 4.5), (0.8, 0.8), 0.76, 0.3, 0.98, 1.0)
NARROW = pages.Layout(1, (3.1, 3.1), (0, 0.72), 0.72, 0.28, 1.1, 1.2)
CORNERS: tuple[panels.Box, ...] = ((0.63, 0.07, 0.34, 0.34), (0.1, 0.63, 0.34, 0.34))
"""Places for the inset: below the line or above it."""


def state(table: pd.DataFrame, missing: pd.DataFrame) -> str:
    """complete (every pair is there, with every seed asked for), partial, or not run.

    table    of `effects`
    missing  of the frames that its numbers come from
    """
    if table.empty:
        return "not run"
    absent = missing[missing["reading"] == "default"].merge(printed.accuracy()[SLOT], on=SLOT)
    return "complete" if absent.empty else "partial"


def draw(table: pd.DataFrame, narrow: bool = False) -> Page:
    """The figure of a table of `effects`, a panel per model; narrow: one below the other, for a phone's width."""
    models = [model for model in style.MODELS if (table["model"] == model).any()]
    looks = [style.data(name) for name in style.DATA if (table["dataset"] == name).any()]
    legend = [Line2D([], [], color=k.color, marker=k.marker, linestyle="", label=k.label) for k in looks]
    h = table["h"].dropna()
    footer = [BARS] * bool(len(h)) + [LONG] * bool((h > LONGEST * h.median()).any())
    footer += [INSET] * any(_has_inset(table[table["model"] == model]) for model in models)
    words = pages.Words(f"Figure {FIGURE.id}   {FIGURE.title}", "", " ".join(footer))
    with style.look(narrow):
        titles = [style.model(model) for model in models]
        page, axes = pages.page(titles, words, legend, narrow, NARROW if narrow else WIDE)
        for ax, model in zip(axes, models, strict=True):
            _panel(ax, table[table["model"] == model])
            panels.name_axis(ax, "ours (points)" if narrow or ax is axes[0] else "")
    return page


def _panel(ax: Axes, here: pd.DataFrame) -> None:
    alive = here[here["learns"]]
    _points(ax, here if alive.empty else alive, 6.5)
    ax.set_xlabel("printed (points)")
    if _has_inset(here):
        inset = ax.inset_axes(panels.emptiest(CORNERS, panels.drawn(ax)), zorder=5)
        _points(inset, here, 4)
        inset.tick_params(labelsize=8.5, length=2, pad=1.5)
    _names(ax, alive[alive["h"].notna() & ~alive["within"].astype(bool)])


def _has_inset(here: pd.DataFrame) -> bool:
    """Return True if some pairs of a model learn and some do not."""
    return bool(here["learns"].any() and not here["learns"].all())


def _points(ax: Axes, pairs: pd.DataFrame, size: float) -> None:
    """A point per pair with its interval, over the line of what is as printed."""
    for pair in each(pairs):
        look = style.data(pair.dataset)
        ax.plot([pair.printed] * 2, [pair.own - pair.h, pair.own + pair.h], color=look.color, linewidth=1.2)
        ax.plot(pair.printed, pair.own, color=look.color, marker=look.marker, markersize=size,
                markerfacecolor=look.color if pair.learns else "white", zorder=4)  # fmt: skip
    h = _within_limits(pairs["h"])
    ends = pd.concat([pairs["printed"], pairs["own"] - h, pairs["own"] + h])
    low, high = min(0.0, ends.min()), max(1.0, ends.max())
    limits = low - 0.06 * (high - low), high + 0.06 * (high - low)
    ax.set(xlim=limits, ylim=limits)
    ax.plot(limits, limits, color=style.GREY, linewidth=1, zorder=1)
    for axis, zero in ((ax.xaxis, ax.axvline), (ax.yaxis, ax.axhline)):
        zero(0, color="#A8A8A8", linewidth=0.9, zorder=0.8)
        axis.set_major_locator(MaxNLocator(6 if size > 5 else 3, integer=True))
        axis.set_major_formatter(FuncFormatter(_signed))
    ax.grid(color="#ECECEC", linewidth=0.7)
    ax.set_axisbelow(True)


VEIL = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
"""The ground of a name that stands over bars."""


def _names(ax: Axes, outside: pd.DataFrame) -> None:
    """Name the setting of each pair whose printed effect is outside our interval, where it covers the fewest points."""
    taken = panels.drawn(ax)
    for pair in each(outside):
        look, label = style.data(pair.dataset), style.wrapped(pair.setting, 14)
        text = ax.text(0, 0, label, size=8.5, color=look.color, transform=ax.transAxes, zorder=6, va="bottom",
                       linespacing=1.05, bbox=VEIL)  # fmt: skip
        width, height = text.get_window_extent().transformed(ax.transAxes.inverted()).size
        x, y = ax.transAxes.inverted().transform(ax.transData.transform((pair.printed, pair.own)))
        heights = [y + up * height for up in (-0.5, -1.1, 0.1, -1.8, 0.8)]
        beside = [(at, top) for at in (x + 0.025, x - 0.025 - width) for top in heights]
        within = [spot for spot in beside if spot[0] > 0.01 and spot[0] + width < 0.99]
        box = panels.emptiest([(*spot, width, height) for spot in within or beside], taken)
        text.set_position((box[0], box[1] + 0.2 * height))
        taken = np.concatenate(
            [taken, [(box[0] + part * width, box[1] + height / 2) for part in np.linspace(0, 1, 40)]]
        )


def _signed(points: float, _: int) -> str:
    return f"{points:+.0f}".replace("-", "−") if points else "0"


def _within_limits(h: pd.Series) -> pd.Series:
    """The lengths of bars that the axes make room for: one far longer than most is cut."""
    return h.fillna(0).clip(upper=LONGEST * h.median())


def drawing(table: pd.DataFrame) -> Drawing:
    """`fig_E1` of a table of `effects`."""
    return of_table(FIGURE.stem, table, partial(draw, table))
