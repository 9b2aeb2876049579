"""Cells and runs chosen on the command line: conditions, seeds, files of cells."""

import pytest

from bnstudy.design import labels
from bnstudy.design.cell import Cell
from bnstudy.design.study import Study
from bnstudy.errors import UsageError
from bnstudy.studies import selection

CELLS = tuple(
    Cell(dataset="toy", model=model, norm="none", activation=activation)
    for model, activation in (("mlp", "relu"), ("mlp", "elu"), ("cnn", "relu"))
)


ALIKE = (
    Cell(dataset="toy", model="mlp", norm="batch"),
    Cell(dataset="toy", model="mlp", norm="batch", gamma_init="ones"),
    Cell(dataset="toy", model="mlp", norm="batch", lr=0.1, gamma_init="ones"),
    Cell(dataset="toy", model="mlp", norm="batch", lr=0.1, norm_bias=False),
)
"""Baseline in two readings, the high rate in two that are not the default."""


def test_a_name_without_its_key_is_the_default_reading():
    assert selection.find(ALIKE * 2, "toy-mlp-batch-relu") == ALIKE[0]
    with pytest.raises(UsageError, match="toy-mlp-batch-lr_high: 2 cells match") as refused:
        selection.find(ALIKE, "toy-mlp-batch-lr_high")
    assert all(labels.name(cell) in refused.value.remedy for cell in ALIKE[2:])


def test_the_start_of_a_key_or_name_is_enough_if_no_other_cell_has_it():
    for cell in ALIKE:
        assert selection.find(ALIKE, cell.key[:5]) == cell
        assert selection.find(ALIKE, labels.name(cell)[:-4]) == cell
    with pytest.raises(UsageError, match="no such cell"):
        selection.find(ALIKE, ALIKE[0].key[:3])  # too short
    with pytest.raises(UsageError, match="toy-mlp: 4 cells match"):
        selection.find(ALIKE, "toy-mlp")


def test_conditions_that_no_cell_meets_together_are_refused_with_what_each_leaves():
    with pytest.raises(UsageError, match="no cell meets all of these") as refused:
        selection.where(CELLS, ["model=cnn", "activation=elu"])
    assert refused.value.remedy == "Each alone leaves: model 1, activation 1 of 3 cells."
    assert selection.where(CELLS, ["model=mlp", "activation=elu"]) == CELLS[1:2]
    assert selection.where((), []) == ()


def test_empty_seeds_are_no_seeds():
    study = Study("one", "Why?", CELLS, (0, 1))
    for text in ("", " ", ","):
        with pytest.raises(UsageError, match="not seeds"):
            selection.narrow(study, None, text)
    assert selection.narrow(study, None, None).seeds == (0, 1)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("[" * 100_000, "not a list of cells"),
        ('{"a":' * 100_000, "not a list of cells"),
        ('{"dataset": "toy"}', "not a list of cells"),
        (
            '[{"dataset": "toy", "dataset": "toy", "model": "mlp", "norm": "none", "seeds": [0]}]',
            "a key is given twice",
        ),
        ('[{"dataset": "toy", "model": "mlp", "norm": "none", "lrr": 5, "seeds": [0]}]', "row 0: lrr: no such field"),
        ('[{"dataset": "toy", "model": "mlp", "norm": "none", "seeds": [2147483648]}]', "'2147483648' is not a seed"),
        ('[{"dataset": "toy", "model": "mlp", "norm": "none", "seeds": [true]}]', "'True' is not a seed"),
        ('[{"dataset": "toy", "model": "mlp", "norm": "none", "seeds": [0, 0]}]', "a seed is given twice"),
        ('[{"dataset": "toy", "model": "mlp", "norm": "none", "key": "\\u001b[2J", "seeds": [0]}]', r"key '\\x1b\[2J'"),
        (
            '[{"dataset": "toy", "model": "mlp", "norm": "none", "setting": "elu", "seeds": [0]}]',
            "row 0 has setting 'elu', but its fields give relu",
        ),
    ],
)
def test_a_file_of_cells_is_read_strictly(tmp_path, text, cause):
    (tmp_path / "cells.json").write_text(text)
    with pytest.raises(UsageError, match=cause):
        selection.runs_in(tmp_path / "cells.json", None, None)


def test_a_file_of_cells_that_cannot_be_opened_is_named_with_the_reason(tmp_path):
    with pytest.raises(UsageError, match=r"none.json: no such file or directory\n"):
        selection.runs_in(tmp_path / "none.json", None, None)
