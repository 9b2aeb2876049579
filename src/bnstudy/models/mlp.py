"""The multilayer perceptron of table 6.2: three hidden layers of 100 units, and the output layer."""

from torch import Tensor, nn

from bnstudy.cell import Cell
from bnstudy.errors import UsageError
from bnstudy.models import ImageShape
from bnstudy.models.block import dense, hidden, output

HIDDEN = (100, 100, 100)


class MLP(nn.Module):
    """Images (N, C, H, W), flattened, to logits (N, classes)."""

    def __init__(self, cell: Cell, shape: ImageShape):
        super().__init__()
        units = [max(1, round(n * cell.width)) for n in HIDDEN]
        sizes = [shape.inputs, *units]
        self.blocks = nn.ModuleList(
            hidden(f"hidden{i}", dense(sizes[i - 1], sizes[i]), cell, dropped=i == len(units) or _everywhere(cell))
            for i in range(1, len(sizes))
        )
        self.blocks.append(output(dense(sizes[-1], shape.classes), cell))

    def forward(self, images: Tensor) -> Tensor:
        x = images.flatten(1)
        for block in self.blocks:
            x = block(x)
        return x


def _everywhere(cell: Cell) -> bool:
    """Whether dropout stands behind every hidden layer, or behind the last alone."""
    if cell.dropout_at == "pairs":
        raise UsageError("dropout_at: pairs is for the cnn, model is mlp", "Use default, last or every.")
    return cell.dropout_at != "last"


def build(cell: Cell, shape: ImageShape) -> MLP:
    """Raises UsageError if dropout_at is `pairs`: there are none."""
    return MLP(cell, shape)
