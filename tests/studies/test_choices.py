"""What `choices.check` refuses before anything is trained: names are in tests/studies/test_config.py, batches here."""

from dataclasses import replace

import pytest

from bnstudy import datasets
from bnstudy.design.cell import Cell, Run
from bnstudy.errors import UsageError
from bnstudy.studies import choices
from bnstudy.studies.config import load
from bnstudy.training.engine.contract import Keeper
from bnstudy.training.engine.inputs import prepare
from bnstudy.training.engine.reference import Reference
from bnstudy.training.train import train

TOY = {"dataset": "toy", "model": "mlp", "norm": "batch", "epochs": 1}  # 600 training images, 540 of them trained on
NO_STOP = {"validation_fraction": 0.0, "schedule": "constant"}

TRAINED = [
    {"batch_size": 540}, {"batch_size": 541, "last_batch": "keep"}, {"batch_size": 77, "last_batch": "drop"},
    {"batch_size": 1, "norm": "none"}, {"batch_size": 1, "norm": "layer"}, {"batch_size": 600, **NO_STOP},
    {"batch_size": 60, "validation_fraction": 0.9}, {"batch_size": 77, "last_batch": "keep", "norm": "none"},
    {"batch_size": 9, "train_size": 10},
]  # fmt: skip
REFUSED = [
    ({"batch_size": 541}, "batch_size: 541, but only 540 images of toy are trained on"),
    ({"batch_size": 601, **NO_STOP}, "batch_size: 601, but only 600 images"),
    ({"batch_size": 10, "train_size": 11}, "batch_size: 10, but only 9 images"),
    ({"train_size": 601}, "train_size: 601 of 600 training images"),
    ({"folds": 601}, "folds: 601 of 600 training images"),
    ({"folds": 51, "train_size": 50}, "folds: 51 of 50 training images"),
    ({"batch_size": 1}, "batch_size: 1 leaves batch norm a batch of 1"),
    ({"batch_size": 1, "norm": "batch_manual"}, "batch_size: 1 leaves batch norm"),
    ({"batch_size": 77, "last_batch": "keep"}, "batch_size: 77 leaves batch norm a batch of 1"),
]


@pytest.mark.parametrize("fields", TRAINED, ids=str)
def test_what_is_let_through_trains(fields):
    cell = choices.check(Cell(**TOY | fields))
    runs = Reference().train([Run(cell, 0)], lambda run: prepare(cell, 0, datasets.load("toy")), Keeper(), "cpu")
    assert [trained.outcome for _, trained in runs] == ["finished"]


@pytest.mark.parametrize(("fields", "told"), REFUSED, ids=str)
def test_what_no_engine_can_train_is_refused(fields, told):
    with pytest.raises(UsageError, match=told):
        choices.check(Cell(**TOY | fields))


def test_batches_are_those_of_the_images_that_are_there():
    """A data set may be imported with up to a tenth of its images less."""
    cell = choices.check(Cell(**TOY | {"batch_size": 540}))
    with pytest.raises(UsageError, match="batch_size: 540, but only 531 images"):
        choices.check_batches(cell, 590)


def test_training_checks_batches_against_the_images_that_are_there(monkeypatch, tmp_path):
    """Before any run is trained: 590 images of toy leave 531 to train on."""
    there = datasets.load("toy")
    fewer = replace(there, train_images=there.train_images[:590], train_labels=there.train_labels[:590])
    monkeypatch.setattr(datasets, "load", lambda name, root=None: fewer)
    cells = [choices.check(Cell(**TOY | {"batch_size": size})) for size in (60, 540)]
    with pytest.raises(UsageError, match="batch_size: 540, but only 531 images"):
        train([Run(cell, 0) for cell in cells], tmp_path, tmp_path, say=lambda line: None)
    assert not list(tmp_path.glob("records/*/*.json"))


def test_every_cell_of_the_studies_is_let_through():
    cells = {cell for study in load().studies.values() for cell in study.cells}
    assert len(cells) > 500
    assert all(choices.check(cell) is cell for cell in cells)
