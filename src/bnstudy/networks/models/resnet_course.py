"""The convolutional network with pre-activation residual units of the course (Soons 4a).

The report only names the units, so this is the course's usual layout of that year: a 3x3 convolution to 64 maps; five
stages of one, two, two, two and two units, each followed by 3x3 max pooling of stride 2; a 1x1 convolution before the
pooling of the first three stages doubles the maps; one linear layer. A unit is x + conv(act(norm(conv(act(norm(x)))))).
A step on 32 images takes about 1.3 s on one core.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from bnstudy.design.model_facts import ModelFacts
from bnstudy.lazy import torch
from bnstudy.networks import activations, norms
from bnstudy.networks.models.vgg_course import halved, pool

if TYPE_CHECKING:
    from torch import Tensor

    from bnstudy.design.cell import Cell
    from bnstudy.networks.models import ImageShape
    from bnstudy.networks.models.block import Block, Network

MAPS = (64, 128, 256, 512, 512)
UNITS = (1, 2, 2, 2, 2)
WIDENED = (True, True, True, False, False)

FACTS = ModelFacts(
    lacks=dict.fromkeys(("norm_placement", "output_norm", "norm_bias"), "the model has its own places for norms"),
)


def build(cell: Cell, shape: ImageShape) -> Network:
    """Images (N, C, H, W) of any size to logits."""
    from bnstudy.networks.models.block import Block, Network, dense, output

    maps = [max(1, round(n * cell.width)) for n in MAPS]
    blocks = [Block("conv0", torch.nn.Conv2d(shape.channels, maps[0], 3, padding=1))]
    for i, (n, units, (here, after)) in enumerate(zip(maps, UNITS, pairwise([*maps, maps[-1]]), strict=True), 1):
        blocks += [_first(f"unit{i}_{j}{part}", n, cell) for j in range(1, units + 1) for part in "ab"]
        blocks += [Block(f"conv{i}", torch.nn.Conv2d(here, after, 1))] if WIDENED[i - 1] else []
    last = dense(maps[-1] * halved(shape.height) * halved(shape.width), shape.classes)
    return Network([*blocks, output(last, cell)], forward)


def forward(network: Network, images: Tensor) -> Tensor:
    blocks = iter(network.blocks)
    x = next(blocks)(images)
    for units, widened in zip(UNITS, WIDENED, strict=True):
        for _ in range(units):
            first, second = next(blocks), next(blocks)
            x = x + second(first(x))
        x = pool(next(blocks)(x) if widened else x)
    return next(blocks)(x.flatten(1))


def _first(name: str, maps: int, cell: Cell) -> Block:
    """Make a block of norm, nonlinearity and 3x3 convolution, in this order."""
    from bnstudy.networks.models.block import Block

    norm, activation = norms.REGISTRY[cell.norm](maps, 2, cell), activations.REGISTRY[cell.activation](cell)
    layer = torch.nn.Conv2d(maps, maps, 3, padding=1)
    return Block(name, layer, norm, activation, placement="first")
