"""The vocabulary of predicates. It works on numbers and, elementwise, on arrays of redraws.

Python's `and`, `not` and `all` do not work on arrays: write `&`, `no(...)` and `every(...)`.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from bnstudy.design.labels import THESIS_DATASETS
from bnstudy.printed import CONSTANT_GUESS

Slot = tuple[str, str, str, str]
"""model, setting, dataset, norm: the address of a cell in the tables."""

Place = tuple[str, str]
"""model, dataset: a column of the tables."""

ROWS = ("sigmoid", "relu", "elu", "lr_high", "lr_low", "init_high", "init_low", "dropout", "weight_decay")
"""The nine settings of tables B.1 and B.2."""
DIGITS, OBJECTS = THESIS_DATASETS[:2], THESIS_DATASETS[2:]


class NotGiven(Exception):
    """The evidence lacks what a predicate reads: at `place`, or at all places if None."""

    def __init__(self, place: Place | None = None):
        super().__init__(place)
        self.place = place


def some(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return all values. Raises NotGiven if there are none."""
    found = tuple(values)
    if not found:
        raise NotGiven
    return found


def of_size(size: int) -> str:
    """Return the setting with this batch size; 64 is the baseline's (6.2)."""
    return "relu" if size == 64 else f"batch_{size}"


def every(conditions: Iterable[Any]) -> Any:
    """Return True if all conditions hold, or if there are none."""
    result: Any = np.True_
    for condition in conditions:
        result = result & condition
    return result


def no(condition: Any) -> Any:
    return np.logical_not(condition)


def count(conditions: Iterable[Any]) -> Any:
    """Return how many conditions hold."""
    return sum(np.asarray(condition).astype(int) for condition in conditions)


def mean(values: Iterable[Any]) -> Any:
    return np.mean(_broadcast(values), axis=0)


def lowest(values: Iterable[Any]) -> Any:
    return np.min(_broadcast(values), axis=0)


def highest(values: Iterable[Any]) -> Any:
    return np.max(_broadcast(values), axis=0)


def weakest(values: Iterable[Any]) -> Any:
    """Return the value that is at or below 0 in most redraws. "At least one value is at or below 0" is judged on it
    alone: of many similar values nearly every redraw has some low one."""
    return min(_broadcast(values), key=lambda value: (np.mean(value > 0), np.mean(value)))


def _broadcast(values: Iterable[Any]) -> list[Any]:
    return list(np.broadcast_arrays(*some(values)))


def falling(values: Iterable[Any]) -> Any:
    """Return True if each value is below the one before."""
    found = list(values)
    return every(later < earlier for earlier, later in pairwise(found))


def rising(values: Iterable[Any]) -> Any:
    """Return True if each value is above the one before."""
    return falling([-value for value in values])


def never_rising(values: Iterable[Any]) -> Any:
    found = list(values)
    return every(later <= earlier for earlier, later in pairwise(found))


def rank_correlation(values: Iterable[Any]) -> Any:
    """Return Spearman's correlation of the values with their order; 0 if they are all equal."""
    ranks = _ranks(np.stack(_broadcast(values)))
    centred, order = ranks - ranks.mean(axis=0), np.arange(len(ranks)) - (len(ranks) - 1) / 2
    spread = np.sqrt((centred**2).sum(axis=0) * (order**2).sum())
    return np.tensordot(order, centred, axes=1) / np.where(spread == 0, 1, spread)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value along the first axis, but for a constant; equal values share their mean rank. All
    are NaN if one value is."""
    below = [(values < value).sum(axis=0) + (values == value).sum(axis=0) / 2 for value in values]
    return np.where(np.isnan(values).any(axis=0), np.nan, np.stack(below))


def chance(accuracy: Any, dataset: str) -> Any:
    """Return True if this accuracy (percent) is that of a constant guess: within 1 point of the share of one class."""
    shares = CONSTANT_GUESS.get(dataset, ())
    return no(every(np.abs(np.round(accuracy - share, 6)) > 1 for share in shares))


def betters_chance(accuracy: Any, dataset: str) -> Any:
    """Return True if an accuracy (percent, on any part of the data) exceeds 1.5 times that of the best constant guess:
    among 500 validation images a class may be that much more frequent by chance."""
    return accuracy > 1.5 * max(CONSTANT_GUESS.get(dataset, ()), default=-np.inf)


def within_factor(factor: float, first: Any, second: Any) -> Any:
    """Return True if two positive numbers differ by at most this factor."""
    return (first <= factor * second) & (second <= factor * first)
