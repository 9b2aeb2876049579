"""Losses (thesis 2.11): name -> factory (reduction) of torch's module, which takes logits and labels.

Reduction is `mean` over a batch, or `sum`. Cross-entropy is in nats; the hinges have no unit.
"""

from __future__ import annotations

from collections.abc import Callable

from bnstudy.lazy import torch


def cross_entropy(reduction: str) -> torch.nn.Module:
    """Minus the logarithm of the softmax of the true class (equation 2.2, section 2.11.2)."""
    return torch.nn.CrossEntropyLoss(reduction=reduction)


def hinge(reduction: str) -> torch.nn.Module:
    """Sum over the wrong classes of max(0, 1 - logit of the true class + logit of the wrong one) (2.11); torch divides
    it by the number of classes."""
    return torch.nn.MultiMarginLoss(p=1, reduction=reduction)


def squared_hinge(reduction: str) -> torch.nn.Module:
    """The hinge loss with each term squared (2.11)."""
    return torch.nn.MultiMarginLoss(p=2, reduction=reduction)


REGISTRY: dict[str, Callable[[str], torch.nn.Module]] = {
    "cross_entropy": cross_entropy,
    "hinge": hinge,
    "squared_hinge": squared_hinge,
}
