"""The multilayer perceptron of table 6.2: three hidden layers of 100 units, and the output layer; or other widths."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from bnstudy.design.model_facts import ModelFacts

if TYPE_CHECKING:
    from torch import Tensor

    from bnstudy.design.cell import Cell
    from bnstudy.networks.models import ImageShape
    from bnstudy.networks.models.block import Network

HIDDEN = (100, 100, 100)

FACTS = ModelFacts(
    has=frozenset({"hidden", "normed_layers", "dropout", "dropconnect", ("norm_placement", "pre_linear")}),
    lacks={
        ("hidden", HIDDEN): "these are the model's own widths",
        "fan": "the model has no convolution",
        ("dropout_at", "every"): "the mlp drops after every activation by default",
        ("dropout_at", "pairs"): "the mlp has no pairs of layers",
        ("dropout_kind", "maps"): "the mlp has no feature maps",
    },
    engines=("packed", "graph"),
    wants_gpu=False,
    runs_per_pack=18,
    efficiency={"cpu": 0.4, "cuda": 0.02},  # on a CPU measured with the packed engine, on a GPU assumed
)


def build(cell: Cell, shape: ImageShape, own: Sequence[int] = HIDDEN) -> Network:
    """Return the network with the cell's hidden widths, or with the widths `own` times the cell's `width`."""
    from bnstudy.networks.models.block import Network, dense, hidden, is_normed, output

    widths = cell.hidden or tuple(max(1, round(n * cell.width)) for n in own)
    sizes = [shape.inputs, *widths]
    layers = [dense(inputs, units) for inputs, units in pairwise(sizes)]
    dropped = [cell.dropout_at != "last"] * (len(layers) - 1) + [True]
    blocks = [
        hidden(f"hidden{i + 1}", layer, cell, dropped[i], is_normed(cell, i, len(layers)))
        for i, layer in enumerate(layers)
    ]
    return Network([*blocks, output(dense(sizes[-1], shape.classes), cell)], forward)


def forward(network: Network, images: Tensor) -> Tensor:
    x = images.flatten(1)
    for block in network.blocks:
        x = block(x)
    return x
