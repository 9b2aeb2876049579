"""Two cells compared: the interval is that of a paired t test, one seed says so, and files show the shared seeds."""

import json

import pandas as pd
import pytest
from scipy import stats

import command_line
import synthetic
from bnstudy import disk, paths
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import name
from bnstudy.errors import DataError
from bnstudy.verdicts.pairs import compare

A = Cell(dataset="digits", model="mlp", norm="none")
B = Cell(dataset="digits", model="mlp", norm="batch")
LEVELS = {A: [90.0, 91.0, 92.5, 91.2], B: [91.0, 92.5, 93.0, 92.0]}


def records(cell, seeds):
    return [synthetic.record(Run(cell, s), epochs_run=3, test_accuracy=LEVELS[cell][s]) for s in seeds]


def test_the_interval_is_that_of_scipy():
    a, b = records(A, range(4)), records(B, range(4))
    found = compare(a, b)
    test = stats.ttest_rel([r.test_accuracy for r in b], [r.test_accuracy for r in a])
    known = test.confidence_interval(0.95)
    assert (found["low"], found["high"]) == pytest.approx((known.low, known.high))
    assert found["sure"] == (test.pvalue < 0.05)
    assert found["difference"] == pytest.approx(0.95, abs=0.3)


def test_only_shared_seeds_count():
    found = compare(records(A, [0, 1, 3]), records(B, [1, 2, 3]))
    assert found["seeds"] == [1, 3]


def test_one_seed_says_so():
    found = compare(records(A, [0]), records(B, [0]))
    assert (found["low"], found["high"], found["sure"]) == (None, None, False)
    assert "one seed" in found["text"]


def test_no_shared_seed_is_an_error_that_says_what_to_train():
    with pytest.raises(DataError, match="no seed in common"):
        compare(records(A, [0]), records(B, [1]))


def test_the_verb_writes_a_figure_and_its_data(tmp_path):
    for record in [*records(A, range(3)), *records(B, range(2))]:
        disk.write(paths.record(tmp_path / "results", record.cell.key, record.seed), record.to_text().encode())
    done = command_line.process(tmp_path, "bnstudy", "compare", name(A), B.key, "--json", "--config", str(CONFIG))
    assert done.code == 0, done.err
    (found,) = json.loads(done.out)
    assert found["seeds"] == [0, 1]
    svg, csv = (tmp_path / file for file in found["files"])
    assert "Training loss" in svg.read_text()
    table = pd.read_csv(csv)
    loss = table[(table["quantity"] == "loss") & (table["cell"] == A.key) & (table["epoch"] == 2)]
    own = [r.epochs["data_loss"][2] + r.epochs["penalty"][2] for r in records(A, range(2))]
    assert loss["mean"].item() == pytest.approx(sum(own) / 2)
    missing = command_line.process(tmp_path, "bnstudy", "compare", A.key, "0" * 12, "--config", str(CONFIG))
    assert missing.code == 2
    assert "no such cell" in missing.err


CONFIG = command_line.ROOT / "config.yaml"
