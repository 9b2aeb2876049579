"""The page of a figure: title, legend, one panel per data set, a note below.

Sizes are in inches: a wide page (a row of panels, for 1,400 px) and a narrow one (a column, for a phone's 400 px)
have the same panels at a readable type size.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Page
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bnstudy.figures import style


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
        return Layout(1, (2.68, 2.1), (0, 0.72), 0.72, 0.7, 1.3, 1.02)
    width = {1: 6.6, 2: 4.9, 3: 3.7}.get(count, 2.72)
    return Layout(4, (width, 2.75 if count > 2 else 3.2), (0.62, 0.8), 0.76, 0.78, 0.98, 0.98)


def first_drawn(drawn: Sequence[bool], narrow: bool) -> set[int]:
    """Return the first drawn panel of each row of a page as `layout` lays it out: the one that names the left axis of
    the row, since an empty panel has no axis to name."""
    columns = layout(len(drawn), narrow).columns
    rows: dict[int, int] = {}
    for i, is_drawn in enumerate(drawn):
        if is_drawn:
            rows.setdefault(i // columns, i)
    return set(rows.values())


@dataclass(frozen=True)
class Words:
    """The texts around the panels."""

    title: str
    subtitle: str
    footer: str


LEGEND_HANDLE, LEGEND_LETTER = 0.6, 0.078
"""Inches that a line and its gap, and a letter, take in the legend of a wide page."""
LEGEND_ROOM, FOOTER_ROOM = {False: 0.22, True: 0.5}, 0.35
"""Inches that a page without a legend (by `narrow`), and one without a footer, need less."""
FOOTER, AXIS_ROOM = 0.1, 0.5
"""Inches below the footer, and above it for the numbers and the name of an axis."""
HALF_NARROW, NARROW_TITLE = 20, 34
"""Letters that fit on a narrow page: of a legend's label in half its width, and of a panel's title."""


def page(
    datasets: Sequence[str],
    words: Words,
    legend: Sequence[Line2D | Patch],
    narrow: bool,
    plan: Layout | None = None,
) -> tuple[Page, list[Axes]]:
    """An empty page with its titled panels, in the order of `datasets`. `plan`: sizes other than those of `layout`."""
    plan = plan or layout(len(datasets), narrow)
    size, small, fine = (11.5, 9.5, 8.5) if narrow else (13.0, 11.0, 9.5)
    title = textwrap.fill(words.title, int(plan.size(len(datasets))[0] * 9))
    columns = legend_columns(legend, plan.size(len(datasets))[0], narrow)
    lines = title.count("\n") + bool(words.subtitle) + max(0, -(-len(legend) // columns) - (3 if narrow else 1))
    top = plan.top + 0.22 * lines - (0 if legend else LEGEND_ROOM[narrow])
    footer = textwrap.fill(words.footer, int(plan.size(len(datasets))[0] * (15 if narrow else 14)))
    needed = FOOTER + 1.3 * fine / 72 * (footer.count("\n") + 1) + AXIS_ROOM
    plan = replace(plan, top=top, bottom=max(plan.bottom, needed) if footer else plan.bottom - FOOTER_ROOM)
    width, height = plan.size(len(datasets))
    fig = Page(figsize=(width, height))
    FigureCanvasAgg(fig)
    x, y = 0.14 / width, 1 - 0.14 / height
    fig.text(x, y, title, size=size, weight="bold", va="top")
    y -= (0.05 + (size + 3.5) / 72 * (1 + title.count("\n"))) / height
    if words.subtitle:
        fig.text(x, y, words.subtitle, size=small, va="top", color=style.WARNING, weight="bold")
        y -= 0.22 / height
    fig.legend(
        handles=list(legend), loc="upper left", bbox_to_anchor=(x, y), ncols=columns, borderpad=0,
        borderaxespad=0.1, handlelength=2.4, columnspacing=1.6, labelspacing=0.35, fontsize=small,
    )  # fmt: skip
    fig.text(x, FOOTER / height, footer, size=fine, color=style.GREY, va="bottom", linespacing=1.3)
    axes = [fig.add_axes(plan.place(i, len(datasets))) for i in range(len(datasets))]
    for ax, dataset in zip(axes, datasets, strict=True):
        ax.set_title(textwrap.fill(style.dataset(dataset), NARROW_TITLE if narrow else 99), loc="left", pad=6)
        ax.set_label(dataset)
    return fig, axes


def legend_columns(legend: Sequence[Line2D | Patch], width: float, narrow: bool) -> int:
    """Return how many columns a legend has on a page of this width (inches): as many as fit, at most two on a narrow
    page."""
    letters = [len(str(handle.get_label())) for handle in legend] or [0]
    if narrow:
        return 2 if max(letters) <= HALF_NARROW else 1
    rows = next(n for n in range(1, len(letters) + 1) if _inches(letters, n) <= width or n == len(letters))
    return -(-len(letters) // rows)


def _inches(letters: Sequence[int], rows: int) -> float:
    """Return the width of a legend that fills its columns one after another. `letters`: the length of each label."""
    return sum(LEGEND_HANDLE + LEGEND_LETTER * max(letters[i : i + rows]) for i in range(0, len(letters), rows))
