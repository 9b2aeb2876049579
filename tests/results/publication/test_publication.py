"""What is published comes back as it was, cannot be altered unnoticed, and stands in for training."""

import dataclasses
import json
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

import synthetic
from bnstudy import disk, paths
from bnstudy.claims.measured import Histories
from bnstudy.cli import main
from bnstudy.design.cell import Cell, Run
from bnstudy.design.timing import timings
from bnstudy.errors import DataError, UsageError
from bnstudy.results import digests as signed
from bnstudy.results import frames, publication, rounds, store, valid
from bnstudy.results.publication import files, merge, rows
from bnstudy.results.publication.timings import collect
from bnstudy.results.record import Record
from bnstudy.results.timings import record as timing_record
from bnstudy.training import train
from bnstudy.workflow import run_study
from bnstudy.workflow.dag import Dag
from bnstudy.workflow.progress import why
from bnstudy.workflow.progress.watch import Watch
from command_line import call
from results.test_frames import older
from training.timing.test_timing import body

COMMIT = {"commit": "a" * 40, "dirty": False, "recipe": 1, "precision": "default", "torch": "2.15.0", "cpu": "a CPU",
          "instruction_set": "AVX2", "threads": 1, "version": "0.1.0", "python": "3.11.7", "cores": 2}  # fmt: skip


def cell(**fields) -> Cell:
    return Cell(**({"dataset": "digits", "model": "mlp", "norm": "none", "epochs": 30} | fields))


RUNS = [Run(cell(norm=n, **more), s) for n in ("none", "batch") for more in ({}, {"lr": 0.1}) for s in (0, 1)]
RUNS += [Run(Cell(dataset="digits", model="mlp", norm="none", hidden=(90, 20), steps=700, eval_every=50), 0)]
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


def published(results: Path, runs=RUNS) -> dict[Run, rows.Published]:
    """Those of the runs that are published and verify, whether or not they have own records."""
    found = files.read(results)
    here = {run: found[at] for run in runs if (at := (run.cell.key, run.seed)) in found}
    return {run: each for run, each in here.items() if each.verifies()}


def restored(results: Path, runs=RUNS) -> list[Record]:
    return list(map(rows.restore, published(results, runs).values()))


def digests(results: Path, runs=RUNS) -> dict[Run, str]:
    return {run: found.digest for run, found in published(results, runs).items()}


def counting(results: Path, runs=RUNS, say=pytest.fail) -> list[Run]:
    return [run for run, found in valid.verified(runs, results, say) if found is not None]


def sign(results: Path) -> None:
    """State the digests of the published files as they are now, as another version might have written them."""
    folder = files.folder(results)
    signed.put(folder, {path.name: path.read_bytes() for path in folder.glob("*.parquet")}, {})


def edit(results: Path, name: str, column: str, row: int, value) -> None:
    """Change one value of a published file and sign it anew."""
    path = paths.published(results, name)
    table = pq.read_table(path)
    values = table[column].to_pylist()
    assert values[row] != value
    values[row] = value
    at = table.column_names.index(column)
    pq.write_table(table.set_column(at, column, pa.array(values, table.schema.field(column).type)), path)
    sign(results)


def test_frames_of_published_runs_are_those_of_records(results, records):
    own = frames.build(records)
    back = frames.build([], RUNS, published=restored(results))
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
    assert_frame_equal(own.early, back.early)
    assert_frame_equal(own.confusion, back.confusion)
    assert set(own.runs["peak_memory"]) == {2**30}


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
    assert (len(again.equal), again.added) == (len(RUNS), [])
    assert published_bytes(other) == published_bytes(results)


def test_publishing_some_leaves_the_others(results, records, tmp_path):
    new = trained(Run(RUNS[0].cell, 7))
    keep(results, new)
    before = digests(results)
    assert len(before) == len(RUNS)
    assert merge.merge(results, [*RUNS, Run(RUNS[0].cell, 7)]).added == [Run(RUNS[0].cell, 7)]
    assert digests(results) == before
    assert len(publication.index(results)) == len(RUNS) + 1


@pytest.mark.parametrize(
    ("origin", "says"),
    [
        ({"dirty": True}, "differ from commit aaaaaaaaaaaa"),
        ({"source_digest": "0123456789ab+mine:ba9876543210"}, "with the extension mine:ba9876543210"),
        ({"dirty": None}, "differ from commit"),
        ({"commit": None, "dirty": None}, "outside version control"),
        ({"stated": "0" * 12}, "made by other sources than those of commit aaaaaaaaaaaa"),
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
    old = found[run]
    row = old.row | {"recipe": 2}
    row["digest"] = rows.digest_of(row, old.tables)
    found[run] = dataclasses.replace(old, row=row)
    files.write(results, found)
    assert len(digests(results)) == len(RUNS) - 1  # not the run that its key stands for today
    keep(results, trained(Run(cell(lr=0.02), 0)))
    with pytest.raises(DataError, match=f"{run[0]} seed 1: recipe 2, other seeds have 1"):
        merge.merge(results, [Run(cell(lr=0.02), 0)])
    keep(results, records[1])
    assert merge.merge(results, [RUNS[1]], replace=True).replaced == [RUNS[1]]


def test_the_published_run_stays_unless_replaced(results, records):
    run = RUNS[0]
    other = dataclasses.replace(records[0], best_epoch=records[0].best_epoch + 1)
    keep(results, other)
    before, said = published_bytes(results), []
    assert merge.merge(results, [run], say=said.append).stayed == [run]
    assert published_bytes(results) == before
    assert merge.merge(results, [run], replace=True, say=said.append).replaced == [run]
    assert "the published run stays" in said[0]
    assert "replaces the published run" in said[1]
    (back,) = restored(results, [run])
    assert back.best_epoch == other.best_epoch
    assert len(digests(results)) == len(RUNS)


EDITS = [
    ("runs", "test_accuracy", 99.9), ("runs", "setting", "elu"), ("runs", "commit", "b" * 40), ("runs", "lr", 0.5),
    ("runs", "digest", "0" * 64), ("runs", "recipe", 2), ("epochs", "validation_accuracy", 12.5), ("epochs", "seed", 3),
    ("layers", "weight_grad.mean_abs", 0.25), ("layers", "layer", "dense9"), ("layers", "epoch", 999),
    ("early", "weight_grad.max_abs", 0.25), ("early", "step", 999), ("confusion", "answers", [7] * 10),
    ("runs", "peak_memory", 7),
]  # fmt: skip


@pytest.mark.parametrize(("name", "column", "value"), EDITS)
def test_an_edited_value_is_detected(results, name, column, value):
    edit(results, name, column, 0, value)
    said: list[str] = []
    assert len(counting(results, say=said.append)) == len(RUNS) - 1
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
        counting(results)


def drop(name: str, column: str):
    return lambda tables: tables | {name: tables[name].drop_columns([column])}


def retype(name: str, column: str, kind: pa.DataType):
    def change(tables):
        at, values = tables[name].column_names.index(column), tables[name][column].cast(kind)
        return tables | {name: tables[name].set_column(at, column, values)}

    return change


WRONG = {
    "digest dropped": (drop("runs", "digest"), "runs"),
    "seed dropped": (drop("epochs", "seed"), "epochs"),
    "another table": (lambda tables: tables | {"runs": tables["epochs"]}, "runs"),
    "key as binary": (retype("runs", "key", pa.binary()), "runs"),
    "seed as text": (retype("runs", "seed", pa.string()), "runs"),
    "a row twice": (lambda tables: tables | {"runs": pa.concat_tables([tables["runs"]] * 2)}, "runs"),
}


@pytest.mark.parametrize("signs", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_of_another_form_is_refused_by_name(results, wrong, signs):
    change, name = WRONG[wrong]
    tables = {each: pq.read_table(paths.published(results, each)) for each in files.TABLES}
    pq.write_table(change(tables)[name], paths.published(results, name))
    if signs:
        sign(results)
    with pytest.raises(DataError, match=rf"{name}\.parquet") as refused:
        files.read(results)
    assert "git checkout" in refused.value.remedy


@pytest.mark.parametrize("bit", [0x10, 0x80])
@pytest.mark.parametrize("name", files.TABLES)
def test_a_bit_of_a_published_file_is_damage_and_not_absence(results, name, bit):
    path = paths.published(results, name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= bit
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}\.parquet: the content does not match its digest"):
        files.read(results)


@pytest.mark.parametrize("name", files.TABLES)
def test_a_published_file_that_was_removed_is_missed(results, name):
    paths.published(results, name).unlink()
    with pytest.raises(DataError, match=rf"{name}\.parquet: cannot be read"):
        files.read(results)


def test_a_kill_within_publishing_leaves_files_that_are_read(results, records, monkeypatch):
    before = published_bytes(results)
    keep(results, trained(new := Run(RUNS[0].cell, 7)))
    for calls in range(len(files.TABLES) + 2):
        with monkeypatch.context() as patched:
            left, write = [calls], disk.write

            def dies(path, content, left=left, write=write):
                left[0] -= 1
                if left[0] < 0:
                    raise KeyboardInterrupt
                write(path, content)

            patched.setattr(disk, "write", dies)
            with pytest.raises(KeyboardInterrupt):
                merge.merge(results, [new])
        files.read(results)
    assert merge.merge(results, [new]).added == [new] or files.read(results)[new.cell.key, 7].verifies()
    assert published_bytes(results) != before


def test_the_files_of_this_repository_match_their_digests():
    assert len(files.read(Path(__file__).parents[3] / "results")) > 1000


def test_a_column_of_a_later_version_moves_no_digest(results):
    for name in files.TABLES:
        path = paths.published(results, name)
        table = pq.read_table(path)
        pq.write_table(table.append_column("later", pa.nulls(len(table), pa.float64())), path)
    sign(results)
    assert len(digests(results)) == len(RUNS)
    new = trained(Run(RUNS[0].cell, 7))
    keep(results, new)
    merge.merge(results, [Run(new.cell, 7)])
    assert len(digests(results, [*RUNS, Run(new.cell, 7)])) == len(RUNS) + 1


def test_a_field_that_came_later_makes_no_published_run_differ(results, records):
    keep(results, *records)
    published = files.read(results)
    for at, one in published.items():  # as published before Cell had `dropconnect`
        row = {k: v for k, v in one.row.items() if k not in ("dropconnect", "digest")}
        digest = rows.digest_of(row, one.tables)
        published[at] = rows.Published(row | {"dropconnect": None, "digest": digest}, one.tables)
    files.write(results, published)
    again = merge.merge(results, RUNS)
    assert (len(again.equal), again.stayed, again.added) == (len(RUNS), [], [])


def as_before(results: Path, records: list[Record]) -> dict[Run, str]:
    """Publish these as a version did that knew no early steps, confusion or memory; the digests."""
    old = [older(record) for record in records]
    keep(results, *old)
    merge.merge(results, [record.run for record in old])
    for name in ("early", "confusion"):
        assert pq.read_metadata(paths.published(results, name)).num_rows == 0
        paths.published(results, name).unlink()
    path = paths.published(results, "runs")
    pq.write_table(pq.read_table(path).drop_columns(["diverged_step", "peak_memory"]), path)
    sign(results)
    return digests(results)


def test_what_an_earlier_version_published_stays_as_it_is(tmp_path, records):
    before = as_before(tmp_path, records)
    assert len(before) == len(RUNS)
    back = frames.build([], published=restored(tmp_path))
    own = frames.build(older(record) for record in records)
    assert_frame_equal(own.runs.drop(columns="origin"), back.runs.drop(columns="origin"))
    assert len(back.early) == len(back.confusion) == 0
    new = trained(Run(RUNS[0].cell, 7))
    keep(tmp_path, new)
    merge.merge(tmp_path, [*RUNS, new.run])
    after = digests(tmp_path, [*RUNS, new.run])
    assert {run: after[run] for run in RUNS} == before
    both = frames.build([], published=restored(tmp_path, [*RUNS, new.run]))
    assert set(both.early["seed"]) == set(both.confusion["seed"]) == {7}


def test_numbers_that_are_not_finite_come_back(results):
    diverged = next(run for run in RUNS if run.cell.lr == 0.1 and run.cell.norm == "none")
    (back,) = restored(results, [diverged])
    assert back.outcome == "diverged"
    assert np.isnan(back.test["last"]["loss"])
    assert np.isnan(back.epochs["data_loss"][-1])
    assert back.diverged_at == {"epoch": 2, "layer": "dense2", "step": 123}


def test_a_thesis_sized_run_takes_few_bytes(tmp_path):
    runs = [Run(Cell(dataset="cifar10", model="cnn", norm=n), s) for n in ("none", "batch") for s in (0, 1)]
    found = [rows.publish(dataclasses.replace(trained(r), provenance=COMMIT), "0" * 64) for r in runs]
    assert all(pc.max(p.tables["epochs"]["epoch"]).as_py() >= 80 for p in found)
    sizes = files.write(tmp_path, {(p.row["key"], p.row["seed"]): p for p in found})
    assert sum(sizes.values()) / len(runs) < 63_000  # noise packs worst of all; 312 CNN and 372 MLP runs take 24 MiB


def test_too_much_is_refused(results, monkeypatch):
    monkeypatch.setattr(files, "LARGEST", 1000)
    keep(results, trained(Run(cell(lr=0.02), 0)))
    before = published_bytes(results)
    with pytest.raises(UsageError, match="above the limit"):
        merge.merge(results, [Run(cell(lr=0.02), 0)])
    assert published_bytes(results) == before


# ---- who reads what is published


TOY = Run(Cell(dataset="toy", model="mlp", norm="none", width=0.05, epochs=1), 0)
TINY = """\
seeds: 1
studies:
  tiny:
    question: Is it done?
    cells:
      - {dataset: toy, model: mlp, norm: none, width: 0.05, epochs: 1}
"""


@pytest.fixture
def toy(tmp_path) -> Path:
    """A folder in which TOY is published."""
    results = tmp_path / "toy"
    keep(results, trained(TOY))
    merge.merge(results, [TOY])
    paths.record(results, TOY.cell.key, 0).unlink()
    return results


def test_training_leaves_published_runs_alone(toy, tmp_path, capsys):
    report = train.train([TOY], toy, tmp_path / "no data")
    assert (report.done, report.trained) == ([TOY], [])
    assert store.get_record(toy, TOY) is None
    train.put_manifest(toy, "a" * 12, [TOY], report)
    (row,) = json.loads(paths.manifest(toy, "a" * 12).read_text())["runs"]
    assert row == {"key": TOY.cell.key, "seed": 0, "digest": None, "published": digests(toy, [TOY])[TOY]}
    assert train.train([TOY], toy, tmp_path / "data", fresh=True).trained == [TOY]
    assert store.get_record(toy, TOY) is not None


def test_published_runs_are_reported_as_done(toy, tmp_path, capsys):
    words = ["--results", str(toy)]
    cells = tmp_path / "cells.json"
    cells.write_text(json.dumps([{"key": TOY.cell.key, **TOY.cell.non_default(), "seeds": [0]}]))
    done = "1 already done, all of them published (--fresh trains them again)"
    assert f"0 trained, {done}" in call(capsys, "train", "--cells", str(cells), *words).err
    config = tmp_path / "config.yaml"
    config.write_text(TINY)
    words += ["--study", "tiny", "--config", str(config), "--estimate"]
    for verb in ("run", "train"):
        here = call(capsys, verb, *words)
        assert "reused: 1 published runs (--fresh trains them), made on a CPU" in here.err
        assert here.out.splitlines()[-1].split() == ["all", "1", "0", "1", "0", "0", "s", "0", "s"]
        fresh = call(capsys, verb, *words, "--fresh")
        assert fresh.out.splitlines()[-1].split()[:5] == ["all", "1", "0", "0", "1"]
        assert "reused" not in fresh.err


def test_training_does_not_trust_a_spoiled_run(toy, tmp_path, capsys):
    edit(toy, "epochs", "data_loss", 1, 0.125)
    assert train.train([TOY], toy, tmp_path / "data").trained == [TOY]
    assert "does not verify" in capsys.readouterr().err


def test_a_damaged_record_hides_no_published_one(toy, tmp_path):
    """Whoever is asked: status, why, run and train."""
    path = paths.record(toy, TOY.cell.key, 0)
    path.parent.mkdir(parents=True, exist_ok=True)

    def damage():
        path.write_text('{"digest": "x"}')

    damage()
    now = Watch(toy, ("a CPU", 2)).look([TOY])[TOY]
    assert (now.phase, now.published, now.damaged) == ("done", True, True)
    (row,) = why.explain([TOY], [], toy, tmp_path / "data", pytest.fail)
    assert (row["state"], row["trains"]) == ("published", False)
    assert "its record does not verify" in row["because"]
    assert "but it is published (finished)" in row["because"]
    assert run_study.outcomes_of([TOY], toy) == {TOY: "finished"}
    assert (path.exists(), path.with_name("0.json.bad").exists()) == (False, True)
    damage()
    report = train.train([TOY], toy, tmp_path / "no data")
    assert (report.done, report.trained, list(report.published)) == ([TOY], [], [TOY])
    assert not path.exists()


def test_a_manifest_with_published_runs_is_no_gap(toy, tmp_path, monkeypatch):
    config = tmp_path / "small.yaml"
    config.write_text(TINY)
    monkeypatch.setenv("BNSTUDY_RESULTS", str(toy))
    plan = Dag.plan(config, {"only_study": "tiny"})
    (pack,) = plan.packs["tiny"]
    store.put_manifest(toy, pack.id, [])
    plan.clear_gaps()
    assert paths.manifest(toy, pack.id).exists()
    assert str(paths.published(toy, "runs")) in plan.manifests(SimpleNamespace(study="tiny"))
    assert run_study.outcomes_of([TOY], toy) == {TOY: "finished"}
    assert valid.missing([TOY, Run(TOY.cell, 1)], toy) == [Run(TOY.cell, 1)]
    monkeypatch.setenv(rounds.SINCE, "1.5")
    plan.clear_gaps()
    assert not paths.manifest(toy, pack.id).exists()
    assert counting(toy, [TOY]) == [TOY]  # the page shows it all the same


def test_own_records_come_before_published_ones(results, records, tmp_path, capsys):
    config = tmp_path / "small.yaml"
    config.write_text(
        "seeds: 2\nmargins: {default: 1.0}\nstudies:\n  tiny:\n    question: Which counts?\n    cells:\n"
        "      - {dataset: digits, model: mlp, norm: [none, batch], epochs: 30}\n"
    )
    keep(results, dataclasses.replace(records[1], best_epoch=77))
    said = bnstudy(capsys, "aggregate", "--study", "tiny", "--config", str(config), "--results", str(results))
    assert "4 runs (1 own, 3 published), 0 missing" in said
    runs = frames.get(results, "tiny").runs.set_index(["key", "seed"])
    assert runs["origin"].value_counts().to_dict() == {"published": 3, "own": 1}
    own = runs.loc[(records[1].cell.key, 1)]
    assert (own["origin"], own["best_epoch"]) == ("own", 77)


def test_a_verdict_does_not_depend_on_where_a_record_comes_from(results, records):
    own = Histories(*astuple(frames.build(records)))
    back = Histories(*astuple(frames.build([], published=restored(results))))
    for run in RUNS[:2]:
        slot = ("mlp", "relu", "digits", "none")
        for column, values in own.layers(slot, run.seed).items():
            np.testing.assert_array_equal(values, back.layers(slot, run.seed)[column])
        assert len(own.layers(slot, run.seed)["zero_share"]) == len(own.epochs(slot, run.seed)["epoch"]) - 1


def astuple(built: frames.Frames):
    return built.runs, built.epochs, built.layers, built.early


# ---- the verb


def bnstudy(capsys, *words: str, code: int = 0) -> str:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    signal.signal(signal.SIGTERM, before)
    assert ended.value.code == code
    return capsys.readouterr().err


def test_the_verb_publishes_what_studies_hold_and_what_is_named(tmp_path, capsys):
    config, results = tmp_path / "small.yaml", tmp_path / "results"
    config.write_text(
        "seeds: 1\nmargins: {default: 1.0}\nstudies:\n  tiny:\n    question: What is out?\n    cells:\n"
        "      - {dataset: digits, model: mlp, norm: [none, batch], epochs: 30}\n"
    )
    stray = trained(Run(cell(lr=0.02), 4))
    keep(results, trained(Run(cell(), 0)), trained(Run(cell(norm="batch"), 0)), stray)
    given = ("--config", str(config), "--results", str(results))
    said = bnstudy(capsys, "publish", *given, code=2)
    assert f"{stray.cell.key} seed 4: its cell is in no study" in said
    assert not (results / "published").exists()
    assert "1 added" in bnstudy(capsys, "publish", "--study", "tiny", "--where", "norm=batch", *given)
    assert "1 added" in bnstudy(capsys, "publish", f"{stray.cell.key}:4", *given)
    assert "1 added, 1 as published" in bnstudy(capsys, "publish", "--study", "tiny", *given)
    assert len(publication.index(results)) == 3
    bnstudy(capsys, "publish", "000000000000", *given, code=2)


def test_timings_are_published_as_they_were_recorded(tmp_path):
    cells = [Cell(dataset="mnist", model="mlp", norm=norm) for norm in ("none", "batch")]
    key = timings(cells)[0].key("reference", "cpu")
    timing_record.put(tmp_path, body([(1.0, 1.5), (2.0, 3.1)] * 3, key=key, provenance=PLACE | COMMIT))
    own = collect(tmp_path, cells, pytest.fail)
    assert merge.merge_timings(tmp_path, merge.own_timings(tmp_path)) == 1
    first = paths.published(tmp_path, "timings").read_bytes()
    assert merge.merge_timings(tmp_path, merge.own_timings(tmp_path)) == 1
    assert paths.published(tmp_path, "timings").read_bytes() == first
    timing_record.put(tmp_path, body([(1.0, 1.9)] * 6, key=key, provenance=PLACE | COMMIT))
    said: list[str] = []
    merge.merge_timings(tmp_path, merge.own_timings(tmp_path), say=said.append)
    assert "the published one stays" in said[0]
    paths.timing(tmp_path, key).unlink()
    assert_frame_equal(collect(tmp_path, cells, pytest.fail), own)
    assert len(own) == len(pq.read_table(paths.published(tmp_path, "timings"))) == 6
    of, dirty = {cell.norm: cell.key for cell in cells}, PLACE | COMMIT | {"dirty": True}
    timing_record.put(tmp_path, body([(1.0, 1.9)] * 6, key=key, cells=of, provenance=dirty))
    with pytest.raises(DataError, match=f"timing {key}.*differ from commit"):
        merge.own_timings(tmp_path)
    assert merge.own_timings(tmp_path, cells={cells[0].key}) == {}


def test_timings_are_published_with_their_study_and_not_with_other_cells(tmp_path, capsys):
    """One that may not be published keeps runs from being published only if it goes with them."""
    cells = [Cell(dataset="mnist", model="mlp", norm=norm) for norm in ("none", "batch")]
    key = timings(cells)[0].key("reference", "cpu")
    of = {cell.norm: cell.key for cell in cells}
    results = tmp_path / "results"
    timing_record.put(results, body([(1.0, 1.5)] * 6, key=key, cells=of, provenance=PLACE | COMMIT | {"dirty": True}))
    store.put_record(results, trained(Run(cells[0], 0)))
    given = "--results", str(results)
    assert "timing" in bnstudy(capsys, "publish", *given, code=65)
    assert not paths.published(results, "runs").exists()
    bnstudy(capsys, "publish", cells[0].key, *given)
    assert paths.published(results, "runs").exists()
    assert not paths.published(results, "timings").exists()


PLACE = {"cpu": "abacus", "threads": 1, "torch": "2"}


def test_nothing_is_imported_where_nothing_is_published(tmp_path):
    code = (
        "import sys; from pathlib import Path; from bnstudy.results import valid;"
        "from bnstudy.design.cell import Cell, Run; run = Run(Cell(dataset='toy', model='mlp', norm='none'), 0);"
        "assert dict(valid.verified([run], Path(sys.argv[1]), print)) == {run: None};"
        "assert not {'pyarrow', 'pandas', 'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
