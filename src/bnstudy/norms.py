"""Normalizations: name -> factory (features, dims, cell) of a module.

`features` counts units or feature maps; `dims` is 1 behind a dense layer, input (N, features), and 2 behind
a convolution, input (N, features, H, W), whose statistics go over batch and positions (thesis 3, 7.2).
A module's scale, if it has one, is its parameter `weight`, its shift `bias`; `inits.initialize` fills both.
"""

from __future__ import annotations

from collections.abc import Callable

from bnstudy.cell import Cell
from bnstudy.lazy import torch


def no_norm(features: int, dims: int, cell: Cell) -> torch.nn.Module:
    """The thesis's vanilla network."""
    return torch.nn.Identity()


def batch_norm(features: int, dims: int, cell: Cell) -> torch.nn.Module:
    """Equation 3.1 with biased batch variance; for tests running averages, whose variance is the unbiased one."""
    kind = {1: torch.nn.BatchNorm1d, 2: torch.nn.BatchNorm2d}[dims]
    return kind(features, eps=cell.norm_eps, momentum=cell.norm_momentum)


REGISTRY: dict[str, Callable[[int, int, Cell], torch.nn.Module]] = {"none": no_norm, "batch": batch_norm}
