"""Losses (thesis 2.11): name -> factory (reduction, cell) of a module, which takes logits and labels.

Reduction is `mean` over a batch, or `sum`. Cross-entropy is in nats; the others have no unit.
"""

from __future__ import annotations

from collections.abc import Callable

from bnstudy.design.cell import Cell
from bnstudy.lazy import torch


def cross_entropy(reduction: str, cell: Cell) -> torch.nn.Module:
    """Minus the logarithm of the softmax of the true class (equation 2.2, section 2.11.2)."""
    return torch.nn.CrossEntropyLoss(reduction=reduction)


def hinge(reduction: str, cell: Cell) -> torch.nn.Module:
    """The sum of `hinge_sum` divided by the number of classes, as torch defines it; delta is the cell's."""
    return _margin(1, reduction, cell)


def squared_hinge(reduction: str, cell: Cell) -> torch.nn.Module:
    """The sum of `squared_hinge_sum` divided by the number of classes, as torch defines it."""
    return _margin(2, reduction, cell)


def hinge_sum(reduction: str, cell: Cell) -> torch.nn.Module:
    """Sum over the wrong classes j of max(0, s_j - s_y + delta), for scores s and true class y (equation 2.36)."""
    return _margin(1, reduction, cell, summed=True)


def squared_hinge_sum(reduction: str, cell: Cell) -> torch.nn.Module:
    """Sum over the wrong classes j of max(0, s_j - s_y + delta)^2 (equation 2.37)."""
    return _margin(2, reduction, cell, summed=True)


def squared_error(reduction: str, cell: Cell) -> torch.nn.Module:
    """Squared distance of the scores from the target, 1 for the true class and 0 for the others, summed over the
    classes (equation 2.1)."""

    class SquaredError(torch.nn.Module):
        def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            targets = torch.nn.functional.one_hot(labels, logits.shape[1])
            of_images = (logits.float() - targets).square().sum(1)
            return of_images.mean() if reduction == "mean" else of_images.sum()

    return SquaredError()


def _margin(p: int, reduction: str, cell: Cell, summed: bool = False) -> torch.nn.Module:
    """Return torch's margin loss, times the classes if `summed`. NaN if a score is NaN, where torch's is 0."""
    divided = torch.nn.MultiMarginLoss(p=p, margin=cell.hinge_delta, reduction=reduction)

    class Margin(torch.nn.Module):
        def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            loss = divided(logits, labels).masked_fill(logits.isnan().any(), torch.nan)
            return logits.shape[1] * loss if summed else loss

    return Margin()


REGISTRY: dict[str, Callable[[str, Cell], torch.nn.Module]] = {
    "cross_entropy": cross_entropy,
    "hinge": hinge,
    "squared_hinge": squared_hinge,
    "hinge_sum": hinge_sum,
    "squared_hinge_sum": squared_hinge_sum,
    "squared_error": squared_error,
}
