"""Small charts as inline SVG, drawn from the data alone: each takes a millisecond, and every value is in the page.

Lines are in units of the data, and one matrix maps them to the picture, so a script reads the values back.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 440, 230
LEFT, RIGHT, TOP, BOTTOM = 54, 10, 10, 28
FAR, FAR_BESIDE_ZEROS = 30.0, 1e6
"""The ratio of largest to smallest positive value from which an axis is logarithmic, without zeros and with them."""
LARGE = 1e6
"""The value from which it is in any case: browsers do not draw what is scaled down so far."""


@dataclass(frozen=True, eq=False)
class Line:
    """A line of a chart: its label, its style (classes of the style sheet), what it can be chosen by, its points.

    facts   by name, such as seed or norm
    """

    label: str
    style: str
    x: Sequence[float]
    y: Sequence[float]
    facts: Mapping[str, Any] = field(default_factory=dict)


def chart(title: str, lines: Iterable[Line], least: float | None = None) -> dict[str, Any]:
    """A chart as the macro `chart` shows it; without lines if no value is finite. Lines break at other values, and on a
    logarithmic axis at zeros.

    least   lowest value of a linear axis; None: that of the data
    """
    shown = [(line, np.asarray(line.x, float), np.asarray(line.y, float)) for line in lines]
    values = np.concatenate([y[np.isfinite(y)] for _, _, y in shown]) if shown else np.array([])
    if not values.size:
        return {"title": title, "lines": []}
    log = _is_log(values)
    low, high = _powers_ends(np.log10(values[values > 0])) if log else _ends(values, least)
    right = max(x.max() for _, x, _ in shown) or 1.0
    across, up = (WIDTH - LEFT - RIGHT) / right, (HEIGHT - TOP - BOTTOM) / (high - low)
    y_ticks = _powers(low, high) if log else _inside(low, high)
    return {
        "title": title, "log": log, "width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT,
        "foot": HEIGHT - BOTTOM,
        "matrix": f"{across:.6g} 0 0 {-up:.6g} {LEFT} {HEIGHT - BOTTOM + up * low:.6g}",
        "x": [(f"{LEFT + across * at:.1f}", f"{at:g}") for at in _inside(0, 0.97 * right)],
        "y": [(f"{HEIGHT - BOTTOM - up * (at - low):.1f}", f"{10.0**at:.3g}" if log else f"{at:g}") for at in y_ticks],
        "lines": [
            {"label": line.label, "style": line.style, "facts": line.facts, "d": _path(x, _log10(y) if log else y)}
            for line, x, y in shown
        ],
    }  # fmt: skip


def _is_log(values: np.ndarray) -> bool:
    if values.min() < 0 or values.max() == 0:
        return False
    far = FAR if values.min() > 0 else FAR_BESIDE_ZEROS
    return bool(values.max() > min(far * values[values > 0].min(), LARGE))


def _log10(values: np.ndarray) -> np.ndarray:
    """Logarithms; -inf of zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(values)


def _powers_ends(powers: np.ndarray) -> tuple[float, float]:
    """The ends of an axis of powers of ten, at least one power apart."""
    low, high = _ends(powers, None)
    short = max(0.0, 1 - (high - low)) / 2
    return low - short, high + short


def _ends(values: np.ndarray, least: float | None) -> tuple[float, float]:
    """The ends of an axis, with some room around the values."""
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) or 0.5
    return low - room if least is None else min(low, least), high + room


def _inside(low: float, high: float) -> list[float]:
    """Round numbers between two ends."""
    return [float(at) for at in MaxNLocator(5).tick_values(low, high) if low <= at <= high]


def _powers(low: float, high: float) -> list[float]:
    """Logarithms of powers of ten between two ends: 2 and 5 times them too if they are few, every k-th if many."""
    every = 1 + int(high - low) // 7
    decades = range(every * int(np.floor(low / every)), int(np.ceil(high)) + 1, every)
    factors = (1, 2, 5) if high - low < 2.5 else (1,)
    return [at for decade in decades for f in factors if low <= (at := decade + float(np.log10(f))) <= high]


def _path(x: np.ndarray, y: np.ndarray) -> str:
    """The points of a line as the path of an SVG; a new part after each value that is not finite. A part of one point
    goes there and back, so that its round caps are drawn."""
    parts: list[list[str]] = [[]]
    for at, value in zip(x.tolist(), y.tolist(), strict=True):
        if np.isfinite(value):
            parts[-1].append(f"{at:g} {value:.5g}")
        elif parts[-1]:
            parts.append([])
    return "".join("M" + " ".join(part if len(part) > 1 else 2 * part) for part in parts if part)
