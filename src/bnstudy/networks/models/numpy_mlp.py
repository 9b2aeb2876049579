"""The course reports' numpy network: a multilayer perceptron of layers from `networks.byhand`.

It is the `mlp` with every part replaced by its by-hand twin (`byhand.in_torch`), and one hidden layer of 100 units
if the cell gives no widths. So the training loop, losses, optimizers, statistics and records are those of any other
network; `networks.byhand.check` compares softmax, cross-entropy and SGD by hand with torch's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bnstudy.design.model_facts import ModelFacts
from bnstudy.networks.models import mlp

if TYPE_CHECKING:
    from bnstudy.design.cell import Cell
    from bnstudy.networks.models import ImageShape
    from bnstudy.networks.models.block import Network

HIDDEN = (100,)  # the default of all three reports

FACTS = ModelFacts(
    has=frozenset({"hidden"}),
    lacks={
        ("hidden", HIDDEN): "these are the model's own widths",
        "fan": "the model has no convolution",
        "precision": "numpy computes as on a CPU",
        "norm_affine": "its norms by hand have gamma and beta",
    },
    wants_gpu=False,
)


def build(cell: Cell, shape: ImageShape) -> Network:
    from bnstudy.networks.byhand.in_torch import by_hand

    network = mlp.build(cell, shape, HIDDEN)
    for block in network.blocks:
        block.layer, block.norm, block.activation = map(by_hand, (block.layer, block.norm, block.activation))  # type: ignore[assignment]
    return network
