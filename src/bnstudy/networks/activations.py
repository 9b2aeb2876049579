"""The nonlinearities of thesis 2.10: name -> factory (cell) of a module."""

from __future__ import annotations

from collections.abc import Callable

from bnstudy.design.cell import Cell
from bnstudy.lazy import torch

REGISTRY: dict[str, Callable[[Cell], torch.nn.Module]] = {
    "sigmoid": lambda cell: torch.nn.Sigmoid(),
    "relu": lambda cell: torch.nn.ReLU(),
    "elu": lambda cell: torch.nn.ELU(alpha=cell.elu_alpha),  # equation 2.35
    "tanh": lambda cell: torch.nn.Tanh(),
    "leaky_relu": lambda cell: torch.nn.LeakyReLU(negative_slope=cell.negative_slope),  # 2.10.2
    "prelu": lambda cell: torch.nn.PReLU(),
    "softplus": lambda cell: torch.nn.Softplus(),
}
