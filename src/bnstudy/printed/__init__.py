"""The numbers printed in the thesis, as data, in this project's terms.

Vanilla is the norm `none`, BN is `batch`; a setting is a row of `labels.SETTINGS`. `section` is the part of the thesis
that discusses the row. Bold type is not recorded: in table B.2, CIFAR100 at the low learning rate, it contradicts the
numbers.
"""

from functools import cache
from importlib.resources import files

import pandas as pd

CONSTANT_GUESS = {"mnist": (9.8, 11.35), "svhn": (19.6,), "cifar10": (10.0,), "cifar100": (1.0,)}
"""Percent of the test images in one class: digit 0 or 1 of MNIST, digit 1 of SVHN, any class of CIFAR."""


GPU = "K40c"
"""The GPU that the times of the thesis were measured on, an NVIDIA Tesla of 2013 (A.2)."""


def accuracy() -> pd.DataFrame:
    """Return tables B.1 and B.2, 144 rows.

    Columns: model, dataset, norm, setting, printed (test accuracy, percent), section.
    """
    rows = pd.concat([_read("b1"), _read("b2")], ignore_index=True)
    return rows.rename(columns={"accuracy": "printed"})[["model", "dataset", "norm", "setting", "printed", "section"]]


def seconds() -> pd.DataFrame:
    """Return tables B.3 and B.4, 96 rows: model, dataset, norm, batch_size, printed (seconds per epoch)."""
    return pd.concat([_read("b3"), _read("b4")], ignore_index=True).rename(columns={"seconds": "printed"})


def mean_overhead() -> pd.DataFrame:
    """Return the mean overhead of batch norm per epoch over data sets, 12 rows: model, batch_size, printed (percent).

    These are the printed values (7.1.6, 7.2.6); recomputing them from the rounded seconds gives up to 3.2 points less
    or more.
    """
    return _read("mean_overhead").rename(columns={"percent": "printed"})


def is_chance(value: float, dataset: str) -> bool:
    """Return True if a printed accuracy (percent) is that of a constant guess: within 1 point of a share in
    CONSTANT_GUESS. False for data sets that the thesis does not use.
    """
    return any(abs(value - share) <= 1 for share in CONSTANT_GUESS.get(dataset, ()))


def _read(name: str) -> pd.DataFrame:
    return _cached(name).copy()


@cache
def _cached(name: str) -> pd.DataFrame:
    with files(__name__).joinpath(f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)
