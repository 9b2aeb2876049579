"""Estimate the variance of an accuracy between splits of the training images into training and validation part."""

from typing import NamedTuple

import pandas as pd
from scipy import special

from bnstudy.verdicts.accuracies import LEVEL, SLOT, cell_means, each, half_width, spreads

READING = "split_per_run"
"""The reading in which each run has another split."""


class Split(NamedTuple):
    """The variance between splits, as a share of the variance s² of one run.

    share    the estimate, at least 0
    upper    its upper limit: the true share is below it with probability LEVEL
    freedom  degrees of freedom: the number of splits, other than the common one, over all cells
    """

    share: float
    upper: float
    freedom: int


def between_splits(runs: pd.DataFrame) -> Split | None:
    """Estimate it from the cells that have runs of `default`, which share one split, and runs of READING, each with
    another; None if there are none.

    runs   as for `accuracies.cell_means`, of one model and data set or several

    One-way analysis of variance with random effects, by cell. In units of s² (see `accuracies.spreads`), the mean
    square between splits estimates 1 + m share, where m is the mean number of runs per split, corrected for unequal
    numbers. Cells with a broken run, or with s = 0, are left out.
    """
    squares, sizes, freedom = 0.0, 0.0, 0
    for _, part in runs.groupby(["model", "dataset"], sort=False, observed=True):
        cells = cell_means(part)
        cells = cells[cells["broken_seeds"] == 0]
        default = cells[cells["reading"] == "default"]
        default = default.join(spreads(default)[0])
        both = default.merge(cells[cells["reading"] == READING], on=SLOT, suffixes=("", "_split"))
        for cell in each(both[both["s"] > 0]):
            others = part.loc[part["key"] == cell.key_split, "test_accuracy"].to_numpy(float)
            total = cell.n + len(others)
            mean = (cell.n * cell.mean + others.sum()) / total
            squares += (cell.n * (cell.mean - mean) ** 2 + ((others - mean) ** 2).sum()) / cell.s**2
            sizes += total - (cell.n**2 + len(others)) / total
            freedom += len(others)
    if not freedom:
        return None
    lowest = 2 * special.gammaincinv(freedom / 2, 1 - LEVEL)
    share, upper = ((ratio - 1) * freedom / sizes for ratio in (squares / freedom, squares / lowest))
    return Split(max(0.0, float(share)), max(0.0, float(upper)), freedom)


def outside(runs: pd.DataFrame, split: float) -> tuple[int, int]:
    """Return how many single runs of READING fall outside h around the default's mean, and of how many.

    split   the share that h allows for (see `accuracies.half_width`)

    Each run of another split takes the place of a printed number, so 5 % fall outside if h is right.
    """
    beyond = tried = 0
    for _, part in runs.groupby(["model", "dataset"], sort=False, observed=True):
        cells = cell_means(part)
        cells = cells[cells["broken_seeds"] == 0]
        default = cells[cells["reading"] == "default"]
        default = default.join(spreads(default)[0]).set_index(SLOT)
        for run in each(part[part["reading"] == READING]):
            at = tuple(getattr(run, name) for name in SLOT)
            if at in default.index:
                cell = default.loc[at]
                h = half_width(float(cell["s"]), int(cell["freedom"]), int(cell["n"]), split=split)
                beyond, tried = beyond + int(abs(run.test_accuracy - cell["mean"]) > h), tried + 1
    return beyond, tried
