"""Weight initialization (thesis 2.4): name -> standard deviation; `initialize` fills a model."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from bnstudy.design.cell import Cell
from bnstudy.lazy import torch
from bnstudy.networks.random_streams import init_generator

if TYPE_CHECKING:
    from bnstudy.networks.models.block import Block, Network


def kaiming(fan_in: int, fan_out: int, cell: Cell) -> float:
    """sqrt(2 / n_in); the author's code has 1 in place of 2."""
    return math.sqrt(cell.kaiming_gain / fan_in)


def xavier(fan_in: int, fan_out: int, cell: Cell) -> float:
    """sqrt(2 / (n_in + n_out))."""
    return math.sqrt(2 / (fan_in + fan_out))


def lecun(fan_in: int, fan_out: int, cell: Cell) -> float:
    """sqrt(1 / n_in), LeCun's own rule. The thesis's equation 2.10 leaves the variance free: that is `normal`."""
    return math.sqrt(1 / fan_in)


def normal(fan_in: int, fan_out: int, cell: Cell) -> float:
    """The same standard deviation in every layer: `init_std` (equation 2.10, 7.1.3)."""
    assert cell.init_std is not None  # Cell refuses init normal without it
    return cell.init_std


def zeros(fan_in: int, fan_out: int, cell: Cell) -> float:
    """All weights are 0: the units of a layer stay alike, since nothing breaks their symmetry (2.4)."""
    return 0.0


def torch_default(fan_in: int, fan_out: int, cell: Cell) -> float:
    """The default of nn.Linear and nn.Conv2d, biases too: kaiming_uniform with a = sqrt(5), within 1 / sqrt(n_in)."""
    return math.sqrt(1 / (3 * fan_in))


REGISTRY: dict[str, Callable[[int, int, Cell], float]] = {
    "kaiming": kaiming,
    "xavier": xavier,
    "lecun": lecun,
    "normal": normal,
    "zeros": zeros,
    "torch_default": torch_default,
}


def fans(shape: torch.Size, cell: Cell) -> tuple[int, int]:
    """Return (n_in, n_out) of a weight (out, in) or (out, in, h, w), with the window if cell.fan is `receptive`."""
    window = math.prod(shape[2:]) if cell.fan == "receptive" else 1
    return shape[1] * window, shape[0] * window


def initialize(model: Network, cell: Cell, seed: int) -> None:
    """Fill all layers and norms of `model.blocks` in place, except `given` parts; biases become `bias_init`, beta 0.

    With `torch_default` biases are drawn like the weights, from a separate stream. The draws depend only on seed, layer
    name and shape and are then scaled, so that two cells of one seed start from the same point of the same stream. They
    are made on the CPU, whatever the model's device.
    """
    for block in model.blocks:
        if "layer" not in block.given:
            _fill_layer(block, cell, seed)
        if "norm" not in block.given:
            _fill_norm(block, cell, seed)


def _fill_layer(block: Block, cell: Cell, seed: int) -> None:
    name = cell.init if cell.init_std_on == "all" or block.name != "output" else "kaiming"
    weight, bias = block.layer.weight, block.layer.bias
    distribution = {"torch_default": "uniform", "normal": "normal"}.get(name, cell.init_distribution)
    std = REGISTRY[name](*fans(weight.shape, cell), cell)
    _fill(weight, std * _draw(weight, seed, block.name, distribution))
    if bias is not None:
        drawn = name == "torch_default"
        _fill(bias, std * _draw(bias, seed, f"{block.name}.bias", distribution) if drawn else cell.bias_init)


def _fill_norm(block: Block, cell: Cell, seed: int) -> None:
    gamma = getattr(block.norm, "weight", None)
    if gamma is not None and cell.gamma_init == "uniform":
        _fill(gamma, torch.rand(gamma.shape, generator=init_generator(seed, f"{block.name}.gamma", gamma.shape)))
    else:
        _fill(gamma, 1)
    _fill(getattr(block.norm, "bias", None), 0)


def _draw(parameter: torch.Tensor, seed: int, layer: str, distribution: str) -> torch.Tensor:
    """Return random numbers of mean 0 and variance 1 in the shape of `parameter`, float32 on the CPU."""
    generator = init_generator(seed, layer, parameter.shape)
    if distribution == "normal":
        return torch.randn(parameter.shape, generator=generator)
    return (2 * torch.rand(parameter.shape, generator=generator) - 1) * math.sqrt(3)


def _fill(parameter: torch.Tensor | None, value: torch.Tensor | float) -> None:
    if parameter is not None:
        with torch.no_grad():
            parameter.copy_(torch.as_tensor(value))
