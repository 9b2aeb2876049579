"""What panels of all kinds draw: curves with their band, axes, notes, printed values, a magnified corner."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from bnstudy.figures import style
from bnstudy.figures.style import Look

Box = tuple[float, float, float, float]
"""x, y, width, height, as fractions."""


def empty(ax: Axes, reasons: Sequence[str], what: str = "not run") -> None:
    """A panel without curves: what it lacks, the reason, and no axes to read values from."""
    ax.set_facecolor(style.PALE)
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.text(0.5, 0.56, what, transform=ax.transAxes, ha="center", size=14, color=style.GREY, weight="bold")
    reason = "\n".join(textwrap.fill(r, 26) for r in reasons if r != "not run yet")
    ax.text(0.5, 0.48, reason, transform=ax.transAxes, ha="center", va="top", size=9.5, color=style.GREY)


def line(ax: Axes, curve: pd.DataFrame, look: Look, dash: Any = None, **options) -> None:
    """Draw a mean over seeds by epoch with its band: broken where a seed leaves the mean, a dot where a seed ended, a
    dash for a single epoch between gaps, such as the first before all seeds diverge."""
    curve = curve.sort_values("epoch")
    x, y = curve["epoch"].to_numpy(float), curve["mean"].to_numpy(float)
    left = np.flatnonzero(np.diff(curve["seeds"].to_numpy())) + 1
    dashes = look.line if dash is None else dash
    x_parts, y_parts = np.insert(x, left, x[left]), np.insert(y, left, np.nan)
    ax.plot(x_parts, y_parts, color=look.color, linestyle=dashes, **options)
    there = np.pad(np.isfinite(y_parts), 1)
    alone = there[1:-1] & ~there[:-2] & ~there[2:]
    if alone.any():
        ax.plot(x_parts[alone], y_parts[alone], linestyle="none", marker="_", markersize=7, markeredgewidth=1.8,
                color=look.color, clip_on=False)  # fmt: skip
    if curve["seeds"].max() > 1:
        low, high = curve["low"].to_numpy(float), curve["high"].to_numpy(float)
        ax.fill_between(x, low, high, color=look.color, alpha=0.18, linewidth=0)
    running = curve["running"].to_numpy()
    ends = np.flatnonzero(np.diff(running, append=0) < 0)
    ends = ends[np.isfinite(y[ends])]
    ax.plot(x[ends], y[ends], linestyle="none", marker="o", markersize=4, color=look.color, clip_on=False, zorder=6)


def write_notes(ax: Axes, lines: Sequence[str]) -> None:
    """Write notes into a panel, folded and placed where they cover the fewest points, on white so that they stay
    readable; below a panel that maps fill."""
    if not lines:
        return
    if not ax.axison:
        return _write_below(ax, "; ".join(lines))
    front = layers(ax)[-1]
    text = front.text(
        0, 0, "\n".join(lines), size=9, color=style.WARNING, va="bottom", transform=ax.transAxes, zorder=9
    )
    text.set_bbox({"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.5})
    points = drawn(ax)
    places = [(words, box) for words in _foldings(ax, text) for box in _places(ax, text, words)]
    words, box = min(places, key=lambda place: _covered(place[1], points))
    text.set(text=words, position=box[:2])


FOLDS = (0.92, 0.7, 0.5)
"""Shares of a panel's width to which notes are folded; the first is the widest that they may be."""


def _foldings(ax: Axes, text: Text) -> list[str]:
    """Return the lines of a text as they are, if they fit into the panel, and folded to each narrower width."""
    lines, width = text.get_text().split("\n"), _size(ax, text)[0]
    letters = max(map(len, lines)) / width
    folded = ["\n".join(_balanced(line, int(share * letters)) for line in lines) for share in FOLDS if share < width]
    return folded if width > FOLDS[0] else [text.get_text(), *folded]


def _places(ax: Axes, text: Text, words: str) -> list[Box]:
    """Return the boxes that a text with these words may fill: at the right or the left, at each height."""
    text.set_text(words)
    width, height = _size(ax, text)
    heights = np.arange(0.03, max(0.97 - height, 0.04), 0.06)
    return [(x, y, width, height) for y in heights for x in (0.97 - width, 0.05)]


def _size(ax: Axes, text: Text) -> tuple[float, float]:
    extent = text.get_window_extent().transformed(ax.transAxes.inverted())
    return extent.width, extent.height


def _write_below(ax: Axes, line: str) -> None:
    """Write a line below a panel and the labels of its maps, folded to the panel's width."""
    box = ax.get_tightbbox()
    assert box is not None
    text = ax.text(0, 0, line, size=8.5, color=style.WARNING, va="top", transform=ax.transAxes)
    width, below = text.get_window_extent().width, ax.transAxes.inverted().transform((0, box.y0))[1]
    text.set_text(_balanced(line, int(len(line) * ax.get_window_extent().width / max(width, 1))))
    text.set_position((0, below - 0.01))


def _balanced(text: str, most: int) -> str:
    """The text on lines of at most so many letters, all about equally long."""
    count = len(textwrap.wrap(text, most))
    return textwrap.fill(text, min(most, -(-len(text) // count) + 4))


def layers(ax: Axes) -> list[Axes]:
    """The axes of a panel, back to front: itself and its twin."""
    here = ax.get_position().bounds
    return [a for a in ax.figure.axes if a.get_position().bounds == here]


def drawn(ax: Axes) -> np.ndarray:
    """Points along all that is drawn in a panel, insets included, as fractions of it: (points, 2)."""
    points = [np.zeros((0, 2))]
    for layer in layers(ax):
        for curve in (c for c in layer.lines if len(c.get_path())):
            path = curve.get_transform().transform(np.column_stack(curve.get_data()).astype(float))
            points.append(path if curve.get_linestyle() == "None" else _along(path, ax))
        for inset in layer.child_axes:
            (x0, y0), (x1, y1) = inset.get_window_extent().get_points()
            points.append(np.array([(x, y) for x in np.linspace(x0, x1, 40) for y in np.linspace(y0, y1, 40)]))
    return ax.transAxes.inverted().transform(np.concatenate(points))


STEP = 2.0
"""Pixels between the points along a line: far fewer than a note is high."""


def _along(path: np.ndarray, ax: Axes) -> np.ndarray:
    """Return points along the part of a line that is within a panel, evenly spaced however steep it is."""
    box = ax.bbox
    within = Path(path).cleaned(remove_nans=True, clip=(box.x0, box.y0, box.x1, box.y1))
    (line,) = np.nonzero(np.asarray(within.codes)[1:] == Path.LINETO)
    vertices = np.asarray(within.vertices)
    points = [path]
    for start, end in zip(vertices[line], vertices[line + 1], strict=True):
        count = int(np.hypot(*(end - start)) / STEP) + 2
        points.append(start + (end - start) * np.linspace(0, 1, count)[:, None])
    return np.concatenate(points)


def emptiest(boxes: Sequence[Box], points: np.ndarray) -> Box:
    """Of these boxes (x, y, width, height), the first that covers the fewest points."""
    return min(boxes, key=lambda box: _covered(box, points))


def _covered(box: Box, points: np.ndarray) -> int:
    """How many of these points a box covers, or nearly touches."""
    x, y, width, height = box
    inside = (points[:, 0] > x - 0.02) & (points[:, 0] < x + width + 0.02)
    return int((inside & (points[:, 1] > y - 0.02) & (points[:, 1] < y + height + 0.02)).sum())


def epochs_axis(ax: Axes, last: int) -> None:
    ax.set_xlim(0, max(1, last))
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.set_xlabel("epoch", labelpad=2)


def name_axis(ax: Axes, label: str) -> None:
    """Label the left axis at a fixed distance in inches, so that the labels of all panels align."""
    ax.set_ylabel(label)
    ax.yaxis.set_label_coords(-0.52 * ax.figure.dpi / ax.get_window_extent().width, 0.5)


def accuracy_axis(ax: Axes) -> None:
    """0 to 100 percent with light lines at the quarters."""
    ax.set_ylim(0, 100)
    ax.set_yticks([0, 25, 50, 75, 100])
    ax.grid(axis="y", color="#E4E4E4", linewidth=0.7)
    ax.set_axisbelow(True)


PRINTED = Line2D([], [], color=style.INK, marker="<", linestyle="", markersize=6, label="printed test accuracy")


def printed_ticks(ax: Axes, values: Sequence[tuple[float, Look]]) -> None:
    """Mark printed accuracies (percent) at the right edge of a panel, in the colours of their curves."""
    for value, look in values:
        ax.plot([1.012], [value], "<", color=look.color, markersize=6, markeredgecolor="white", markeredgewidth=0.5,
                transform=ax.get_yaxis_transform(), clip_on=False, zorder=8)  # fmt: skip


CROWDED_ABOVE, CROWDED_WITHIN, LEAST_EPOCHS = 70.0, 12.0, 6
"""Curves crowd if they lie within CROWDED_WITHIN percent in the later epochs; near the top, if all are above
CROWDED_ABOVE. Curves of fewer epochs are not magnified."""

INSETS: tuple[Box, ...] = tuple((x, y, 0.64, 0.42) for y in (0.4, 0.34, 0.28, 0.22, 0.16) for x in (0.33, 0.28, 0.22))
ELSEWHERE: tuple[Box, ...] = tuple(
    (x, y, 0.62, 0.36) for y in (0.62, 0.58, 0.05, 0.1, 0.54, 0.14) for x in (0.33, 0.24, 0.05)
)
LABELS = (0.1, 0.09)
"""Places for an inset if curves crowd near the top, and if they crowd elsewhere and the inset covers none; and the
share of the inset that its tick labels take, left and below."""


NEAR = 0.05
"""Points of accuracy that no figure can show."""


def coincide(curves: Sequence[tuple[pd.DataFrame, Look]]) -> bool:
    """Return True if accuracy curves lie on each other at all epochs that they share."""
    if len(curves) < 2:
        return False
    means = pd.concat([curve.set_index("epoch")["mean"] for curve, _ in curves], axis=1, join="inner")
    return bool(((means.max(axis=1) - means.min(axis=1)) < NEAR).all())


def magnify(ax: Axes, curves: Sequence[tuple[pd.DataFrame, Look]]) -> Axes | None:
    """An inset that magnifies the later epochs, if accuracy curves crowd there; None if they do not, or coincide, or if
    it would cover a curve far from the top."""
    if len(curves) < 2 or coincide(curves):
        return None
    last = max(curve["epoch"].max() for curve, _ in curves)
    first = max(1, int(last * 0.3))
    later = pd.concat([curve[curve["epoch"] >= first] for curve, _ in curves])
    low, high = later["low"].min(), later["high"].max()
    if last < LEAST_EPOCHS or not high - low <= CROWDED_WITHIN:
        return None
    points, top = drawn(ax), low >= CROWDED_ABOVE
    box = emptiest(INSETS if top else ELSEWHERE, points)
    if not top and _covered(box, points):
        return None
    x, y, width, height = box
    inset = ax.inset_axes((x + LABELS[0], y + LABELS[1], width - LABELS[0], height - LABELS[1]), zorder=5)
    for curve, look in curves:
        line(inset, curve, look)
    room = max(0.1, 0.12 * (high - low))
    inset.set(xlim=(first, last), ylim=(low - room, min(100.0, high + room)))
    inset.xaxis.set_major_locator(MaxNLocator(2, integer=True))
    inset.yaxis.set_major_locator(MaxNLocator(3, min_n_ticks=2))
    inset.tick_params(labelsize=8.5, length=2, pad=1.5)
    ax.indicate_inset_zoom(inset, edgecolor="#8A8A8A", alpha=0.9, linewidth=0.8)
    return inset


def norm_legend(norms: Sequence[str], marker: bool = False) -> list[Line2D]:
    looks = [style.norm(n) for n in norms]
    return [Line2D([], [], color=k.color, marker=k.marker if marker else "", label=k.label) for k in looks]
