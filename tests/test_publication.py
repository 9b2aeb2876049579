"""What is published comes back as it was, cannot be altered unnoticed, and stands in for training."""

import dataclasses
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

import synthetic
from bnstudy import frames, paths, publication, store
from bnstudy.cell import Cell, Run
from bnstudy.errors import DataError, UsageError
from bnstudy.publication import files, merge, rows
from bnstudy.record import Record

COMMIT = {"commit": "a" * 40, "dirty": False, "recipe": 1, "precision": "default", "torch": "2.15.0", "cpu": "a CPU",
          "instruction_set": "AVX2", "threads": 1, "version": "0.1.0", "python": "3.11.7", "cores": 2}  # fmt: skip


def cell(**fields) -> Cell:
    return Cell(**({"dataset": "digits", "model": "mlp", "norm": "none", "epochs": 30} | fields))


RUNS = [Run(cell(norm=n, **more), s) for n in ("none", "batch") for more in ({}, {"lr": 0.1}) for s in (0, 1)]
RUNS += [Run(cell(activation="sigmoid", train_size=200, init="normal", init_std=0.5), 0)]


def trained(run: Run, **origin) -> Record:
    """A record as a clean checkout leaves it."""
    made = synthetic.record(run)
    return dataclasses.replace(made, provenance=made.provenance | COMMIT | origin)


def keep(results: Path, *records: Record) -> None:
    store.open_results(results)
    for record in records:
        store.put_record(results, record)


def published_bytes(results: Path) -> dict[str, bytes]:
    return {name: paths.published(results, name).read_bytes() for name in files.TABLES}


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return [trained(run) for run in RUNS]


@pytest.fixture(scope="module")
def author(tmp_path_factory, records) -> Path:
    """A folder with all of RUNS trained and published."""
    results = tmp_path_factory.mktemp("author")
    keep(results, *records)
    merge.merge(results, RUNS)
    return results


@pytest.fixture
def results(tmp_path, author) -> Path:
    """A folder with all of RUNS published and no record of its own, as in a fresh clone."""
    shutil.copytree(author / "published", tmp_path / "results" / "published")
    return tmp_path / "results"


def digests(results: Path, runs=RUNS) -> dict[Run, str]:
    return {run: found.digest for run, found in publication.standing(results, runs, pytest.fail).items()}


def edit(results: Path, name: str, column: str, row: int, value) -> None:
    path = paths.published(results, name)
    table = pq.read_table(path)
    values = table[column].to_pylist()
    assert values[row] != value
    values[row] = value
    at = table.column_names.index(column)
    pq.write_table(table.set_column(at, column, pa.array(values, table.schema.field(column).type)), path)


def test_frames_of_published_runs_are_those_of_records(results, records):
    own = frames.build(records)
    back = frames.build([], RUNS, published=publication.records(results, RUNS, pytest.fail))
    assert set(back.runs.pop("origin")) == {"published"}
    assert set(own.runs.pop("origin")) == {"own"}
    assert_frame_equal(own.runs, back.runs)
    assert back.missing.empty
    last = own.epochs.groupby(["key", "seed"])["epoch"].transform("max") == own.epochs["epoch"]
    assert (back.epochs["weights_digest"] == own.epochs["weights_digest"].where(last, "")).all()
    assert_frame_equal(own.epochs.drop(columns="weights_digest"), back.epochs.drop(columns="weights_digest"))
    own_last = own.layers.groupby(["key", "seed"], observed=True)["epoch"].transform("max")
    kept = (own.layers["epoch"] <= 20) | (own.layers["epoch"] % 5 == 0) | (own.layers["epoch"] == own_last)
    assert 0 < kept.sum() < len(kept)
    assert_frame_equal(own.layers[kept].reset_index(drop=True), back.layers)


def test_a_run_row_says_what_was_trained_by_what(results, records):
    table = pq.read_table(paths.published(results, "runs"))
    row = next(r for r in table.to_pylist() if r["key"] == RUNS[-1].cell.key)
    record = records[-1]
    assert (row["model"], row["dataset"], row["norm"], row["setting"]) == ("mlp", "digits", "none", "adhoc")
    assert (row["reading"], row["seed"], row["outcome"]) == ("reduced", 0, "finished")
    assert row["test_accuracy"] == record.test_accuracy
    assert row["test_predicted_last"] == record.test["last"]["predicted"]
    assert (row["train_size"], row["init_std"], row["recipe"]) == (200, 0.5, 1)
    assert (row["torch"], row["cpu"], row["commit"], row["dirty"]) == ("2.15.0", "a CPU", "a" * 40, False)
    assert row["weights_digest"] == record.epochs["weights_digest"][-1]
    assert row["record_digest"] == json.loads(record.to_text())["digest"]
    assert row["seconds"] == 2.0 * record.epochs_run


def test_merging_in_parts_and_in_any_order_gives_the_same_bytes(results, records, tmp_path):
    other = tmp_path / "other"
    keep(other, *records)
    shuffled = random.Random(1).sample(RUNS, len(RUNS))
    for part in (shuffled[:3], shuffled[3:4], shuffled[2:]):
        merge.merge(other, part)
    assert published_bytes(other) == published_bytes(results)
    again = merge.merge(other, RUNS)
    assert (len(again.equal), again.added, again.bytes) == (len(RUNS), [], {})
    assert published_bytes(other) == published_bytes(results)


def test_publishing_some_leaves_the_others(results, records, tmp_path):
    new = trained(Run(RUNS[0].cell, 7))
    keep(results, new)
    before = digests(results)
    assert len(before) == len(RUNS)
    assert merge.merge(results, [*RUNS, Run(RUNS[0].cell, 7)]).added == [Run(RUNS[0].cell, 7)]
    assert digests(results) == before
    assert len(publication.listed(results)) == len(RUNS) + 1


@pytest.mark.parametrize(
    ("origin", "says"),
    [
        ({"dirty": True}, "differ from commit aaaaaaaaaaaa"),
        ({"dirty": None}, "differ from commit"),
        ({"commit": None, "dirty": None}, "no version control"),
        ({"recipe": 0}, "recipe 0"),
        ({"precision": "bf16"}, "precision bf16"),
    ],
)
def test_records_of_unknown_sources_are_refused(results, origin, says):
    good, bad = trained(Run(cell(lr=0.02), 0)), trained(Run(cell(lr=0.03), 0), **origin)
    keep(results, good, bad)
    before = published_bytes(results)
    with pytest.raises(DataError, match=says) as error:
        merge.merge(results, [Run(good.cell, 0), Run(bad.cell, 0)])
    assert bad.cell.key in error.value.cause
    assert published_bytes(results) == before


def test_a_record_that_does_not_verify_is_refused(results):
    record = trained(Run(cell(lr=0.02), 0))
    keep(results, record)
    path = paths.record(results, record.cell.key, 0)
    path.write_text(path.read_text().replace('"best_epoch":', '"best_epoch":1'))
    with pytest.raises(DataError, match=f"{record.cell.key}.*digest"):
        merge.merge(results, [Run(record.cell, 0)])


def test_two_recipes_of_one_cell_are_refused(results, records):
    found = files.read(results)
    run = (RUNS[0].cell.key, 1)
    row = found[run].row | {"recipe": 2}
    with pytest.raises(DataError, match=f"{run[0]} seed 1: recipe 2, other seeds have 1"):
        merge._check_recipes([found[run[0], 0], dataclasses.replace(found[run], row=row)])


def test_the_published_run_stays_unless_replaced(results, records):
    run = RUNS[0]
    other = dataclasses.replace(records[0], best_epoch=records[0].best_epoch + 1)
    keep(results, other)
    before, said = published_bytes(results), []
    assert merge.merge(results, [run], say=said.append).stayed == [run]
    assert published_bytes(results) == before
    assert merge.merge(results, [run], replace=True, say=said.append).replaced == [run]
    assert "the published run stays" in said[0]
    assert "in place of" in said[1]
    (back,) = publication.records(results, [run], pytest.fail)
    assert back.best_epoch == other.best_epoch
    assert len(digests(results)) == len(RUNS)


EDITS = [
    ("runs", "test_accuracy", 99.9), ("runs", "setting", "elu"), ("runs", "commit", "b" * 40), ("runs", "lr", 0.5),
    ("runs", "digest", "0" * 64), ("runs", "recipe", 2), ("epochs", "validation_accuracy", 12.5), ("epochs", "seed", 3),
    ("layers", "weight_grad.mean_abs", 0.25), ("layers", "layer", "dense9"), ("layers", "epoch", 4),
]  # fmt: skip


@pytest.mark.parametrize(("name", "column", "value"), EDITS)
def test_an_edited_value_is_detected(results, name, column, value):
    edit(results, name, column, 0, value)
    said: list[str] = []
    assert len(publication.standing(results, RUNS, said.append)) == len(RUNS) - 1
    assert len(said) == (0 if column == "recipe" else 1)  # another recipe is another run
    keep(results, trained(Run(cell(lr=0.02), 0)))
    with pytest.raises(DataError, match="does not verify"):
        merge.merge(results, [Run(cell(lr=0.02), 0)])


def test_what_an_edit_spoiled_its_own_record_mends(results, records):
    edit(results, "runs", "test_accuracy", 0, 99.9)
    keep(results, *records)
    assert len(merge.merge(results, RUNS, replace=True, say=lambda line: None).replaced) == 1
    assert len(digests(results)) == len(RUNS)


def test_a_torn_file_is_named(results):
    paths.published(results, "layers").write_bytes(b"PAR1 torn")
    with pytest.raises(DataError, match=r"layers\.parquet"):
        publication.standing(results, RUNS, pytest.fail)


def test_a_column_of_a_later_version_moves_no_digest(results):
    for name in files.TABLES:
        path = paths.published(results, name)
        table = pq.read_table(path)
        pq.write_table(table.append_column("later", pa.nulls(len(table), pa.float64())), path)
    assert len(digests(results)) == len(RUNS)
    new = trained(Run(RUNS[0].cell, 7))
    keep(results, new)
    merge.merge(results, [Run(new.cell, 7)])
    assert len(digests(results, [*RUNS, Run(new.cell, 7)])) == len(RUNS) + 1


def test_numbers_that_are_not_finite_come_back(results):
    diverged = next(run for run in RUNS if run.cell.lr == 0.1 and run.cell.norm == "none")
    (back,) = publication.records(results, [diverged], pytest.fail)
    assert back.outcome == "diverged"
    assert np.isnan(back.test["last"]["loss"])
    assert np.isnan(back.epochs["data_loss"][-1])
    assert back.diverged_at == {"epoch": 2, "layer": "dense2"}


def test_a_thesis_sized_run_takes_few_bytes(tmp_path):
    runs = [Run(Cell(dataset="cifar10", model="cnn", norm=n), s) for n in ("none", "batch") for s in (0, 1)]
    found = [rows.publish(dataclasses.replace(trained(r), provenance=COMMIT), "0" * 64) for r in runs]
    assert all(pc.max(p.epochs["epoch"]).as_py() >= 80 for p in found)
    sizes = files.write(tmp_path, {(p.row["key"], p.row["seed"]): p for p in found})
    assert sum(sizes.values()) / len(runs) < 60_000  # noise packs worst of all; 312 CNN and 372 MLP runs take 22 MiB


def test_too_much_is_refused(results, monkeypatch):
    monkeypatch.setattr(files, "LARGEST", 1000)
    keep(results, trained(Run(cell(lr=0.02), 0)))
    before = published_bytes(results)
    with pytest.raises(UsageError, match="more than"):
        merge.merge(results, [Run(cell(lr=0.02), 0)])
    assert published_bytes(results) == before


def test_nothing_is_imported_where_nothing_is_published(tmp_path):
    code = (
        "import sys; from pathlib import Path; from bnstudy import publication;"
        "assert publication.standing(Path(sys.argv[1]), [], print) == {};"
        "assert not {'pyarrow', 'pandas', 'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
