"""The VGG-like network of the course whose practicals the three reports solve (Knigge 4, Lindt 4).

The reports only say "based on VGG-16", so this is the course's usual layout: eight 3x3 convolutions with norm and
nonlinearity, whose maps double from 64 to 512, five 3x3 max poolings of stride 2, and one linear layer. A step
on 32 images takes about 0.4 s on one core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bnstudy.design.model_facts import ModelFacts
from bnstudy.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from bnstudy.design.cell import Cell
    from bnstudy.networks.models import ImageShape
    from bnstudy.networks.models.block import Network

STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))

FACTS = ModelFacts(has=frozenset({"normed_layers"}))


def build(cell: Cell, shape: ImageShape) -> Network:
    """Return the network from images (N, C, H, W) of any size to logits."""
    from bnstudy.networks.models.block import Network, conv3x3, dense, hidden, is_normed, output

    layers, inputs = [], shape.channels
    for i, stage in enumerate(STAGES, 1):
        for j, n in enumerate(stage, 1):
            maps = max(1, round(n * cell.width))
            layers.append((f"conv{i}_{j}", conv3x3(inputs, maps)))
            inputs = maps
    blocks = [
        hidden(name, layer, cell, dropped=False, normed=is_normed(cell, i, len(layers)))
        for i, (name, layer) in enumerate(layers)
    ]
    last = dense(inputs * halved(shape.height) * halved(shape.width), shape.classes)
    return Network([*blocks, output(last, cell)], forward)


def forward(network: Network, images: Tensor) -> Tensor:
    x, blocks = images, iter(network.blocks)
    for stage in STAGES:
        for _ in stage:
            x = next(blocks)(x)
        x = pool(x)
    return next(blocks)(x.flatten(1))


def pool(x: Tensor) -> Tensor:
    """3x3 max pooling of stride 2 with padding 1: n pixels become ceil(n / 2)."""
    return torch.nn.functional.max_pool2d(x, 3, stride=2, padding=1)


def halved(pixels: int) -> int:
    """Return a side's pixels after five poolings: ceil(pixels / 32)."""
    return -(-pixels // 32)
