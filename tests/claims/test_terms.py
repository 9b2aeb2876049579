"""The vocabulary of predicates, where a library can be asked for the same number."""

import numpy as np
import pytest
from scipy import stats

from bnstudy.claims.terms import rank_correlation


@pytest.mark.parametrize(
    "values", [[1, 2, 3, 4], [3, 1, 2, 5, 4], [1, 1, 2, 2, 0], [2, 2, 2, 1], [np.inf, 1, np.inf, 0]]
)
def test_the_rank_correlation_is_spearmans_with_ties_too(values):
    expected = stats.spearmanr(np.arange(len(values)), values).statistic
    assert rank_correlation(values) == pytest.approx(expected)


def test_equal_values_have_no_trend_and_redraws_are_ranked_apart():
    assert rank_correlation([5, 5, 5]) == 0
    assert rank_correlation([np.array([1, 2]), np.array([2, 1])]).tolist() == pytest.approx([1, -1])
