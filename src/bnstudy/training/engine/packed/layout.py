"""How the packed engine lays cells side by side: flat rows of parameters, and planes of activations.

Row k of every buffer belongs to cell k and starts on a multiple of 64 values. An element-wise operation over
a whole buffer then cuts it into vectors at the same places of every cell, and GEMMs meet the same alignment,
wherever in a pack the cell is. This keeps a cell's bits the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Call = Callable[[], object]
"""A torch call whose operands are views that were made in advance."""

ALIGNMENT = 64  # values; no vector unit handles more at once
ROW = 16  # values; rows of a plane start on cache lines


def padded(count: int, to: int = ALIGNMENT) -> int:
    return -(-count // to) * to


@dataclass(frozen=True, slots=True)
class Span:
    """Where one tensor of a network lies in a row."""

    offset: int
    shape: tuple[int, ...]

    @property
    def stop(self) -> int:
        return self.offset + torch.Size(self.shape).numel()


class Layout:
    """Where the parameters and the running statistics of a network lie in rows; built from its `state_dict()`.

    Weights come first, so that the weights of a cell are the slice [: weights] of its row; the
    padding of a row is zero and stays zero. `shapes` are those of the weights, (out, in) in forward order.
    """

    def __init__(self, state: Mapping[str, Tensor]):
        names = [name for name in state if not name.endswith("num_batches_tracked")]
        running = [name for name in names if "running_" in name]
        trained = [name for name in names if name not in running]
        trained.sort(key=lambda name: not name.endswith("layer.weight"))
        self.names = names
        self.parameters, self.size = _spans({name: state[name] for name in trained})
        self.running, self.running_size = _spans({name: state[name] for name in running})
        weights = [span for name, span in self.parameters.items() if name.endswith("layer.weight")]
        self.shapes = [span.shape for span in weights]
        self.weights = padded(weights[-1].stop)

    def rows(self, state: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return (parameters, running statistics) of a state, each a new row."""
        first = next(iter(state.values()))
        rows = first.new_zeros(self.size), first.new_zeros(self.running_size)
        for row, spans in zip(rows, (self.parameters, self.running), strict=True):
            for name, span in spans.items():
                row[span.offset : span.stop] = state[name].flatten()
        return rows

    def state(self, parameters: Tensor, running: Tensor) -> dict[str, Tensor]:
        """Return what `state_dict()` would give for these rows, as views."""
        views = {n: parameters[s.offset : s.stop].view(s.shape) for n, s in self.parameters.items()}
        views |= {n: running[s.offset : s.stop].view(s.shape) for n, s in self.running.items()}
        return {name: views[name] for name in self.names}


def _spans(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Span], int]:
    spans, offset = {}, 0
    for name, tensor in tensors.items():
        spans[name] = Span(offset, tuple(tensor.shape))
        offset = padded(spans[name].stop)
    return spans, offset


def views(buffer: Tensor, spans: Mapping[str, Span]) -> dict[str, Tensor]:
    """Return the tensors in a buffer (cells, row): name -> (cells, *shape)."""
    return {n: buffer[:, s.offset : s.stop].view(len(buffer), *s.shape) for n, s in spans.items()}


class Plane:
    """A buffer of `units` values for each cell and image: `view` (cells, units, batch), unit-major.

    It is unit-major so that weights (out, in) times inputs is a plain product, a unit's batch is contiguous, and
    both large products of the first layer run at the best rate. Sums, products and anything per unit use
    `view`; element-wise operations use `flat` (cells, padded row).
    """

    __slots__ = ("flat", "view")

    def __init__(self, cells: int, units: int, batch: int, like: Tensor):
        width = padded(batch, ROW)
        self.flat = like.new_zeros(cells, padded(units * width))
        self.view = self.flat[:, : units * width].view(cells, units, width)[:, :, :batch]
