"""The VGG-like network of the course whose practicals the three reports solve (Knigge 4, Lindt 4).

The reports say "based on VGG-16" and no more, so this is the course's usual layout: eight 3x3 convolutions with norm
and nonlinearity, their maps doubled from 64 to 512, five times halved by 3x3 max pooling of stride 2, and one linear
layer. A step on 32 images takes about 0.4 s on one core.
"""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from bnstudy.cell import Cell
from bnstudy.models import ImageShape
from bnstudy.models.block import Block, Network, conv3x3, dense, hidden, output

STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))


class VGGCourse(Network):
    """Images (N, C, H, W) of any size to logits (N, classes)."""

    def __init__(self, cell: Cell, shape: ImageShape):
        super().__init__()
        blocks, inputs = [], shape.channels
        for i, stage in enumerate(STAGES, 1):
            for j, n in enumerate(stage, 1):
                maps = max(1, round(n * cell.width))
                blocks.append(hidden(f"conv{i}_{j}", conv3x3(inputs, maps), cell, dropped=False))
                inputs = maps
        blocks.append(output(dense(inputs * halved(shape.height) * halved(shape.width), shape.classes), cell))
        self.blocks = cast(Sequence[Block], nn.ModuleList(blocks))

    def forward(self, images: Tensor) -> Tensor:
        x, blocks = images, iter(self.blocks)
        for stage in STAGES:
            for _ in stage:
                x = next(blocks)(x)
            x = pool(x)
        return next(blocks)(x.flatten(1))


def pool(x: Tensor) -> Tensor:
    """3x3 max pooling of stride 2 with padding 1: n pixels become ceil(n / 2)."""
    return max_pool2d(x, 3, stride=2, padding=1)


def halved(pixels: int) -> int:
    """What five poolings leave of a side: ceil(pixels / 32)."""
    return -(-pixels // 32)


def build(cell: Cell, shape: ImageShape) -> VGGCourse:
    return VGGCourse(cell, shape)
