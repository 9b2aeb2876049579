"""Many numbers at once: corrections, equivalence and the table as a whole, on numbers of known truth."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bnstudy.report import many_words
from bnstudy.verdicts.accuracies import SPLIT, half_width, probability
from bnstudy.verdicts.many import confirmed, holm, still_differ, together


def table(differences, s=0.4, freedom=30, n=3, margin=1.0) -> pd.DataFrame:
    h = half_width(s, freedom, n)
    rows = [
        {"model": "mlp", "dataset": "cifar10", "norm": "none", "setting": str(i), "printed": 50.0 + d, "difference": d,
         "h": h, "p": probability(d, h, freedom), "s": s, "freedom": freedom, "n": n, "margin": margin,
         "verdict": "differs" if abs(d) > max(margin, h) else "reproduced"}
        for i, d in enumerate(differences)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_p_is_five_percent_at_h_and_one_at_no_difference():
    h = half_width(0.4, 30, 3)
    assert probability(h, h, 30) == pytest.approx(0.05)
    assert probability(0.0, h, 30) == pytest.approx(1.0)
    assert np.isnan(probability(1.0, float("nan"), 0))


def test_few_tests_promise_no_chance_difference():
    assert "about 2 would differ by chance" in many_words.corrected(table([0.0] * 45))
    assert "fewer than one would differ by chance" in many_words.corrected(table([0.0] * 6))


def test_holm_multiplies_and_never_falls():
    assert holm(np.array([0.04, 0.01, 0.03])) == pytest.approx([0.06, 0.03, 0.06])


def test_a_weak_difference_among_many_does_not_survive_correction():
    weak = table([1.02] + [0.0] * 44)
    assert still_differ(weak) == {"holm": 0, "benjamini_hochberg": 0}
    strong = table([3.0, 1.6, 1.6] + [0.0] * 42)
    assert still_differ(strong) == {"holm": 1, "benjamini_hochberg": 3}


def test_equivalence_needs_room_within_the_margin():
    assert confirmed(table([0.0, 0.0], s=0.2)) == {"exact": 2, "one_run": 2}
    assert confirmed(table([0.99], s=0.2)) == {"exact": 0, "one_run": 0}
    assert confirmed(table([0.4], s=0.4)) == {"exact": 1, "one_run": 0}


def test_faithful_tables_are_called_incompatible_in_five_percent():
    stream, s, freedom, n, size = np.random.default_rng(1), 0.4, 30, 3, 12
    found = []
    for _ in range(60):
        estimate = s * np.sqrt(stream.chisquare(freedom) / freedom)
        draws = s * np.sqrt(1 + 1 / n + 2 * SPLIT) * stream.standard_normal(size)
        found.append(together(table(draws, estimate, freedom, n)).p)
    assert np.mean(np.array(found) <= 0.05) <= 0.15
    assert stats.kstest(found, "uniform").pvalue > 0.001


def test_the_numbers_that_drive_a_table_apart_are_named():
    whole = together(table([0.1] * 10 + [3.0]))
    assert whole.p < 0.01
    assert whole.drivers[0][0].setting == "10"
    assert whole.drivers[0][1] > 0.9
    assert together(table([0.1])) is None
