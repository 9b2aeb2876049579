"""The nonlinearities of thesis 2.10: name -> factory of a module."""

from __future__ import annotations

from collections.abc import Callable

from bnstudy.lazy import torch

REGISTRY: dict[str, Callable[[], torch.nn.Module]] = {
    "sigmoid": lambda: torch.nn.Sigmoid(),
    "relu": lambda: torch.nn.ReLU(),
    "elu": lambda: torch.nn.ELU(alpha=1.0),  # alpha is not stated; 1 is the default of Torch and PyTorch
    "tanh": lambda: torch.nn.Tanh(),
    "leaky_relu": lambda: torch.nn.LeakyReLU(negative_slope=0.01),  # 2.10.2
    "prelu": lambda: torch.nn.PReLU(),
    "softplus": lambda: torch.nn.Softplus(),
}
