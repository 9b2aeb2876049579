"""The numbers printed in the thesis, as data, in this project's words.

Vanilla is the norm `none` and BN is `batch`; a setting is a row of `labels.SETTINGS`. `section` is the part
of the thesis that discusses the row. Bold print is not kept: in table B.2, CIFAR100 at the low learning
rate, it contradicts the numbers.
"""

from functools import cache
from importlib.resources import files

import pandas as pd

CONSTANT_GUESS = {"mnist": (9.8, 11.35), "svhn": (19.6,), "cifar10": (10.0,), "cifar100": (1.0,)}
"""Percent of the test images that have one class: digit 0 or 1 of MNIST, digit 1 of SVHN, any class of CIFAR."""


def accuracy() -> pd.DataFrame:
    """Tables B.1 and B.2, 144 rows: model, dataset, norm, setting, published (test accuracy, percent), section."""
    rows = pd.concat([_read("b1"), _read("b2")], ignore_index=True)
    return rows.rename(columns={"accuracy": "published"})[
        ["model", "dataset", "norm", "setting", "published", "section"]
    ]


def seconds() -> pd.DataFrame:
    """Tables B.3 and B.4, 96 rows: model, dataset, norm, batch_size, published (seconds per epoch)."""
    return pd.concat([_read("b3"), _read("b4")], ignore_index=True).rename(columns={"seconds": "published"})


def mean_overhead() -> pd.DataFrame:
    """The overhead of batch norm per epoch, mean over data sets, 12 rows: model, batch_size, published (percent).

    These are the printed values (7.1.6, 7.2.6); from the rounded seconds one gets up to 3.2 points less or more.
    """
    return _read("mean_overhead").rename(columns={"percent": "published"})


def is_chance(value: float, dataset: str) -> bool:
    """Whether a printed accuracy (percent) is that of a constant guess: within 1 point of one class's share.

    False for a data set the thesis does not have.
    """
    return any(abs(value - share) <= 1 for share in CONSTANT_GUESS.get(dataset, ()))


def _read(name: str) -> pd.DataFrame:
    return _cached(name).copy()


@cache
def _cached(name: str) -> pd.DataFrame:
    with files(__name__).joinpath(f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)
