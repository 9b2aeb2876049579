"""Cells and runs chosen on the command line: conditions, seeds, files of cells."""

import pytest

from bnstudy.design.cell import Cell
from bnstudy.design.study import Study
from bnstudy.errors import UsageError
from bnstudy.studies import selection

CELLS = tuple(
    Cell(dataset="toy", model=model, norm="none", activation=activation)
    for model, activation in (("mlp", "relu"), ("mlp", "elu"), ("cnn", "relu"))
)


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
    ],
)
def test_a_file_of_cells_is_read_strictly(tmp_path, text, cause):
    (tmp_path / "cells.json").write_text(text)
    with pytest.raises(UsageError, match=cause):
        selection.runs_in(tmp_path / "cells.json", None, None)
