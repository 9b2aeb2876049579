"""The variance between splits, on runs whose variances are known."""

import numpy as np
import pandas as pd
import pytest

from bnstudy.verdicts.splits import READING, between_splits, outside


def runs(between: float, cells: int = 300, seed: int = 0) -> pd.DataFrame:
    """Three seeds on one split and three runs on others, by cell; runs spread by 1, splits by `between`."""
    stream = np.random.default_rng(seed)
    rows = []
    for cell in range(cells):
        level, common = 50.0, between * stream.standard_normal()
        for reading in ("default", READING):
            for i in range(3):
                split = common if reading == "default" else between * stream.standard_normal()
                rows.append(
                    {"model": "mlp", "dataset": "cifar10", "norm": "none", "setting": str(cell), "reading": reading,
                     "key": f"{reading}{cell}", "seed": i, "outcome": "finished", "broken": False,
                     "test_accuracy": level + split + stream.standard_normal()}
                )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("between", [0.0, 1.0])
def test_the_share_is_found(between):
    found = between_splits(runs(between))
    assert found.share == pytest.approx(between**2, abs=0.15)
    assert found.upper > found.share
    assert found.freedom == 900


def test_without_runs_of_other_splits_there_is_no_estimate():
    frame = runs(1.0, cells=2)
    assert between_splits(frame[frame["reading"] == "default"]) is None


def test_with_the_true_share_five_percent_of_other_splits_fall_outside():
    frame = runs(1.0)
    beyond, tried = outside(frame, 1.0)
    assert 0.02 < beyond / tried < 0.08
    beyond, _ = outside(frame, 0.0)
    assert beyond / tried > 0.12  # seeds alone do not show what a split adds
