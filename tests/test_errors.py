"""The nearest known name, in the help of an error."""

import pytest

from bnstudy.errors import nearest


@pytest.mark.parametrize(
    ("typed", "known", "said"),
    [
        ("rleu", ["relu", "elu"], " (nearest: relu)"),
        ("LR", ["lr", "loss"], " (nearest: lr)"),
        ("mnist", ["MNIST", "SVHN"], " (nearest: MNIST)"),
        ("b9", ["B.1", "G.1"], ""),
        ("7.99", [], ""),
    ],
)
def test_the_nearest_name_is_found_whatever_its_capitals(typed, known, said):
    assert nearest(typed, known) == said
