"""Terms added to the data loss (thesis 2.12.2): name -> (tensors, cell) -> scalar tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bnstudy.design.cell import Cell
from bnstudy.lazy import torch

if TYPE_CHECKING:
    from bnstudy.networks.models.block import Network


def no_penalty(tensors: Sequence[torch.Tensor], cell: Cell) -> torch.Tensor:
    return torch.zeros((), device=tensors[0].device if tensors else None)


def l1(tensors: Sequence[torch.Tensor], cell: Cell) -> torch.Tensor:
    """lambda * sum |w| (equations 2.41, 2.42)."""
    return cell.penalty_strength * _absolute(tensors)


def l2(tensors: Sequence[torch.Tensor], cell: Cell) -> torch.Tensor:
    """lambda * factor * sum w^2 (equations 2.41, 2.43): factor 1 has the gradient 2 lambda w, factor 0.5
    Torch's weightDecay."""
    return cell.penalty_strength * cell.penalty_factor * _squares(tensors)


def elastic_net(tensors: Sequence[torch.Tensor], cell: Cell) -> torch.Tensor:
    """lambda * (alpha sum |w| + (1 - alpha) factor sum w^2) (equation 2.44); without an alpha, the sum of both."""
    if cell.elastic_alpha is None:
        return l1(tensors, cell) + l2(tensors, cell)
    return cell.elastic_alpha * l1(tensors, cell) + (1 - cell.elastic_alpha) * l2(tensors, cell)


def _absolute(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.stack([t.abs().sum() for t in tensors]).sum()


def _squares(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.stack([t.square().sum() for t in tensors]).sum()


REGISTRY: dict[str, Callable[[Sequence[torch.Tensor], Cell], torch.Tensor]] = {
    "none": no_penalty,
    "l1": l1,
    "l2": l2,
    "elastic_net": elastic_net,
}


def penalized(model: Network, cell: Cell) -> list[torch.Tensor]:
    """Return the tensors that are penalized: the weights of all layers, or (reading penalty_all) every parameter; of
    these, those that are trained."""
    if cell.penalty_on == "all":
        return [p for p in model.parameters() if p.requires_grad]
    return [block.layer.weight for block in model.blocks if block.layer.weight.requires_grad]
