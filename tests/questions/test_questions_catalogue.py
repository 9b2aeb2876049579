"""The catalogue of open questions."""

from datetime import date
from pathlib import Path

import pytest

from bnstudy.questions import cells, find, registry
from bnstudy.studies.config import load

CONFIG = Path(__file__).parents[2] / "config.yaml"


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


# cells


@pytest.fixture(scope="module")
def study():
    return load(CONFIG).study("open")


def test_the_study_has_exactly_the_cells_that_its_questions_ask_for(study):
    asked = {cell.key for id in registry() for own in cells.cells(id).values() for cell in own}
    assert {cell.key for cell in study.trained} == asked


def test_the_study_asks_every_question_on_its_data_sets(study):
    on = cells.asked_by(tuple(cell.key for cell in study.trained))
    assert on == {id: question.datasets for id, question in registry().items()}


def test_a_study_asks_a_question_only_with_every_cell_of_a_data_set(study):
    keys = [cell.key for cell in study.trained if cell.dataset == "mnist"]
    assert set(cells.asked_by(tuple(keys)).values()) == {("mnist",)}
    lacking = cells.cells("Q02")["mnist"][0].key
    assert "Q02" not in cells.asked_by(tuple(key for key in keys if key != lacking))
    thesis = load(CONFIG).study("thesis")
    assert cells.asked_by(tuple(cell.key for cell in thesis.trained)) == {}


def test_each_question_has_a_comment_above_its_grids():
    text = CONFIG.read_text()
    for id in registry():
        assert f"# Q{int(id[1:])}: " in text


@pytest.mark.parametrize("id", registry())
def test_a_point_has_one_place_in_its_figure(id):
    places = [(point.line, point.x) for point in cells.points(id)]
    assert len(set(places)) == len(places)
