"""The multilayer perceptron of table 6.2: three hidden layers of 100 units, and the output layer; or other widths."""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from bnstudy.cell import Cell
from bnstudy.models import ImageShape
from bnstudy.models.block import Block, Network, dense, hidden, output

HIDDEN = (100, 100, 100)


def widths(cell: Cell, own: Sequence[int]) -> tuple[int, ...]:
    """Units of each hidden layer: the cell's, or the model's own times the cell's `width`."""
    return cell.hidden or tuple(max(1, round(n * cell.width)) for n in own)


class MLP(Network):
    """Images (N, C, H, W), flattened, to logits (N, classes)."""

    def __init__(self, cell: Cell, shape: ImageShape, own: Sequence[int] = HIDDEN):
        super().__init__()
        sizes = [shape.inputs, *widths(cell, own)]
        everywhere = cell.dropout_at != "last"
        blocks = [
            hidden(f"hidden{i}", dense(sizes[i - 1], sizes[i]), cell, dropped=everywhere or i == len(sizes) - 1)
            for i in range(1, len(sizes))
        ]
        blocks.append(output(dense(sizes[-1], shape.classes), cell))
        self.blocks = cast(Sequence[Block], nn.ModuleList(blocks))

    def forward(self, images: Tensor) -> Tensor:
        x = images.flatten(1)
        for block in self.blocks:
            x = block(x)
        return x


def build(cell: Cell, shape: ImageShape) -> MLP:
    return MLP(cell, shape)
