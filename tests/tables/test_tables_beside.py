"""Tables V.1, T.1 and M.1: what the thesis announces or measures and prints no table of."""

import numpy as np
import pandas as pd
import pytest

import synthetic
from bnstudy import tables
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import SETTINGS
from bnstudy.design.timing import EPOCH_KINDS
from bnstudy.results import frames
from bnstudy.tables import beside


def mlp(norm="none", setting="relu", **more):
    return Cell(dataset="mnist", model="mlp", norm=norm, **SETTINGS[setting], **more)


def shown(cells, records, timings=None):
    found = tables.shown(tables.planned(cells, (0, 1)), frames.build(records).runs, timings)
    return {one.id: one for one in found}


def text_of(table, label):
    return [row for row in table.texts()["md"].splitlines() if row.startswith(f"| {label}")]


def test_best_validation_accuracies_stand_where_test_accuracies_do():
    cells = [mlp(), mlp("batch"), mlp(setting="elu")]
    records = [synthetic.record(Run(cell, seed), epochs_run=3) for cell in cells[:2] for seed in (0, 1)]
    for record, best in zip(records, (97.0, 99.0, 98.5, 98.5), strict=True):
        record.epochs["validation_accuracy"] = [99.9, 90.0, best, 95.0]  # epoch 0 is no epoch of training
    table = shown(cells, records)["V.1"]
    assert text_of(table, "ReLU") == ["| ReLU | ours | 98.0 ± 1.4 | 98.5 ± 0.0 |"]
    assert text_of(table, "ELU") == ["| ELU | ours | – |  |"]
    assert not table.grid.compared
    assert table.state == "partial"


def test_reduced_cells_have_a_table_of_best_validation_accuracies_apart():
    small = mlp(width=0.5)
    found = shown([mlp(), small], [synthetic.record(Run(c, 0), epochs_run=2) for c in (mlp(), small)])
    assert "not comparable" in found["V.1 reduced"].grid.caption
    assert found["V.1"].state == "partial"  # a seed of two


def timings(ratios):
    """Rows of the frame `timings`: none takes 2.0, 2.5 and 3.0 s, batch norm `ratios` times that."""
    rows = [
        {"model": "mlp", "dataset": "mnist", "norm": norm, "batch_size": 64, "engine": "reference", "device": "cpu",
         "kind": kind, "median_seconds": seconds * (ratio if norm == "batch" else 1), "iqr": 0.1, "ratio": ratio,
         "ratio_low": ratio, "ratio_high": ratio, "pixels": "real"}
        for kind, seconds, ratio in zip(EPOCH_KINDS, (2.0, 2.5, 3.0), ratios, strict=True)
        for norm in ("none", "batch")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_parts_of_an_epoch_and_the_overhead_so_far():
    table = shown([mlp()], [], timings((1.25, 1.2, 1.2)))["T.1"]
    assert text_of(table, "training") == ["| training | ours | 2.00 | 2.50 | 25.0 |"]
    assert text_of(table, "statistics") == ["| statistics | ours | 0.50 | 0.50 | 20.0 |"]
    assert text_of(table, "validation") == ["| validation | ours | 0.50 | 0.60 | 20.0 |"]


@pytest.mark.parametrize(("with_statistics", "verdict"), [(1.23, "holds"), (1.27, "holds"), (1.22, "fails")])
def test_logging_costs_both_alike_unless_it_moves_an_overhead_by_over_two_points(with_statistics, verdict):
    table = shown([mlp()], [], timings((1.25, with_statistics, 1.0)))["T.1"]
    (note,) = [note for note in table.grid.notes if "7.1.6" in note]
    assert f"{verdict} on this machine" in note


def test_without_timings_no_parts_are_listed():
    assert "T.1" not in shown([mlp()], [])


def test_small_batches_which_the_thesis_did_not_time_have_no_parts():
    assert "T.1" not in shown([mlp()], [], timings((1.25, 1.2, 1.2)).assign(batch_size=8))


def test_memory_by_batch_size_is_the_largest_of_the_seeds():
    cells = [mlp(), mlp(setting="batch_1024"), mlp("batch"), mlp(setting="elu")]
    needs = {(64, 0): 5_000_000, (64, 1): 7_000_000, (1024, 0): 31_000_000}
    records = [
        synthetic.record(Run(cell, seed), epochs_run=1, peak_memory=needs.get((cell.batch_size, seed)))
        for cell in cells[:2]
        for seed in (0, 1)
    ]
    table = shown(cells, records)["M.1"]
    assert text_of(table, "64") == ["| 64 | ours | 7 | – |"]
    assert text_of(table, "1024") == ["| 1024 | ours | 31 |  |"]
    assert table.content["batch_size"].tolist() == [64, 64, 1024]  # ELU differs from the baseline by more than that


def test_on_a_cpu_there_is_no_table_of_memory():
    assert "M.1" not in shown([mlp()], [synthetic.record(Run(mlp(), 0), epochs_run=1, peak_memory=None)])


def test_a_part_that_was_not_timed_is_no_number():
    one = timings((1.25, 1.2, 1.2))
    content = beside.parts(one[one["kind"] != "with_statistics"], ["mnist"])
    assert np.isnan(content.loc[content["part"] == "statistics", "own"].to_numpy(float)).all()
    assert beside.moved(content).empty
