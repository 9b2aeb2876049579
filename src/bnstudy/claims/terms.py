"""The words predicates are written in. They work on numbers and, element by element, on arrays of redraws.

Python's `and`, `not` and `all` take no arrays: write `&`, `no(...)` and `every(...)`.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import stats

from bnstudy.design.labels import THESIS_DATASETS
from bnstudy.printed import CONSTANT_GUESS

Slot = tuple[str, str, str, str]
"""model, setting, dataset, norm: one cell, as the tables address it."""

Place = tuple[str, str]
"""model, dataset: a column of the tables."""

ROWS = ("sigmoid", "relu", "elu", "lr_high", "lr_low", "init_high", "init_low", "dropout", "weight_decay")
"""The nine settings of tables B.1 and B.2."""
DIGITS, OBJECTS = THESIS_DATASETS[:2], THESIS_DATASETS[2:]


class NotGiven(Exception):
    """The evidence lacks what a predicate asks for: at `place`, or (None) altogether."""

    def __init__(self, place: Place | None = None):
        super().__init__(place)
        self.place = place


def some(values: Iterable[Any]) -> tuple[Any, ...]:
    """All of them. Raises NotGiven if there are none."""
    found = tuple(values)
    if not found:
        raise NotGiven
    return found


def of_size(size: int) -> str:
    """The setting with this batch size; 64 is the baseline's (6.2)."""
    return "relu" if size == 64 else f"batch_{size}"


def every(conditions: Iterable[Any]) -> Any:
    """Whether all hold; true of none."""
    result: Any = np.True_
    for condition in conditions:
        result = result & condition
    return result


def no(condition: Any) -> Any:
    return np.logical_not(condition)


def count(conditions: Iterable[Any]) -> Any:
    """How many hold."""
    return sum(np.asarray(condition).astype(int) for condition in conditions)


def mean(values: Iterable[Any]) -> Any:
    return np.mean(_broadcast(values), axis=0)


def lowest(values: Iterable[Any]) -> Any:
    return np.min(_broadcast(values), axis=0)


def highest(values: Iterable[Any]) -> Any:
    return np.max(_broadcast(values), axis=0)


def weakest(values: Iterable[Any]) -> Any:
    """The one that is most often, over redraws, at or below 0. What is said of some value is asked of it: of many alike
    another one is low in each redraw, so that some one nearly always is."""
    return min(_broadcast(values), key=lambda value: (np.mean(value > 0), np.mean(value)))


def _broadcast(values: Iterable[Any]) -> list[Any]:
    return list(np.broadcast_arrays(*some(values)))


def falling(values: Iterable[Any]) -> Any:
    """Whether each is below the one before."""
    found = list(values)
    return every(later < earlier for earlier, later in pairwise(found))


def rising(values: Iterable[Any]) -> Any:
    """Whether each is above the one before."""
    return falling([-value for value in values])


def never_rising(values: Iterable[Any]) -> Any:
    found = list(values)
    return every(later <= earlier for earlier, later in pairwise(found))


def rank_correlation(values: Iterable[Any]) -> Any:
    """Spearman's correlation of the values with their order; 0 if they are all equal."""
    ranks = stats.rankdata(np.stack(_broadcast(values)), axis=0)
    centred, order = ranks - ranks.mean(axis=0), np.arange(len(ranks)) - (len(ranks) - 1) / 2
    spread = np.sqrt((centred**2).sum(axis=0) * (order**2).sum())
    return np.tensordot(order, centred, axes=1) / np.where(spread == 0, 1, spread)


def chance(accuracy: Any, dataset: str) -> Any:
    """Whether this is the accuracy (percent) of a constant guess: within 1 point of the share of one class."""
    shares = CONSTANT_GUESS.get(dataset, ())
    return no(every(np.abs(np.round(accuracy - share, 6)) > 1 for share in shares))


def betters_chance(accuracy: Any, dataset: str) -> Any:
    """Whether this accuracy (percent), of any part of the data, is over one and a half times the best constant guess's:
    of 500 validation images a class may have that much more by chance."""
    return accuracy > 1.5 * max(CONSTANT_GUESS.get(dataset, ()), default=-np.inf)


def within_factor(factor: float, first: Any, second: Any) -> Any:
    """Whether two numbers above 0 differ by at most this factor."""
    return (first <= factor * second) & (second <= factor * first)
