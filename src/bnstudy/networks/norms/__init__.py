"""Normalizations: name -> factory (features, dims, cell) of a module.

`features` counts units or feature maps; `dims` is 1 after a dense layer, input (N, features), and 2 after a
convolution, input (N, features, H, W). Batch norm takes its statistics over batch and positions (thesis 3, 7.2), layer
and RMS norm over one image: its units, or its maps and their positions; group norm over a group of these. All scale
each unit or map, and all but RMS norm shift it. A module's scale, if it has one, is its parameter `weight`, its shift
`bias`; `inits.initialize` fills both.

The names with `_autograd` and `_manual` are batch and layer norm written as formulas, as in the course reports: with
autograd's backward pass, or with one derived by hand (docs/derivation.md). Tests compare them with torch's norms.
"""

from __future__ import annotations

from collections.abc import Callable

from bnstudy.design.cell import Cell
from bnstudy.lazy import torch

GROUPS = 32
"""The most groups of group norm: the number of Wu and He (2018)."""
SMALLEST_GROUP = 4  # units


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
    from bnstudy.networks.norms.group import GroupNorm

    return GroupNorm(1, features, eps=cell.norm_eps, affine=cell.norm_affine)


def group_norm(features: int, dims: int, cell: Cell) -> torch.nn.Module:
    """Normalize every group of `groups` in every image separately (Wu and He 2018)."""
    from bnstudy.networks.norms.group import GroupNorm

    return GroupNorm(groups(features, dims), features, eps=cell.norm_eps, affine=cell.norm_affine)


def groups(features: int, dims: int) -> int:
    """Return the number of groups: 32, or the largest number below it that divides the features into equal groups.

    Behind a dense layer a group has at least SMALLEST_GROUP units: two values become 1 and -1 whatever they are, and a
    single one becomes 0. So 100 units make 25 groups of 4, and fewer than 8 make one group.
    """
    smallest = SMALLEST_GROUP if dims == 1 else 1
    most = max(1, min(GROUPS, features // smallest))
    return max(n for n in range(1, most + 1) if features % n == 0)


def rms_norm(features: int, dims: int, cell: Cell) -> torch.nn.Module:
    """Divide every image by its root mean square and scale it; no mean is subtracted, nothing is shifted (Zhang and
    Sennrich 2019)."""
    if dims == 1:
        return torch.nn.RMSNorm(features, eps=cell.norm_eps, elementwise_affine=cell.norm_affine)
    from bnstudy.networks.norms.rms import MapsRMSNorm

    return MapsRMSNorm(features, cell.norm_eps, cell.norm_affine)


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
    "group": group_norm,
    "rms": rms_norm,
}
