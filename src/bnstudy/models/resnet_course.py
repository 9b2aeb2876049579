"""The convolutional network with pre-activation residual units of the course (Soons 4a).

The report names the units and no more, so this is the course's usual layout of that year: a 3x3 convolution to 64 maps;
five stages of one, two, two, two and two units, halved by 3x3 max pooling of stride 2; a 1x1 convolution before the
pooling of the first three stages doubles the maps; one linear layer. A unit is x + conv(act(norm(conv(act(norm(x)))))).
A step on 32 images takes about 1.3 s on one core.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

from torch import Tensor, nn

from bnstudy import activations, norms
from bnstudy.cell import Cell
from bnstudy.models import ImageShape
from bnstudy.models.block import Block, Network, dense, output
from bnstudy.models.vgg_course import halved, pool

MAPS = (64, 128, 256, 512, 512)
UNITS = (1, 2, 2, 2, 2)
WIDENED = (True, True, True, False, False)


class ResNetCourse(Network):
    """Images (N, C, H, W) of any size to logits (N, classes)."""

    def __init__(self, cell: Cell, shape: ImageShape):
        super().__init__()
        maps = [max(1, round(n * cell.width)) for n in MAPS]
        blocks = [_plain("conv0", nn.Conv2d(shape.channels, maps[0], 3, padding=1))]
        for i, (n, units, (here, after)) in enumerate(zip(maps, UNITS, pairwise([*maps, maps[-1]]), strict=True), 1):
            blocks += [_first(f"unit{i}_{j}{part}", n, cell) for j in range(1, units + 1) for part in "ab"]
            blocks += [_plain(f"conv{i}", nn.Conv2d(here, after, 1))] if WIDENED[i - 1] else []
        blocks.append(output(dense(maps[-1] * halved(shape.height) * halved(shape.width), shape.classes), cell))
        self.blocks = cast(Sequence[Block], nn.ModuleList(blocks))

    def forward(self, images: Tensor) -> Tensor:
        blocks = iter(self.blocks)
        x = next(blocks)(images)
        for units, widened in zip(UNITS, WIDENED, strict=True):
            for _ in range(units):
                first, second = next(blocks), next(blocks)
                x = x + second(first(x))
            x = pool(next(blocks)(x) if widened else x)
        return next(blocks)(x.flatten(1))


def _plain(name: str, layer: nn.Conv2d) -> Block:
    """A convolution without norm and nonlinearity."""
    return Block(name, layer, nn.Identity(), nn.Identity(), nn.Identity())


def _first(name: str, maps: int, cell: Cell) -> Block:
    """Norm, nonlinearity, 3x3 convolution."""
    norm, activation = norms.REGISTRY[cell.norm](maps, 2, cell), activations.REGISTRY[cell.activation](cell)
    return Block(name, nn.Conv2d(maps, maps, 3, padding=1), norm, activation, nn.Identity(), placement="first")


def build(cell: Cell, shape: ImageShape) -> ResNetCourse:
    return ResNetCourse(cell, shape)
