"""The floor under a training step: its matrix products alone, at the rate this machine gives them."""

from collections.abc import Callable

import torch

from bnstudy.bench.subject import Subject, clock
from bnstudy.design.cell import Cell
from bnstudy.networks.models import ImageShape, build
from bnstudy.training.estimate import flops_per_image

LARGE = 8192  # a product of this size shows a GPU's rate
REPEATS = 3


def products(cell: Cell, shape: ImageShape, stacked: int, steps: int) -> Subject:
    """The matrix products of a step of an MLP, `stacked` side by side, with nothing between them: forward, weight
    gradients, and input gradients but the first layer's. Each operand lies as its product is fastest."""
    layers = [block.layer.weight.shape for block in build(cell, shape).blocks]  # type: ignore[union-attr]
    calls: list[Callable[[], object]] = []
    images = torch.randn(cell.batch_size, layers[0][1])
    for i, (out, inputs) in enumerate(layers):
        weight, slope = torch.randn(stacked, out, inputs), torch.randn(stacked, out, cell.batch_size)
        x = images.t().contiguous().expand(stacked, -1, -1) if i == 0 else torch.randn(stacked, inputs, cell.batch_size)
        turned = images.expand(stacked, -1, -1) if i == 0 else x.transpose(1, 2)
        to_weight, to_x, z = torch.empty_like(weight), torch.empty(stacked, inputs, cell.batch_size), slope.clone()
        calls.append(_product(weight, x, z))
        calls.append(_product(slope, turned, to_weight))
        if i:
            calls.append(_product(weight.transpose(1, 2), slope, to_x))

    def run() -> None:
        for _ in range(steps):
            for call in calls:
                call()

    return Subject(run, steps, stacked)


def _product(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> Callable[[], object]:
    return lambda: torch.bmm(a, b, out=out)


def large_product(cell: Cell, device: str) -> Subject:
    """As many operations as a step of the cell, in one large product: the roof where no layer limits it."""
    size = LARGE if device != "cpu" else 1024
    a = torch.randn(size, size, device=device)
    out = torch.empty_like(a)
    repeats = max(1, round(flops_per_image(cell) * cell.batch_size / (2 * size**3)))

    def run() -> None:
        for _ in range(repeats):
            torch.mm(a, a, out=out)

    steps = repeats * 2 * size**3 / (flops_per_image(cell) * cell.batch_size)
    return Subject(run, steps)


def us_per_step(subject: Subject, device: str) -> float:
    """Microseconds of a cell and step, the best of a few runs: a floor is what is possible."""
    clock(subject, device)
    readings = [clock(subject, device) for _ in range(REPEATS)]
    best = min(r.cpu if device == "cpu" else r.wall for r in readings)
    return best * 1e6 / (subject.steps * subject.cells)
