"""2.7, 2.8, 2.10, 2.14: the networks as they are built, pooling, and dropout's masks."""

from itertools import pairwise

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Page
from matplotlib.patches import Rectangle

from bnstudy.design.cell import Cell
from bnstudy.figures import style
from bnstudy.illustrations import Background
from bnstudy.illustrations.canvas import BLUE, GREEN, ORANGE, bare, page
from bnstudy.networks.models import ImageShape, build
from bnstudy.networks.models.block import dropout_mask

COLOUR = ImageShape(3, 32, 32, 10)


def shapes(model: str) -> list[tuple[str, tuple[int, ...]]]:
    """Return (layer, shape of its output) for one of this project's networks on a colour image, pools included.

    Pools are not modules; they are inferred from the size of the next layer's input, which may be flattened.
    """
    network = build(Cell(dataset="cifar10", model=model, norm="none"), COLOUR).eval()
    found: list[tuple[str, tuple[int, ...]]] = [("input", (3, 32, 32))]

    def note(block: torch.nn.Module, given: tuple[torch.Tensor], out: torch.Tensor) -> None:
        maps, *sides = found[-1][1]
        side = round((given[0].numel() / maps) ** 0.5)
        if sides and side != sides[0]:
            found.append(("pool", (maps, side, side)))
        found.append((str(block.name), tuple(out.shape[1:])))

    for block in network.blocks:
        block.register_forward_hook(note)
    with torch.no_grad():
        network(torch.zeros(1, 3, 32, 32))
    return found


def convolutional(one: Background, narrow: bool) -> Page:
    fig, (ax,) = page(one, ["input to output: height is size of maps, width their number"], narrow)
    x, colors = 0.0, {"input": style.GREY, "pool": ORANGE, "conv": BLUE, "dens": GREEN, "outp": "#222222"}
    for name, shape in shapes("cnn"):
        side, maps = (shape[1], shape[0]) if len(shape) == 3 else (1, shape[0])
        width = 0.35 + np.log2(maps) / 9
        height = 0.5 + side / 32 * 5 if len(shape) == 3 else np.log2(maps) / 2.4
        ax.add_patch(
            Rectangle((x, -height / 2), width, height, color=colors[name if name in colors else name[:4]], alpha=0.75)
        )
        label = f"{maps} x {side}²" if len(shape) == 3 else f"{maps}"
        ax.text(x + width / 2, -3.05, label, rotation=90, ha="center", va="top", size=6.5 if narrow else 9)
        ax.text(
            x + width / 2, 3.0, name.replace("_", "."), rotation=90, ha="center", va="bottom", size=6.5 if narrow else 9
        )
        x += width + 0.35
    ax.set(xlim=(-0.3, x), ylim=(-5.4, 4.9))
    bare(ax)
    return fig


MOST = 9


def connected(one: Background, narrow: bool) -> Page:
    """Draw the layers of the MLP: at most MOST units of each, and all connections between them."""
    fig, (ax,) = page(one, ["input, three hidden layers, output"], narrow)
    layers = [int(np.prod(shape)) for _, shape in shapes("mlp")]
    columns = [_column(units) for units in layers]
    for x, (left, right) in enumerate(pairwise(columns)):
        _connect(ax, x, left, right, np.ones((len(right), len(left))))
    for x, (units, heights) in enumerate(zip(layers, columns, strict=True)):
        _units(ax, x, heights, np.ones(len(heights)))
        ax.text(x, -1.16, f"{units:,}", ha="center", va="top")
        if units > MOST:
            ax.text(x, 0, "⋮", ha="center", va="center", size=15, zorder=4)
    ax.set(xlim=(-0.4, len(layers) - 0.6), ylim=(-1.45, 1.15))
    bare(ax)
    return fig


def _column(units: int) -> np.ndarray:
    """Return the heights of the units to draw; a gap in the middle replaces the others."""
    heights = np.linspace(1, -1, min(units, MOST))
    return np.delete(heights, len(heights) // 2) if units > MOST else heights


def _connect(ax: Axes, x: float, left: np.ndarray, right: np.ndarray, kept: np.ndarray) -> None:
    for i, b in enumerate(right):
        for j, a in enumerate(left):
            if kept[i, j]:
                ax.plot([x, x + 1], [a, b], color="#9AA5B1", linewidth=0.7, zorder=1)


def _units(ax: Axes, x: float, heights: np.ndarray, kept: np.ndarray) -> None:
    for y, on in zip(heights, kept, strict=True):
        ax.plot(x, y, "o", markersize=11, markerfacecolor=BLUE if on else "white", markeredgecolor=BLUE, zorder=3)
        if not on:
            ax.plot(x, y, "x", color=ORANGE, markersize=9, zorder=4)


def pooling(one: Background, narrow: bool) -> Page:
    values = torch.from_numpy(np.random.default_rng(5).permutation(16).astype(np.float32)).reshape(1, 1, 4, 4)
    pooled = torch.nn.functional.max_pool2d(values, 2)
    fig, axes = page(one, ["4x4", "after 2x2 max pooling"], narrow)
    for ax, grid in zip(axes, (values[0, 0], pooled[0, 0]), strict=True):
        _grid(ax, grid.numpy(), values.shape[2] // len(grid))
    return fig


def _grid(ax: Axes, numbers: np.ndarray, size: int) -> None:
    tints = ("#D6E2F3", "#D9F0E3", "#FBE3D3", "#E8DDF0")
    for (row, column), value in np.ndenumerate(numbers):
        x, y = column * size, 4 - (row + 1) * size
        tint = tints[(row * size // 2) * 2 + column * size // 2]
        ax.add_patch(Rectangle((x, y), size, size, facecolor=tint, edgecolor="white", linewidth=2))
        ax.text(x + size / 2, y + size / 2, f"{int(value)}", ha="center", va="center", size=14)
    ax.set(xlim=(0, 4), ylim=(0, 4), aspect="equal")
    bare(ax)


SIZES = (4, 6, 6, 3)


def dropped(one: Background, narrow: bool) -> Page:
    fig, axes = page(one, ["neither", "dropout", "dropconnect"], narrow)
    for ax, what in zip(axes, ("neither", "units", "connections"), strict=True):
        _masked(ax, what)
        ax.set(xlim=(-0.35, len(SIZES) - 0.65), ylim=(-1.25, 1.25))
        bare(ax)
    return fig


def _masked(ax: Axes, what: str) -> None:
    columns, kept = [_column(n) for n in SIZES], [np.ones(n, bool) for n in SIZES]
    if what == "units":
        for i in (1, 2):
            kept[i] = dropout_mask(1, f"hidden{i}", 1, (SIZES[i],), 0.5, "units").numpy() > 0
    for i in range(len(SIZES) - 1):
        alive = np.outer(kept[i + 1], kept[i])
        if what == "connections":
            alive = dropout_mask(1, f"weights{i}", 1, alive.shape, 0.5, "units").numpy() > 0
        _connect(ax, i, columns[i], columns[i + 1], alive)
    for x, heights in enumerate(columns):
        _units(ax, x, heights, kept[x])
