"""3.1: covariate shift between two samples, and inside a small network during training on digits."""

from functools import cache

import numpy as np
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Page
from matplotlib.lines import Line2D

from bnstudy.design.cell import Cell
from bnstudy.illustrations import Background
from bnstudy.illustrations.canvas import BLUE, ORANGE, page
from bnstudy.illustrations.measured_layers import digits
from bnstudy.networks import inits, optimizers, random_streams
from bnstudy.networks.models import build

EPOCHS = (0, 1, 5, 20)
WATCHED, LAYER = 256, 2
SHADES = ("#F2B632", "#E07B39", "#A8325E", "#2E1E5B")


def shifts(one: Background, narrow: bool) -> Page:
    titles = ["two samples", "vanilla, layer 3", "batch norm, layer 3"]
    legend = [Line2D([], [], color=c, label=f"epoch {e}") for e, c in zip(EPOCHS, SHADES, strict=True)]
    fig, axes = page(one, titles, narrow, legend, footer="Heights are densities; MLP, digits, rate 0.05, one seed.")
    rng = np.random.default_rng(31)
    for mean, width, color, label in ((0, 1, BLUE, "training"), (1.4, 0.8, ORANGE, "test")):
        sample = rng.normal(mean, width, 4000)
        sns.histplot(x=sample, bins=50, stat="density", color=color, alpha=0.5, label=label, linewidth=0, ax=axes[0])
    axes[0].set(xlabel="", ylabel="")
    axes[0].legend(fontsize=9.5, loc="upper right")
    for ax, norm in zip(axes[1:], ("none", "batch"), strict=True):
        _distributions(ax, measured(norm))
    return fig


def _distributions(ax: Axes, values: dict[int, np.ndarray]) -> None:
    low, high = np.percentile(np.concatenate(list(values.values())), [0.5, 99.5])
    for (_, found), color in zip(values.items(), SHADES, strict=True):
        sns.kdeplot(x=found, clip=(low, high), bw_adjust=0.5, color=color, linewidth=1.5, ax=ax)
    ax.set(xlim=(low, high), xlabel="", ylabel="")


@cache
def measured(norm: str) -> dict[int, np.ndarray]:
    """Return epoch -> inputs of the third hidden layer's nonlinearity, before a norm's scale and shift, flattened. They
    are for the same WATCHED training images, in training mode."""
    cell = Cell(dataset="digits", model="mlp", norm=norm, lr=0.05)
    data = digits()
    network = build(cell, data.shape)
    inits.initialize(network, cell, 0)
    optimizer = optimizers.REGISTRY[cell.optimizer](network.parameters(), cell)
    found = {}
    for epoch in range(max(EPOCHS) + 1):
        if epoch:
            _train(network, optimizer, cell, data.train_images, data.train_labels, epoch)
        if epoch in EPOCHS:
            with optimizers.stored_parameters(optimizer):
                found[epoch] = _watch(network, data.train_images[:WATCHED], norm != "none")
    return found


def _train(network, optimizer, cell: Cell, images: torch.Tensor, labels: torch.Tensor, epoch: int) -> None:
    order = random_streams.order(cell.dataset, 0, epoch, len(images))
    for batch in order.split(cell.batch_size)[: len(images) // cell.batch_size]:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
        optimizer.step()


def _watch(network, images: torch.Tensor, normalized: bool) -> np.ndarray:
    seen: list[torch.Tensor] = []
    hook = network.blocks[LAYER].layer.register_forward_hook(lambda _layer, _given, out: seen.append(out))

    with torch.no_grad():
        network(images)
    hook.remove()
    values = seen[0]
    if normalized:
        values = (values - values.mean(0)) / torch.sqrt(values.var(0, unbiased=False) + 1e-5)
    return values.flatten().numpy()
