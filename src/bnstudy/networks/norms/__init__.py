"""Normalizations: name -> factory (features, dims, cell) of a module.

`features` counts units or feature maps; `dims` is 1 after a dense layer, input (N, features), and 2 after a
convolution, input (N, features, H, W). Batch norm takes its statistics over batch and positions (thesis 3, 7.2), layer
norm over one image: its units, or its maps and their positions. Both scale and shift each unit or map. A module's
scale, if it has one, is its parameter `weight`, its shift `bias`; `inits.initialize` fills both.

The names with `_autograd` and `_manual` are the same two norms written as formulas, as in the course reports: with
autograd's backward pass, or with one derived by hand (docs/derivation.md). Tests compare them with torch's norms.
"""

from __future__ import annotations

from collections.abc import Callable

from bnstudy.design.cell import Cell
from bnstudy.lazy import torch


def no_norm(features: int, dims: int, cell: Cell) -> torch.nn.Module:
    """The thesis's vanilla network."""
    return torch.nn.Identity()


def batch_norm(features: int, dims: int, cell: Cell) -> torch.nn.Module:
    """Equation 3.1 with biased batch variance; evaluation uses running averages, with unbiased variance."""
    kind = {1: torch.nn.BatchNorm1d, 2: torch.nn.BatchNorm2d}[dims]
    return kind(features, eps=cell.norm_eps, momentum=cell.norm_momentum, affine=cell.norm_affine)


def layer_norm(features: int, dims: int, cell: Cell) -> torch.nn.Module:
    """Normalize every image separately, in training and in evaluation (Soons 3).

    For maps this is torch's GroupNorm with one group: statistics over maps and positions, a scale and a shift for each
    map. torch's LayerNorm would need the image size and scale every position of every map separately.
    """
    if dims == 1:
        return torch.nn.LayerNorm(features, eps=cell.norm_eps, elementwise_affine=cell.norm_affine)
    return torch.nn.GroupNorm(1, features, eps=cell.norm_eps, affine=cell.norm_affine)


def batch_autograd(features: int, dims: int, cell: Cell) -> torch.nn.Module:
    from bnstudy.networks.norms.batch import BatchAutograd

    return BatchAutograd(features, eps=cell.norm_eps, momentum=cell.norm_momentum)


def batch_manual(features: int, dims: int, cell: Cell) -> torch.nn.Module:
    from bnstudy.networks.norms.batch import BatchManual

    return BatchManual(features, eps=cell.norm_eps, momentum=cell.norm_momentum)


def layer_autograd(features: int, dims: int, cell: Cell) -> torch.nn.Module:
    from bnstudy.networks.norms.layer import LayerAutograd

    return LayerAutograd(features, cell.norm_eps)


def layer_manual(features: int, dims: int, cell: Cell) -> torch.nn.Module:
    from bnstudy.networks.norms.layer import LayerManual

    return LayerManual(features, cell.norm_eps)


REGISTRY: dict[str, Callable[[int, int, Cell], torch.nn.Module]] = {
    "none": no_norm,
    "batch": batch_norm,
    "batch_autograd": batch_autograd,
    "batch_manual": batch_manual,
    "layer": layer_norm,
    "layer_autograd": layer_autograd,
    "layer_manual": layer_manual,
}
