"""`bnstudy bench convolutions`: the evidence for the Winograd engine's table.

Each 3x3 convolution of the CNN and its gradients, by torch and by every form that fits its maps, in alternated rounds:
processor time, and the error against double precision. The last rows are the whole network, with batch norm.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d, cross_entropy

from bnstudy.bench.timed import Row
from bnstudy.design.cell import Cell
from bnstudy.networks import inits, models
from bnstudy.networks.models import ImageShape
from bnstudy.training.engine import numerics
from bnstudy.training.engine.winograd import forms, replace_convolutions
from bnstudy.training.engine.winograd.layer import Buffers, Products

SHAPE = ImageShape(3, 32, 32, 10)
Compute = Callable[..., Tensor]


def rows(width: float, batch: int, rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Rows layer, inputs, maps, side, form, forward_ms, backward_ms, ratio, error.

    `ratio` is torch's time by that of the form, forward and backward; the median over rounds. `error` is the largest
    relative error in the L2 norm of the output, or of the gradients of input, weights and bias; for the whole network
    that of the gradient of all parameters together.
    """
    cell = Cell(dataset="cifar10", model="cnn", norm="batch", width=width, batch_size=batch)
    found, side = [], SHAPE.height
    for block in models.build(cell, SHAPE).blocks:
        if isinstance(block.layer, torch.nn.Conv2d):
            say(block.name)
            inputs, maps = block.layer.in_channels, block.layer.out_channels
            head = {"layer": block.name, "inputs": inputs, "maps": maps, "side": side}
            found += [head | row for row in _compared(_computes(side), _sample(batch, inputs, maps, side), rounds)]
            side //= 2 if block.name.endswith("_2") else 1
    say("whole network")
    head = {"layer": "network", "inputs": SHAPE.channels, "maps": SHAPE.classes, "side": SHAPE.height}
    return found + [head | row for row in _networks(cell, rounds)]


def _computes(side: int) -> dict[str, Compute]:
    """Name -> what computes a convolution of maps of this side."""
    found: dict[str, Compute] = {"torch": lambda x, weight, bias: conv2d(x, weight, bias, padding=1)}
    for name in forms.AXES:
        if (side == 2) if name == "toeplitz" else side % len(forms.AXES[name].A) == 0:
            found[name] = _by_form(name, side)
    return found


def _by_form(name: str, side: int) -> Compute:
    own, shared = Buffers(), Buffers()
    return lambda x, weight, bias: Products.apply(x, weight, bias, forms.form(name, side, x.dtype), own, shared)


def _sample(batch: int, inputs: int, maps: int, side: int) -> list[Tensor]:
    """x, weight, bias, and a gradient of the output."""
    stream = torch.Generator().manual_seed(0)
    shapes = (batch, inputs, side, side), (maps, inputs, 3, 3), (maps,), (batch, maps, side, side)
    drawn = [torch.randn(shape, generator=stream) for shape in shapes]
    drawn[1] *= (2 / (9 * inputs)) ** 0.5
    return [t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t for t in drawn]


def _compared(computes: dict[str, Compute], sample: list[Tensor], rounds: int) -> list[Row]:
    *given, slope = sample
    needed = slice(given[0].shape[1] == SHAPE.channels, None)  # the images need no gradient

    def run(compute: Compute, dtype: torch.dtype) -> tuple[list[Tensor], float, float]:
        leaves = [t.to(dtype).requires_grad_() for t in given]
        began = time.process_time()
        y = compute(*leaves)
        half = time.process_time()
        gradients = torch.autograd.grad(y, leaves[needed], slope.to(dtype))
        return [y.detach(), *gradients], half - began, time.process_time() - half

    exact = run(computes["torch"], torch.float64)[0]
    errors = {name: max(map(_error, run(compute, torch.float32)[0], exact)) for name, compute in computes.items()}
    return _timed({name: lambda c=c: run(c, torch.float32)[1:] for name, c in computes.items()}, errors, rounds)


def _networks(cell: Cell, rounds: int) -> list[Row]:
    stream = torch.Generator().manual_seed(0)
    images = torch.randn(cell.batch_size, SHAPE.channels, SHAPE.height, SHAPE.width, generator=stream)
    labels = torch.randint(SHAPE.classes, (cell.batch_size,), generator=stream)

    def run(model: torch.nn.Module, dtype: torch.dtype) -> tuple[Tensor, float, float]:
        model.zero_grad()
        began = time.process_time()
        loss = cross_entropy(model(images.to(dtype)), labels)
        half = time.process_time()
        loss.backward()
        ended = time.process_time()
        whole = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        return whole, half - began, ended - half

    found = {name: _network(cell) for name in ("torch", "table")}
    replace_convolutions(found["table"])
    exact = run(_network(cell).double(), torch.float64)[0]
    errors = {name: _error(run(model, torch.float32)[0], exact) for name, model in found.items()}
    return _timed({name: lambda m=m: run(m, torch.float32)[1:] for name, m in found.items()}, errors, rounds)


def _network(cell: Cell) -> Any:
    model = models.build(cell, SHAPE)
    inits.initialize(model, cell, 0)
    return model.to(memory_format=numerics.layout(model))  # type: ignore[call-overload]


def _error(found: Tensor, exact: Tensor) -> float:
    return float((found.double() - exact).norm() / exact.norm())


def _timed(runs: dict[str, Callable[[], tuple[float, float]]], errors: dict[str, float], rounds: int) -> list[Row]:
    """Rows form, forward_ms, backward_ms, ratio, error. `runs` give seconds forward and backward."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name].append(run())
    return [
        {
            "form": name, "forward_ms": 1e3 * median(f for f, _ in own), "backward_ms": 1e3 * median(b for _, b in own),
            "ratio": median(sum(t) / sum(o) for t, o in zip(seconds["torch"], own, strict=True)), "error": errors[name],
        }
        for name, own in seconds.items()
    ]  # fmt: skip
