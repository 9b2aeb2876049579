"""The page of a figure: title, legend, one panel per data set, a note below; and what all kinds of panels draw.

Sizes are in inches: a wide page (a row of panels, for 1,400 px) and a narrow one (a column, for a phone's 400 px)
have the same panels at a readable type size.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Page
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from bnstudy.figures import style
from bnstudy.figures.style import Look


@dataclass(frozen=True)
class Layout:
    """A page in inches: panels and the room around them."""

    columns: int
    panel: tuple[float, float]
    gap: tuple[float, float]
    left: float
    right: float
    top: float
    bottom: float

    def size(self, count: int) -> tuple[float, float]:
        columns, rows = min(count, self.columns), -(-count // self.columns)
        width = self.left + columns * self.panel[0] + (columns - 1) * self.gap[0] + self.right
        return width, self.top + rows * self.panel[1] + (rows - 1) * self.gap[1] + self.bottom

    def place(self, index: int, count: int) -> tuple[float, float, float, float]:
        """The panel's rectangle as fractions of the page."""
        (width, height), row, column = self.size(count), index // self.columns, index % self.columns
        x = self.left + column * (self.panel[0] + self.gap[0])
        y = height - self.top - self.panel[1] - row * (self.panel[1] + self.gap[1])
        return x / width, y / height, self.panel[0] / width, self.panel[1] / height


def layout(count: int, narrow: bool) -> Layout:
    """Up to four panels in a row; a lone panel, or two, get more room each; narrow: one below the other."""
    if narrow:
        return Layout(1, (2.75, 2.15), (0, 0.62), 0.62, 0.63, 1.5, 1.0)
    width = {1: 6.6, 2: 4.9, 3: 3.7}.get(count, 2.72)
    return Layout(4, (width, 2.75 if count > 2 else 3.2), (0.62, 0.75), 0.72, 0.78, 1.22, 0.98)


@dataclass(frozen=True)
class Words:
    """What is written around the panels."""

    title: str
    subtitle: str
    footer: str


def page(
    datasets: Sequence[str], words: Words, legend: Sequence[Line2D | Patch], narrow: bool
) -> tuple[Page, list[Axes]]:
    """An empty page with its titled panels, in the order of `datasets`."""
    plan = layout(len(datasets), narrow)
    width, height = plan.size(len(datasets))
    fig = Page(figsize=(width, height))
    FigureCanvasAgg(fig)
    columns = int(width * 9.3) if narrow else int(width * 9)
    title = textwrap.fill(words.title, columns)
    x, y, size = 0.14 / width, 1 - 0.14 / height, 13 if not narrow else 11.5
    fig.text(x, y, title, size=size, weight="bold", va="top")
    y -= (0.05 + (size + 3.5) / 72 * (1 + title.count("\n"))) / height
    if words.subtitle:
        fig.text(x, y, words.subtitle, size=10.5 if not narrow else 9.5, va="top", color="#B03A00", weight="bold")
        y -= 0.2 / height
    fig.legend(
        handles=list(legend), loc="upper left", bbox_to_anchor=(x, y), ncols=2 if narrow else len(legend), borderpad=0,
        borderaxespad=0.1, handlelength=2.4, columnspacing=1.6, labelspacing=0.35, fontsize=9.5 if narrow else 11,
    )  # fmt: skip
    footer = textwrap.fill(words.footer, int(width * (15.5 if narrow else 14)))
    fig.text(x, 0.1 / height, footer, size=8.5 if narrow else 9.5, color=style.GREY, va="bottom", linespacing=1.3)
    axes = [fig.add_axes(plan.place(i, len(datasets))) for i in range(len(datasets))]
    for ax, dataset in zip(axes, datasets, strict=True):
        ax.set_title(style.dataset(dataset), loc="left", pad=6)
        ax.set_label(dataset)
    return fig, axes


def empty(ax: Axes, reasons: Sequence[str]) -> None:
    """A panel of a data set that was not run: labelled, with the reason, and no axes that could be read."""
    ax.set_facecolor(style.PALE)
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.text(0.5, 0.56, "not run", transform=ax.transAxes, ha="center", size=14, color=style.GREY, weight="bold")
    reason = textwrap.fill("; ".join(r for r in reasons if r != "not run yet"), 26)
    ax.text(0.5, 0.48, reason, transform=ax.transAxes, ha="center", va="top", size=9.5, color=style.GREY)


def line(ax: Axes, curve: pd.DataFrame, look: Look, dash: str | tuple | None = None, **options) -> None:
    """A mean over seeds by epoch with its band, broken where a seed leaves the mean, a dot where one ended."""
    curve = curve.sort_values("epoch")
    x, y = curve["epoch"].to_numpy(float), curve["mean"].to_numpy(float)
    left = np.flatnonzero(np.diff(curve["seeds"].to_numpy())) + 1
    dashes = look.line if dash is None else dash
    ax.plot(np.insert(x, left, x[left]), np.insert(y, left, np.nan), color=look.color, linestyle=dashes, **options)
    if curve["seeds"].max() > 1:
        low, high = curve["low"].to_numpy(float), curve["high"].to_numpy(float)
        ax.fill_between(x, low, high, color=look.color, alpha=0.18, linewidth=0)
    running = curve["running"].to_numpy()
    ends = np.flatnonzero(np.diff(running, append=0) < 0)
    ends = ends[np.isfinite(y[ends])]
    ax.plot(x[ends], y[ends], linestyle="none", marker="o", markersize=4, color=look.color, clip_on=False, zorder=6)


def say(ax: Axes, lines: Sequence[str], y: float = 0.04, ha: str = "right") -> None:
    """Notes in a panel, on white so that they stay readable over curves."""
    if lines:
        text = "\n".join(textwrap.fill(text, 34) for text in lines)
        box = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.5}
        x = 0.97 if ha == "right" else 0.03
        ax.text(x, y, text, transform=ax.transAxes, ha=ha, va="bottom", size=9, color="#7A2E00", bbox=box, zorder=9)


def epochs_axis(ax: Axes, last: int) -> None:
    ax.set_xlim(0, max(1, last))
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.set_xlabel("epoch")


def accuracy_axis(ax: Axes) -> None:
    """0 to 100 percent with light lines at the quarters."""
    ax.set_ylim(0, 100)
    ax.set_yticks([0, 25, 50, 75, 100])
    ax.grid(axis="y", color="#E4E4E4", linewidth=0.7)
    ax.set_axisbelow(True)


CROWDED_ABOVE, CROWDED_WITHIN = 70.0, 12.0
"""Curves crowd near the top if over the later epochs all are above so many percent and so close together."""


def magnify(
    ax: Axes, curves: Sequence[tuple[pd.DataFrame, Look]], others: Sequence[tuple[np.ndarray, np.ndarray]]
) -> Axes | None:
    """An inset over the later epochs, where accuracy curves crowd near the top; None where they do not.

    `others` are more lines of the panel, x and y as fractions of it: the inset goes where the fewest points are.
    """
    if not curves:
        return None
    last = max(c["epoch"].max() for c, _ in curves)
    first = max(1, int(last * 0.3))
    later = pd.concat([c[c["epoch"] >= first] for c, _ in curves])
    low, high = later["low"].min(), later["high"].max()
    if len(curves) < 2 or last < 6 or low < CROWDED_ABOVE or high - low > CROWDED_WITHIN:
        return None
    points = [(c["epoch"].to_numpy() / last, c["mean"].to_numpy() / 100) for c, _ in curves]
    inset = ax.inset_axes(_emptiest([*points, *others]), zorder=5)
    for curve, look in curves:
        line(inset, curve, look)
    room = max(0.1, 0.12 * (high - low))
    inset.set(xlim=(first, last), ylim=(low - room, min(100.0, high + room)))
    inset.xaxis.set_major_locator(MaxNLocator(2, integer=True))
    inset.yaxis.set_major_locator(MaxNLocator(3, min_n_ticks=2))
    inset.tick_params(labelsize=8.5, length=2, pad=1.5)
    box, connectors = ax.indicate_inset_zoom(inset, edgecolor="#8A8A8A", alpha=0.9, linewidth=0.8).rectangle, []
    box.set_clip_on(False)
    return inset


PLACES = tuple((x, y, 0.55, 0.33) for y in (0.47, 0.4, 0.33, 0.26, 0.2) for x in (0.42, 0.36))


def _emptiest(lines: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float, float, float]:
    """Of the places for an inset, the one that covers the fewest points of these lines, with room for its ticks."""

    def covered(place: tuple[float, float, float, float]) -> int:
        x0, y0, w, h = place
        inside = (((x > x0 - 0.1) & (x < x0 + w) & (y > y0 - 0.09) & (y < y0 + h + 0.02)).sum() for x, y in lines)
        return int(sum(inside))

    return min(PLACES, key=covered)


def norm_legend(norms: Sequence[str], marker: bool = False) -> list[Line2D]:
    looks = [style.norm(n) for n in norms]
    return [Line2D([], [], color=k.color, marker=k.marker if marker else "", label=k.label) for k in looks]
