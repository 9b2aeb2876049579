"""Selection by validation accuracy (2.8.4), and the largest value that does not diverge (2.8.1, 8.2)."""

import dataclasses

import pytest

import synthetic
from bnstudy.design.cell import Cell, Run
from bnstudy.results import frames
from bnstudy.verdicts.best import choices

VALIDATION = {0.001: (50.0, 52.0), 0.01: (60.0, 64.0), 0.1: (90.0, 10.0)}  # a mean of 50: one seed falls apart
TEST = {0.001: 99.0, 0.01: 40.0, 0.1: 20.0}


def built(diverged=(0.1,)) -> frames.Frames:
    made = []
    for lr, values in VALIDATION.items():
        for seed, value in enumerate(values):
            cell = Cell(dataset="toy", model="mlp", norm="batch", lr=lr)
            record = synthetic.record(Run(cell, seed), epochs_run=3, test_accuracy=TEST[lr])
            epochs = record.epochs | {"validation_accuracy": [99.0, value - 1, value, value - 2]}
            at = {"epoch": 1, "layer": "output", "step": 1} if lr in diverged and seed else None
            outcome = "diverged" if at else "finished"
            made.append(dataclasses.replace(record, epochs=epochs, outcome=outcome, diverged_at=at))
    return frames.build(made)


def test_validation_chooses_and_the_test_accuracy_follows():
    (row,) = choices(built().runs).to_dict("records")
    assert (row["changed"], row["value"], row["validation"]) == ("", 62.0, 62.0)  # lr 0.01 is the default
    assert row["test"] == pytest.approx(40.0, abs=0.1)  # not the 99 of the cell that is best in test
    assert row["name"].startswith("toy-mlp-batch-relu-")
    assert (row["cells"], row["runs"], row["diverged"]) == (3, 6, 1)
    assert row["hours"] == pytest.approx(built().runs["seconds"].sum() / 3600)


def test_the_largest_rate_that_does_not_diverge():
    (row,) = choices(built().runs, "lr").to_dict("records")
    assert (row["value"], row["changed"]) == (0.01, "")
    (row,) = choices(built(diverged=()).runs, "lr").to_dict("records")
    assert (row["value"], row["changed"]) == (0.1, "lr=0.1")
    (row,) = choices(built(diverged=tuple(VALIDATION)).runs, "lr").to_dict("records")
    assert (row["name"], row["diverged"], row["value"] == row["value"]) == ("", 3, False)


def test_a_rate_at_which_a_seed_ends_at_a_constant_guess_is_not_chosen():
    runs = built(diverged=()).runs
    runs.loc[(runs["lr"] == 0.1) & (runs["seed"] == 1), "broken"] = True
    (row,) = choices(runs, "lr").to_dict("records")
    assert (row["value"], row["diverged"]) == (0.01, 0)


def test_without_runs_there_is_nothing_to_choose():
    assert choices(frames.build([]).runs).empty


def test_the_folds_of_a_cross_validation_are_averaged():
    """The best single fold (80) belongs to the rate whose mean, 50, is lower than the other's 60."""
    made = []
    for lr, values in ((0.1, (80.0, 20.0)), (0.01, (60.0, 60.0))):
        for fold, value in enumerate(values):
            cell = Cell(dataset="toy", model="mlp", norm="none", lr=lr, folds=2, fold=fold)
            record = synthetic.record(Run(cell, 0), epochs_run=1)
            made.append(dataclasses.replace(record, epochs=record.epochs | {"validation_accuracy": [0.0, value]}))
    (row,) = choices(frames.build(made).runs).to_dict("records")
    assert (row["validation"], row["changed"], row["cells"], row["runs"]) == (60.0, "folds=2", 2, 4)
