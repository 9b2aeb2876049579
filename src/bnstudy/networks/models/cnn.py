"""The convolutional network of table 6.3: five pairs of 3x3 convolutions, each followed by 2x2 max pooling, two
dense layers, and the output layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bnstudy.design.model_facts import ModelFacts
from bnstudy.errors import UsageError
from bnstudy.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from bnstudy.design.cell import Cell
    from bnstudy.networks.models import ImageShape
    from bnstudy.networks.models.block import Network

PAIRS = (64, 128, 256, 512, 512)
DENSE = 512

FACTS = ModelFacts(
    has=frozenset({"normed_layers", "dropout", "dropconnect", "dense_layers"}),
    lacks={("mnist_size", "native"): "the cnn halves its images five times and needs 32x32"},
    engines=("graph", "winograd"),
    runs_per_pack=6,
    efficiency={"cpu": 2.2, "cuda": 0.25},  # on a CPU measured with the winograd engine (AVX2), on a GPU assumed
    value_cost={"cpu": 1200},
)


def build(cell: Cell, shape: ImageShape) -> Network:
    """Return the network from images (N, C, H, W), H and W multiples of 32, to logits. Raises UsageError."""
    from bnstudy.networks.models.block import Network, conv3x3, dense, hidden, is_normed, output

    if shape.height % 32 or shape.width % 32 or not shape.height or not shape.width:
        raise UsageError(
            f"{cell.dataset}: {shape.height}x{shape.width} images do not fit the cnn, which halves them five times",
            "Use images of 32x32 (mnist_size: pad or resize) or the mlp.",
        )
    maps = [shape.channels, *(max(1, round(n * cell.width)) for n in PAIRS)]
    units = max(1, round(DENSE * cell.width))
    dropped = _dropped(cell)
    layers = []
    for i in range(1, len(maps)):
        layers.append((f"conv{i}_1", conv3x3(maps[i - 1], maps[i]), "pair"))
        layers.append((f"conv{i}_2", conv3x3(maps[i], maps[i]), "else"))
    inputs = maps[-1] * (shape.height // 32) * (shape.width // 32)
    for i in range(1, cell.dense_layers + 1):
        layers.append((f"dense{i}", dense(inputs, units), "last" if i == cell.dense_layers else "else"))
        inputs = units
    blocks = [
        hidden(name, layer, cell, place in dropped, is_normed(cell, i, len(layers)))
        for i, (name, layer, place) in enumerate(layers)
    ]
    return Network([*blocks, output(dense(units, shape.classes), cell)], forward)


def forward(network: Network, images: Tensor) -> Tensor:
    x = images
    for block in network.blocks:
        x = block(x if isinstance(block.layer, torch.nn.Conv2d) else x.flatten(1))
        if block.name.endswith("_2"):
            x = torch.nn.functional.max_pool2d(x, 2)
    return x


def _dropped(cell: Cell) -> set[str]:
    """Return where dropout is applied: in the pairs, after the last hidden layer, after all others (6.2.2, 7.2.4)."""
    return {
        "default": {"pair", "last"},
        "last": {"last"},
        "pairs": {"pair"},
        "every": {"pair", "last", "else"},
        "before_norm": {"pair", "last", "else"},
    }[cell.dropout_at]
