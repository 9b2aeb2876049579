"""The catalogue of open questions."""

from datetime import date

import pytest

from bnstudy.questions import find, registry


def test_ids_are_unique_and_in_order():
    assert list(registry()) == [f"Q{i:02}" for i in range(1, 13)]


@pytest.mark.parametrize("question", registry().values(), ids=registry())
def test_a_question_has_all_it_needs_before_its_runs(question):
    assert question.question.endswith("?")
    assert question.section
    assert question.statement
    assert question.expectation
    assert question.datasets
    date.fromisoformat(question.written)


@pytest.mark.parametrize("typed", ["Q1", "q1", "Q01"])
def test_a_question_is_found_with_and_without_its_zero(typed):
    assert find(typed) is registry()["Q01"]


@pytest.mark.parametrize("typed", ["Q0", "Q13", "M01", "1"])
def test_what_is_no_question_is_not_found(typed):
    assert find(typed) is None
