"""Many printed numbers at once: how many differ after correction, and whether a table as a whole is compatible."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from bnstudy.verdicts.accuracies import EXACT, LEVEL, SPLIT, each

DRAWS = 100_000
STREAM = 2016
DRIVERS = 3
"""How many numbers are named that drive a table apart from ours."""


class Together(NamedTuple):
    """A set of printed numbers as a whole.

    tested     numbers that were tested: neither side broken, spread known
    ratio      mean of squared differences, in units of the variance that one more run has; near 1 if compatible
    p          probability of such a ratio or a larger one if all of them are faithful
    drivers    (row of the number, its share of the sum of squares), largest first
    """

    tested: int
    ratio: float
    p: float
    drivers: tuple[tuple[Any, float], ...]


def tested(numbers: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers (see `accuracies.number_verdicts`) that have a p."""
    return numbers[numbers["p"].notna() & numbers["printed"].notna()]


def holm(p: np.ndarray) -> np.ndarray:
    """Return p adjusted after Holm: at most 5 % of tables of faithful numbers have any below 0.05."""
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    found = np.empty(len(p))
    found[order] = np.minimum(steps, 1)
    return found


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Return p adjusted after Benjamini and Hochberg: of the numbers below 0.05, 5 % are false on average."""
    order = np.argsort(-p)
    found = np.empty(len(p))
    found[order] = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    return found


def still_differ(numbers: pd.DataFrame) -> dict[str, int]:
    """Return how many numbers of verdict `differs` do so after correcting for the number of tests, by method: `holm`
    (a false one in 5 % of tables at most) and `benjamini_hochberg` (of those named, 5 % are false on average).
    A number of which one side alone is broken needs no test and counts in both."""
    some = tested(numbers)
    differs = (some["verdict"] == "differs").to_numpy()
    apart = int((numbers["verdict"] == "differs").sum() - differs.sum())
    p = some["p"].to_numpy(float)
    methods = {"holm": holm(p), "benjamini_hochberg": benjamini_hochberg(p)}
    return {name: int((differs & (found <= 1 - LEVEL)).sum()) + apart for name, found in methods.items()}


def confirmed(numbers: pd.DataFrame) -> dict[str, int]:
    """Return how many numbers of verdict `reproduced` an equivalence test confirms: two one-sided tests at 5 % show
    that the difference is smaller than the margin. `exact` takes the printed number as exact, `one_run` as one more
    run."""
    counts = {"exact": 0, "one_run": 0}
    for number in each(numbers[(numbers["verdict"] == "reproduced") & (numbers["freedom"] > 0)]):
        room = number.margin - abs(number.difference)
        for name, variance in ("exact", 1 / number.n + SPLIT), ("one_run", 1 + 1 / number.n + 2 * SPLIT):
            limit = special.stdtrit(number.freedom, LEVEL) * number.s * np.sqrt(variance)
            counts[name] += bool(round(room - limit, EXACT) > 0)
    return counts


def together(numbers: pd.DataFrame, draws: int = DRAWS) -> Together | None:
    """Return how compatible the numbers are as a whole; None if fewer than two were tested.

    The sum of squared t values is compared with `draws` simulated tables of faithful numbers. Numbers with the same
    model, data set, s and freedom share one estimate of s, in the simulation too; differences are taken as independent.
    """
    some = tested(numbers)
    some = some[(some["freedom"] > 0) & (some["h"] > 0)]
    if len(some) < 2:
        return None
    t = some["difference"] / some["h"] * special.stdtrit(some["freedom"].to_numpy(float), (1 + LEVEL) / 2)
    squares = t**2
    stream = np.random.default_rng(STREAM)
    drawn = np.zeros(draws)
    for _, group in some.groupby(["model", "dataset", "s", "freedom"], sort=True):
        freedom = int(group["freedom"].iloc[0])
        scale = stream.chisquare(freedom, draws) / freedom
        drawn += stream.chisquare(len(group), draws) / scale
    largest = some.assign(share=squares / squares.sum()).nlargest(DRIVERS, "share")
    drivers = tuple((row, float(row.share)) for row in each(largest))
    p = float((1 + (drawn >= squares.sum()).sum()) / (1 + draws))
    return Together(len(some), float(squares.mean()), p, drivers)
