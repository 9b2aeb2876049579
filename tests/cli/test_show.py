"""`show` of a single run: how often each class is right."""

import dataclasses

import pytest

import synthetic
from bnstudy.cli import show
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import name
from bnstudy.results import store
from command_line import ROOT, call


def shown(tmp_path, capsys, run: Run, test: dict) -> str:
    record = synthetic.record(run, epochs_run=2)
    store.open_results(tmp_path / "results")
    store.put_record(tmp_path / "results", dataclasses.replace(record, test=test))
    own = ("--results", str(tmp_path / "results"), "--config", str(ROOT / "config.yaml"))
    return call(capsys, "show", f"{name(run.cell)}:{run.seed}", *own).out


def confusion(classes: int) -> list[list[int]]:
    """Of class i, i percent of the images are taken for the class before; class 1 has no image."""
    rows = [[100 - i if j == i else i if j == i - 1 else 0 for j in range(classes)] for i in range(classes)]
    return [[0] * classes if i == 1 else row for i, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("dataset", "classes", "said"),
    [
        ("digits", 10, ", ".join(f"{i}: {100 - i}.0 %" for i in range(10) if i != 1)),
        ("cifar100", 100, "1.0 % (class 99) to 100.0 % (class 0)"),
    ],
)
def test_the_accuracy_of_each_class_is_shown_or_of_many_the_extremes(tmp_path, capsys, dataset, classes, said):
    run = Run(Cell(dataset=dataset, model="mlp", norm="batch"), 0)
    test = synthetic.record(run, epochs_run=2).test
    test |= {weights: test[weights] | {"predicted": [1] * classes} for weights in ("last", "best")}
    test |= {"confusion": confusion(classes)}
    lines = shown(tmp_path, capsys, run, test).splitlines()
    (line,) = (line for line in lines if line.startswith("right by class"))
    assert line.removeprefix("right by class").strip() == said


def test_a_record_without_these_counts_has_no_such_line(tmp_path, capsys):
    run = Run(Cell(dataset="digits", model="mlp", norm="batch"), 0)
    test = synthetic.record(run, epochs_run=2).test
    out = shown(tmp_path, capsys, run, {key: value for key, value in test.items() if key != "confusion"})
    assert "test accuracy" in out
    assert "right by class" not in out


def test_an_own_run_is_compared_with_the_published_one_by_its_last_weights():
    own = synthetic.record(Run(Cell(dataset="digits", model="mlp", norm="batch"), 0), epochs_run=3)
    digests = own.epochs["weights_digest"]
    thinned = dataclasses.replace(own, epochs=own.epochs | {"weights_digest": ["", "", "", digests[-1]]})
    assert show._compared(own, thinned).endswith("bit for bit")
    other = dataclasses.replace(own, epochs=own.epochs | {"weights_digest": [*digests[:-1], "0" * 12]})
    assert show._compared(own, other) == "the published run has other weights"


def test_a_study_whose_cells_are_in_other_tables_is_told_which(tmp_path, capsys):
    own = ("--results", str(tmp_path / "results"), "--config", str(ROOT / "config.yaml"))
    ended = call(capsys, "show", "B.2", "--study", "demo", *own)
    assert "the cells of study demo are in other tables: B.2 reduced" in ended.err
    assert "other tables" not in call(capsys, "show", "B.2 reduced", "--study", "demo", *own).err
