"""2.9: a filter slides over an image, of one channel and of three; computed by this project's convolution by hand."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Page
from matplotlib.patches import Rectangle

from bnstudy.illustrations import Background
from bnstudy.illustrations.canvas import BLUE, GREEN, ORANGE, bare, page
from bnstudy.networks.byhand import Array, Conv2d

SIDE, WINDOW, AT = 5, 3, (1, 2)
"""Of the image and the filter, and the place of the framed field."""
RATIO = 0.43
"""Height by width of a row of image, filter and output with three channels."""


def example(channels: int) -> tuple[Array, Array, Array]:
    """Return image (channels, 5, 5), filter (channels, 3, 3) and their output (3, 3), all whole numbers."""
    generator = np.random.default_rng(channels)
    image = generator.integers(0, 4, (channels, SIDE, SIDE)).astype(float)
    kernel = generator.integers(-1, 2, (channels, WINDOW, WINDOW)).astype(float)
    return image, kernel, Conv2d(kernel[None]).forward(image[None])[0, 0]


def sliding(one: Background, narrow: bool) -> Page:
    fig, axes = page(one, ["one channel: image, filter, output", "three channels"], narrow, ratio=RATIO)
    for ax, channels in zip(axes, (1, 3), strict=True):
        _row(ax, *example(channels), 6.5 if narrow else 9)
    return fig


def _row(ax: Axes, image: Array, kernel: Array, output: Array, size: float) -> None:
    """Draw image, filter and output beside each other, further channels behind the first."""
    depth = 0.55 * (len(image) - 1)
    for channel in reversed(range(len(image))):
        shift = 0.55 * channel
        _numbers(ax, image[channel], (shift, shift), BLUE, size, AT)
        _numbers(ax, kernel[channel], (SIDE + depth + 1.2 + shift, 1 + shift), ORANGE, size)
    _numbers(ax, output, (SIDE + WINDOW + 2 * depth + 2.4, 1), GREEN, size, AT, 1)
    ax.set(xlim=(-0.2, SIDE + 2 * WINDOW + 2 * depth + 2.7), ylim=(-0.4, SIDE + depth + 0.4), aspect="equal")
    bare(ax)


def _numbers(
    ax: Axes, values: Array, corner: tuple[float, float], color: str, size: float,
    framed: tuple[int, int] | None = None, extent: int = WINDOW,
) -> None:  # fmt: skip
    """Draw a grid of numbers from its lower left corner, and a frame around `extent` fields from (row, column)."""
    (left, low), side = corner, len(values)
    order = 10 - low  # what lies lower is in front
    for (row, column), value in np.ndenumerate(values):
        x, y = left + column, low + side - 1 - row
        ax.add_patch(Rectangle((x, y), 1, 1, facecolor="white", edgecolor=color, linewidth=1, zorder=order))
        number = f"{value:.0f}".replace("-", "−")
        ax.text(x + 0.5, y + 0.5, number, ha="center", va="center", size=size, zorder=order + 0.1)
    if framed:
        row, column = framed
        box = (left + column, low + side - row - extent)
        ax.add_patch(Rectangle(box, extent, extent, fill=False, edgecolor=ORANGE, linewidth=2.6, zorder=order + 0.2))
