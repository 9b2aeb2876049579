"""The verdict rules, by cases worked by hand and by simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats as distributions

from bnstudy import published, stats
from bnstudy.errors import UsageError


def runs_of(cells, model="mlp", dataset="mnist", reading="default"):
    """One row per seed of {(norm, setting): accuracies}; an accuracy given as text is that of a broken run."""
    return pd.DataFrame(
        [
            {
                "model": model, "dataset": dataset, "norm": norm, "setting": setting, "reading": reading,
                "key": f"{norm}{setting}", "seed": seed, "outcome": "finished",
                "test_accuracy": float(value), "broken": isinstance(value, str),
            }
            for (norm, setting), values in cells.items()
            for seed, value in enumerate(values)
        ],
        columns=["model", "dataset", "norm", "setting", "reading", "key", "seed", "outcome", "test_accuracy", "broken"],
    )  # fmt: skip


def printed(numbers, model="mlp", dataset="mnist"):
    """Published rows of {(norm, setting): percent}."""
    return pd.DataFrame(
        [{"model": model, "dataset": dataset, "norm": n, "setting": s, "published": v} for (n, s), v in numbers.items()]
    )


def verdict_of(values, number, others=(), dataset="mnist", **options):
    """The row of one number, given its cell's seeds and those of further cells."""
    cells = {("none", "relu"): values} | {("batch", f"c{i}"): o for i, o in enumerate(others)}
    found = stats.number_verdicts(
        runs_of(cells, dataset=dataset), printed({("none", "relu"): number}, dataset=dataset), **options
    )
    return found.iloc[0]


def test_pooled_deviation_and_half_width_by_hand():
    # deviations from the means: -1, 0, 1 and -2, 2 -> (2 + 8) / (2 + 1)
    cells = stats.cell_means(runs_of({("none", "a"): [1, 2, 3], ("batch", "b"): [5, 9], ("none", "c"): ["10", "90"]}))
    s, freedom = stats.pooled_std(cells)
    assert (s, freedom) == (pytest.approx(np.sqrt(10 / 3)), 3)
    assert stats.half_width(s, freedom, 3) == pytest.approx(3.182446 * np.sqrt(10 / 3) * np.sqrt(4 / 3), rel=1e-6)


@pytest.mark.parametrize(
    ("values", "number", "want"),
    [
        ([97.9, 98.0, 98.1], 98.0, "reproduced"),
        ([97.9, 98.0, 98.1], 98.3, "reproduced"),  # at the margin of MNIST
        ([97.9, 98.0, 98.1], 99.0, "differs"),
        ([97.0, 98.0, 99.0], 98.0, "undecided"),  # the spread is too large to tell
        ([97.0, 98.0, 99.0], 99.0, "undecided"),
        (["9.8", "9.8", "9.8"], 11.4, "broken as published"),  # the class need not match
        (["9.8", "9.8", 98.0], 11.4, "broken as published"),  # more than half the seeds
        (["9.8", 98.0, 98.0], 11.4, "differs"),
        (["9.8", 98.0], 11.4, "differs"),  # half is not more than half
        (["9.8", "9.8", "9.8"], 98.0, "differs"),
        ([97.9, 98.0, 98.1], 9.8, "differs"),
    ],
)
def test_verdicts_by_hand(values, number, want):
    assert verdict_of(values, number)["verdict"] == want


def test_columns_of_a_number():
    row = verdict_of([97.9, 98.0, 98.1], 98.2)
    assert row["mean"] == pytest.approx(98.0)
    assert row["std"] == pytest.approx(0.1)
    assert row["difference"] == pytest.approx(0.2)  # published - mean
    assert row["h"] == pytest.approx(distributions.t.ppf(0.975, 2) * 0.1 * np.sqrt(4 / 3))
    assert (row["n"], row["margin"], row["broken"], row["published_broken"]) == (3, 0.3, False, False)


def test_other_margins():
    assert verdict_of([97.9, 98.0, 98.1], 98.5, margins={"mnist": 0.6})["verdict"] == "reproduced"
    assert verdict_of([49.9, 50.0, 50.1], 51.0, dataset="cifar10")["verdict"] == "reproduced"  # 1 point by default
    assert verdict_of([49.9, 50.0, 50.1], 51.1, dataset="cifar10")["verdict"] == "differs"


def test_a_default_margin_that_is_given_counts_for_mnist_too():
    assert verdict_of([97.9, 98.0, 98.1], 99.9, margins={"default": 2.0})["verdict"] == "reproduced"
    assert verdict_of([97.9, 98.0, 98.1], 99.9)["verdict"] == "differs"


def test_ties_have_no_spread_and_are_decided():
    assert verdict_of([98.0, 98.0], 98.0)["verdict"] == "reproduced"
    assert verdict_of([98.0, 98.0], 98.4)["verdict"] == "differs"


def test_one_seed_everywhere_is_undecided_even_if_broken():
    assert verdict_of([98.0], 98.0)["verdict"] == "undecided"
    assert verdict_of([98.0], 50.0)["verdict"] == "undecided"
    assert verdict_of(["9.8"], 9.8, others=[[98.0]])["verdict"] == "undecided"


def test_one_seed_borrows_the_spread_of_the_other_cells():
    row = verdict_of([98.0], 98.1, others=[[97.9, 98.0, 98.1], [97.95, 98.0]])
    assert row["verdict"] == "reproduced"
    assert (row["n"], np.isnan(row["std"])) == (1, True)


def test_all_broken_has_no_spread():
    broken = [["9.8", "9.8"]]
    assert verdict_of(["9.8", "9.8"], 9.8, others=broken)["verdict"] == "broken as published"
    assert verdict_of([98.0], 98.0, others=broken)["verdict"] == "undecided"
    assert verdict_of([98.0], 9.8, others=broken)["verdict"] == "differs"


def test_other_readings_and_data_sets_do_not_count():
    mixed = pd.concat(
        [
            runs_of({("none", "relu"): [98.0, 98.1]}, reading="text"),
            runs_of({("none", "relu"): [50.0, 50.1]}, dataset="cifar10"),
        ]
    )
    row = stats.number_verdicts(mixed, printed({("none", "relu"): 98.0})).iloc[0]
    assert (row["verdict"], row["n"]) == ("not run", 0)


def test_no_runs_at_all():
    found = stats.number_verdicts(runs_of({}), published.accuracy())
    assert len(found) == 144
    assert set(found["verdict"]) == {"not run"}
    table = stats.counts(found)
    assert table.to_numpy().sum() == 144
    assert table["not run"].tolist() == [18] * 8


def test_two_cells_for_one_number_are_refused():
    twice = runs_of({("none", "relu"): [98.0, 98.1]})
    with pytest.raises(UsageError, match="other"):
        stats.number_verdicts(pd.concat([twice, twice.assign(key="other")]), printed({("none", "relu"): 98.0}))


def rates(off, s, n, times=1000, cells=18, unlike=(), seed=0):
    """Share of each verdict when one more run of a cell `off` points away is compared with n seeds of it.

    The spread is pooled over `cells` cells of n seeds each, as in a table of the thesis, and over one cell of each
    spread in `unlike`.
    """
    random = np.random.default_rng(seed)
    spreads = np.array([s] * cells + list(unlike))
    freedom, verdicts = len(spreads) * (n - 1), []
    for _ in range(times):
        squares = (spreads**2 * random.chisquare(n - 1, len(spreads))).sum() if freedom else float("nan")
        pooled = np.sqrt(squares / freedom) if freedom else float("nan")
        mean = random.normal(0, s / np.sqrt(n))
        h = stats.half_width(pooled, freedom, n)
        verdicts.append(stats.number_verdict(off + random.normal(0, s) - mean, h, 1.0, False, False))
    return {v: verdicts.count(v) / times for v in stats.VERDICTS}


@pytest.mark.parametrize(("off", "s", "verdict", "low", "high"), [
    (0.0, 0.2, "reproduced", 0.99, 1.0),  # no effect, small spread: found the same
    (0.0, 0.2, "differs", 0.0, 0.01),
    (0.0, 0.8, "differs", 0.0, 0.06),  # no effect, large spread: 5 % by construction
    (0.0, 2.0, "differs", 0.03, 0.07),
    (0.0, 2.0, "reproduced", 0.0, 0.0),  # spread beyond the margin: never claimed
    (2.0, 0.2, "differs", 0.99, 1.0),  # a known effect of twice the margin
    (2.0, 0.2, "reproduced", 0.0, 0.01),
    (1.5, 0.2, "reproduced", 0.0, 0.03),
    (5.0, 0.8, "differs", 0.99, 1.0),
    (3.0, 0.8, "reproduced", 0.0, 0.03),
])  # fmt: skip
def test_how_often_a_verdict_is_false(off, s, verdict, low, high):
    assert low <= rates(off, s, n=3)[verdict] <= high


NOISY, QUIET = 2.0, 0.4
"""Spread of a run of the course reports' rows by plain SGD at a constant rate without a norm, and of the others."""


@pytest.mark.parametrize("cells", [1, 2, 4])
def test_a_small_pool_of_rows_alike_is_wide_and_seldom_wrong(cells):
    assert rates(0.0, QUIET, n=2, cells=cells)["differs"] <= 0.07
    assert rates(0.0, NOISY, n=2, cells=cells)["differs"] <= 0.07
    assert rates(0.0, NOISY, n=2, cells=cells)["reproduced"] <= 0.05


def test_rows_that_are_not_alike_spoil_each_others_verdicts():
    """Why the course reports' rows are pooled by optimizer, rate and norm: in one pool of two noisy and six quiet rows
    a faithful noisy row is called different far too often, and a quiet one never reproduced."""
    assert rates(0.0, NOISY, n=2, cells=2, unlike=[QUIET] * 6)["differs"] >= 0.15
    assert rates(0.0, QUIET, n=2, cells=6, unlike=[NOISY] * 2)["reproduced"] <= 0.35
    assert rates(0.0, QUIET, n=2, cells=4)["reproduced"] >= 0.75


def test_a_pool_keeps_rows_that_are_not_alike_apart():
    both = {("none", "noisy"): [40.0, 44.0], ("none", "quiet"): [50.0, 50.2], ("none", "calm"): [51.0, 51.2]}
    numbers = printed({("none", "noisy"): 45.0, ("none", "quiet"): 50.0, ("none", "calm"): 55.0})
    runs = runs_of(both)
    together = stats.number_verdicts(runs, numbers, margins={"mnist": 1.0})
    assert together["freedom"].tolist() == [3, 3, 3]
    assert together["verdict"].tolist() == ["undecided"] * 3
    pools = {"noisy": "a", "quiet": "b", "calm": "b"}
    apart = stats.number_verdicts(
        *(frame.assign(pool=frame["setting"].map(pools)) for frame in (runs, numbers)), margins={"mnist": 1.0}
    )
    assert apart["freedom"].tolist() == [1, 2, 2]
    assert apart["s"].tolist() == pytest.approx([np.sqrt(8), np.sqrt(0.02), np.sqrt(0.02)])
    assert apart["verdict"].tolist() == ["undecided", "reproduced", "differs"]


def pools():
    """The second table of docs/verdicts.md: what a faithful row is called, by what it is pooled with."""
    print("| pooled over | spread of the row | " + " | ".join(stats.VERDICTS[:3]) + " |\n|---|---|---|---|---|")
    for words, s, options in (
        ("it alone", QUIET, {"cells": 1}), ("it alone", NOISY, {"cells": 1}),
        ("2 rows alike", QUIET, {"cells": 2}), ("2 rows alike", NOISY, {"cells": 2}),
        ("4 rows alike", QUIET, {"cells": 4}), ("4 rows alike", NOISY, {"cells": 4}),
        ("18 rows alike", QUIET, {"cells": 18}),
        (f"6 rows of {QUIET}, 2 of {NOISY}", QUIET, {"cells": 6, "unlike": [NOISY] * 2}),
        (f"6 rows of {QUIET}, 2 of {NOISY}", NOISY, {"cells": 2, "unlike": [QUIET] * 6}),
    ):  # fmt: skip
        share = rates(0.0, s, 2, times=20000, **options)
        print(f"| {words} | {s} | " + " | ".join(f"{100 * share[v]:.1f} %" for v in stats.VERDICTS[:3]) + " |")


if __name__ == "__main__":  # the tables of docs/verdicts.md
    print("| off by | spread of a run | seeds | " + " | ".join(stats.VERDICTS[:3]) + " |")
    print("|---|---|---|---|---|---|")
    for off in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0):
        for s in (0.2, 0.4, 0.8):
            for n in (2, 3):
                share = rates(off, s, n, times=20000)
                print(
                    f"| {off} | {s} | {n} | " + " | ".join(f"{100 * share[v]:.1f} %" for v in stats.VERDICTS[:3]) + " |"
                )
    pools()
