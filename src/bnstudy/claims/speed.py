"""Measures of convergence speed. The thesis writes `faster` and `slower` without defining them."""

from typing import Any

import numpy as np

from bnstudy.claims.history import History
from bnstudy.claims.terms import NotGiven, betters_chance, every
from bnstudy.design.labels import NORMS

CONVERGED = 0.95
"""The share of a best validation accuracy that counts as convergence to it."""


def epochs_to_vanilla(ev: History, model: str, setting: str, dataset: str) -> tuple[float, float]:
    """Return the epochs of vanilla and of batch norm to 95 % of vanilla's best validation accuracy. Raises NotGiven if
    neither learns."""
    level = CONVERGED * ev.best_accuracy(model, setting, dataset, "none")
    none, batch = (ev.epochs_to(model, setting, dataset, norm, level) for norm in NORMS)
    if none == batch == np.inf:
        raise NotGiven((model, dataset))
    return none, batch


def epochs_to_own(ev: History, cell: tuple[str, str, str, str]) -> float:
    """Return the epochs to 95 % of the cell's own best validation accuracy."""
    return ev.epochs_to(*cell, CONVERGED * ev.best_accuracy(*cell))


def no_faster(first: Any, second: Any) -> Any:
    """Return True unless `first` epochs are clearly fewer than `second`: by over one epoch and a factor over 1.5."""
    return (second <= 1.5 * first) | (second <= first + 1)


def never_starts(ev: History, model: str, setting: str) -> Any:
    """Return True if vanilla's best validation accuracy is no better than a constant guess on each data set."""
    return every(not betters_chance(ev.best_accuracy(model, setting, d, "none"), d) for d in ev.datasets)


def slowest(ev: History, setting: str, others: tuple[str, ...], dataset: str) -> Any:
    """Return True if the MLP with batch norm needs more epochs in `setting` than in each other one, to 95 % of its best
    accuracy in `setting`."""
    level = CONVERGED * ev.best_accuracy("mlp", setting, dataset, "batch")
    own = ev.epochs_to("mlp", setting, dataset, "batch", level)
    return every(own > ev.epochs_to("mlp", other, dataset, "batch", level) for other in others)
