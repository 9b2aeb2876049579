"""The convolutional network of table 6.3: five pairs of 3x3 convolutions, each pair halved by 2x2 max
pooling, two dense layers, and the output layer."""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from bnstudy.cell import Cell
from bnstudy.errors import UsageError
from bnstudy.models import ImageShape
from bnstudy.models.block import Block, Network, conv3x3, dense, hidden, output

PAIRS = (64, 128, 256, 512, 512)
DENSE = 512


class CNN(Network):
    """Images (N, C, H, W), H and W multiples of 32, to logits (N, classes)."""

    def __init__(self, cell: Cell, shape: ImageShape):
        super().__init__()
        maps = [shape.channels, *(max(1, round(n * cell.width)) for n in PAIRS)]
        units = max(1, round(DENSE * cell.width))
        blocks: list[Block] = []
        for i in range(1, len(maps)):
            blocks.append(hidden(f"conv{i}_1", conv3x3(maps[i - 1], maps[i]), cell, "pair" in _dropped(cell)))
            blocks.append(hidden(f"conv{i}_2", conv3x3(maps[i], maps[i]), cell, "else" in _dropped(cell)))
        inputs = maps[-1] * (shape.height // 32) * (shape.width // 32)
        for i in range(1, cell.dense_layers + 1):
            place = "last" if i == cell.dense_layers else "else"
            blocks.append(hidden(f"dense{i}", dense(inputs, units), cell, place in _dropped(cell)))
            inputs = units
        blocks.append(output(dense(units, shape.classes), cell))
        self.blocks = cast(Sequence[Block], nn.ModuleList(blocks))

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for block in self.blocks:
            x = block(x if isinstance(block.layer, nn.Conv2d) else x.flatten(1))
            if block.name.endswith("_2"):
                x = max_pool2d(x, 2)
        return x


def _dropped(cell: Cell) -> set[str]:
    """Where dropout stands: inside the pairs, behind the last hidden layer, behind all else (6.2.2, 7.2.4)."""
    return {
        "default": {"pair", "last"},
        "last": {"last"},
        "pairs": {"pair"},
        "every": {"pair", "last", "else"},
    }[cell.dropout_at]


def build(cell: Cell, shape: ImageShape) -> CNN:
    """Raises UsageError if five halvings do not divide the image."""
    if shape.height % 32 or shape.width % 32 or not shape.height or not shape.width:
        raise UsageError(
            f"{cell.dataset}: {shape.height}x{shape.width} images do not fit the cnn, which halves them five times",
            "Give it images of 32x32 (mnist_size: pad or resize), or use the mlp.",
        )
    return CNN(cell, shape)
