"""Records become frames without loss, in any order, with stable types."""

import dataclasses
import random

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import synthetic
from bnstudy.design.cell import Cell, Run
from bnstudy.design.fields import FORMS
from bnstudy.design.words import plain
from bnstudy.errors import DataError
from bnstudy.results import digests, frames
from bnstudy.results.record import EARLY_COLUMNS, EPOCH_COLUMNS, LAYER_COLUMNS, Record
from work import calls

OPTIONAL = tuple(name for name, form in FORMS.items() if form.optional)  # null in a frame


def cell(**fields) -> Cell:
    return Cell(**({"dataset": "digits", "model": "mlp", "norm": "none", "epochs": 6} | fields))


RUNS = [Run(cell(norm=n, **more), s) for n in ("none", "batch") for more in ({}, {"lr": 0.1}) for s in (0, 1)]


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return synthetic.records(RUNS)


def same(a: frames.Frames, b: frames.Frames) -> None:
    for kept in frames.KEPT:
        assert_frame_equal(getattr(a, kept), getattr(b, kept))


def test_a_run_row_holds_what_the_record_holds(records):
    record = next(r for r in records if r.outcome == "diverged" and r.seed == 1)
    runs = frames.build(records).runs
    row = runs[(runs.key == record.cell.key) & (runs.seed == 1)].iloc[0]
    assert (row.setting, row.reading, row.outcome) == ("lr_high", "reduced", "diverged")
    assert (row.diverged_epoch, row.diverged_layer) == (2, "dense2")
    assert row.test_accuracy == record.test["last"]["accuracy"] == row.test_accuracy_last
    assert row.test_accuracy_best == record.test["best"]["accuracy"]
    assert np.isnan(row.test_loss)
    assert row.seconds == 2.0 * record.epochs_run
    assert (row.broken, row.predicted_top, row.classes) == (True, 0, 10)
    assert (row.data_digest, row.origin) == (record.provenance["data_digest"], "own")
    assert {f.name: row[f.name] for f in dataclasses.fields(Cell) if f.name not in OPTIONAL} == {
        k: plain(v) for k, v in dataclasses.asdict(record.cell).items() if k not in OPTIONAL
    }


def test_the_tested_weights_of_the_cell_decide_the_test_columns():
    record = synthetic.record(Run(cell(tested_weights="best"), 0))
    row = frames.build([record]).runs.iloc[0]
    assert row.test_accuracy == record.test["best"]["accuracy"] != record.test["last"]["accuracy"]


def test_epoch_and_layer_values_stand_where_they_were_measured(records):
    built = frames.build(records)
    for record in records:
        rows = built.epochs[(built.epochs.key == record.cell.key) & (built.epochs.seed == record.seed)]
        for column in EPOCH_COLUMNS:
            assert_frame_equal(rows[[column]].reset_index(drop=True), pd.DataFrame({column: record.epochs[column]}))
        layers = built.layers[(built.layers.key == record.cell.key) & (built.layers.seed == record.seed)]
        for row in (layers.iloc[0], layers.iloc[5], layers.iloc[-1]):
            assert record.layers["names"][row.position] == row.layer
            assert record.layers["sizes"][row.position] == row["size"]
            value = record.layers["weight_grad.mean_abs"][row.epoch - 1][row.position]
            np.testing.assert_array_equal(row["weight_grad.mean_abs"], np.float32(value))


def test_early_steps_and_counts_of_answers_stand_where_they_were_measured(records):
    built = frames.build(records)
    for record in records:
        early, confusion = (
            f[(f.key == record.cell.key) & (f.seed == record.seed)] for f in (built.early, built.confusion)
        )
        rows = iter(early.itertuples(index=False, name=None))
        names = list(early.columns)
        for i, step in enumerate(record.early["step"]):
            for position, layer in enumerate(record.layers["names"]):
                row = dict(zip(names, next(rows), strict=True))
                assert (row["step"], row["layer"], row["position"]) == (step, layer, position)
                assert (row["size"], row["data_loss"]) == (
                    record.layers["sizes"][position],
                    record.early["data_loss"][i],
                )
                for column in EARLY_COLUMNS:
                    np.testing.assert_array_equal(row[column], np.float32(record.early[column][i][position]))
        assert next(rows, None) is None
        counts = record.test["confusion"]
        assert set(confusion[["label", "answer", "images"]].itertuples(index=False, name=None)) == {
            (i, j, n) for i, row in enumerate(counts) for j, n in enumerate(row) if n
        }


def test_best_validation_and_memory_are_columns_of_runs(records):
    runs = frames.build(records).runs.set_index(["key", "seed"])
    for record in records:
        row = runs.loc[(record.cell.key, record.seed)]
        assert row.best_validation_accuracy == max(record.epochs["validation_accuracy"][1:])
        assert row.peak_memory == record.peak_memory
        assert (row.diverged_step == 123) if record.diverged_at else pd.isna(row.diverged_step)


def older(record: Record) -> Record:
    """The record as earlier versions wrote it."""
    test = {name: value for name, value in record.test.items() if name != "confusion"}
    at = record.diverged_at and {name: value for name, value in record.diverged_at.items() if name != "step"}
    return dataclasses.replace(record, early=None, peak_memory=None, test=test, diverged_at=at)


def test_records_of_an_earlier_version_lack_only_what_came_later(records):
    new, old = frames.build(records), frames.build([older(records[0]), *records[1:]])
    first = (records[0].cell.key, records[0].seed)
    for kept in ("early", "confusion"):
        frame = getattr(new, kept)
        here = (frame.key == first[0]) & (frame.seed == first[1])
        assert_frame_equal(frame[~here].reset_index(drop=True), getattr(old, kept), check_categorical=False)
    later = ["diverged_step", "peak_memory"]
    assert_frame_equal(new.runs.drop(columns=later), old.runs.drop(columns=later))
    assert old.runs["peak_memory"].isna().sum() == 1
    assert_frame_equal(new.layers, old.layers)


def test_the_order_of_records_does_not_matter(records):
    shuffled = random.Random(0).sample(records, len(records))
    assert shuffled != records
    same(frames.build(records), frames.build(shuffled))


def test_types_do_not_depend_on_the_values(records):
    full, empty = frames.build(records, [Run(cell(), 7)]), frames.build([])
    for kept in frames.KEPT:
        a, b = getattr(full, kept).dtypes, getattr(empty, kept).dtypes
        assert {k: str(v) for k, v in a.items()} == {k: str(v) for k, v in b.items()}
    assert all(full.layers[c].dtype == np.float32 for c in LAYER_COLUMNS)
    assert str(full.runs.train_size.dtype) == str(full.runs.diverged_epoch.dtype) == "Int64"
    assert full.layers["saturated_share"].isna().all()  # no sigmoid among them


def test_whole_numbers_stay_whole_beside_gaps():
    runs = frames.build(synthetic.records([Run(cell(train_size=100), 0), Run(cell(), 0)])).runs
    assert sorted(runs.train_size.dropna().astype(object)) == [100]


@pytest.mark.parametrize(("top", "broken"), [(999, True), (998, False), (1000, True)])
def test_broken_is_one_answer_for_999_of_1000_images(top, broken):
    assert frames.is_broken([top, 1000 - top]) is broken


def test_broken_has_no_rounding():
    assert frames.is_broken([26006, 26]) is True  # 99.9001 %
    assert frames.is_broken([26005, 27]) is False  # 99.896 %


def test_what_was_asked_for_and_is_not_there_is_missing(records):
    unrun = Run(cell(dropout=0.5), 0)
    missing = frames.build(records, [*RUNS, unrun, Run(cell(), 9)], {unrun: "no data set digits"}).missing
    assert missing[["key", "seed", "setting", "reason"]].to_dict("records") == [
        {"key": unrun.cell.key, "seed": 0, "setting": "dropout", "reason": "no data set digits"},
        {"key": cell().key, "seed": 9, "setting": "relu", "reason": "not run yet"},
    ]
    assert frames.build(records, RUNS).missing.empty


def test_a_run_given_twice_is_refused(records):
    with pytest.raises(DataError, match=f"{records[2].cell.key}/{records[2].seed}: two records"):
        frames.build([*records, records[2]])


def test_frames_survive_the_disk(records, tmp_path):
    built = frames.build(records, [Run(cell(), 9)])
    folder = frames.put(built, tmp_path, "demo")
    same(built, frames.get(tmp_path, "demo"))
    assert pd.read_csv(folder / "runs.csv").name.tolist() == built.runs.name.tolist()
    first = (folder / "layers.parquet").read_bytes()
    frames.put(frames.build(records[::-1], [Run(cell(), 9)]), tmp_path, "demo")
    assert (folder / "layers.parquet").read_bytes() == first


@pytest.mark.parametrize("kind", ["str", object], ids=["pandas 3", "pandas 2"])
def test_a_spreadsheet_takes_no_text_for_a_formula(kind):
    frame = pd.DataFrame({"cpu": pd.Series(["=HYPERLINK()", "-x", "plain", None], dtype=kind), "mean": [-1.0, 2, 3, 4]})
    shown = frames.for_spreadsheets(frame)
    assert shown["cpu"].tolist()[:3] == ["'=HYPERLINK()", "'-x", "plain"]
    assert pd.isna(shown["cpu"][3])
    assert shown["mean"].tolist() == [-1.0, 2, 3, 4]


def test_absent_or_torn_frames_say_what_to_do(records, tmp_path):
    with pytest.raises(DataError, match="aggregate --study demo"):
        frames.get(tmp_path, "demo")
    folder = frames.put(frames.build(records), tmp_path, "demo")
    (folder / "epochs.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(DataError, match=r"epochs\.parquet: the content does not match"):
        frames.get(tmp_path, "demo")


def changed(name, value):
    return lambda frame: frame.assign(**{name: value})


CHANGES = {
    "rows three times more": lambda runs: pd.concat([runs, *[runs[runs["seed"] == 0]] * 3]),
    "another accuracy": changed("test_accuracy", 12.34),
    "shuffled": lambda runs: runs[::-1],
    "halved": lambda runs: runs[: len(runs) // 2],
    "empty": lambda runs: runs[:0],
    "NaN": changed("test_accuracy", np.nan),
    "huge": changed("test_accuracy", 1e308),
    "a column less": lambda runs: runs.drop(columns="lr"),
    "a column more": changed("more", 1),
    "another type": lambda runs: runs.astype({"seed": "float64"}),
}
FORMED = ("rows three times more", "a column less", "a column more", "another type")
"""Changes that are refused even if the file is signed anew."""


@pytest.mark.parametrize("change", CHANGES)
def test_frames_that_were_changed_are_refused_by_name(records, tmp_path, change):
    folder = frames.put(frames.build(records), tmp_path, "demo")
    path = folder / "runs.parquet"
    CHANGES[change](pd.read_parquet(path)).to_parquet(path, index=False)
    with pytest.raises(DataError, match=r"runs\.parquet") as refused:
        frames.get(tmp_path, "demo")
    assert refused.value.remedy == "Run `bnstudy aggregate --study demo`."
    if change in FORMED:
        digests.put(folder, {path.name: path.read_bytes()}, digests.stated(folder, ""))
        with pytest.raises(DataError, match=r"runs\.parquet"):
            frames.get(tmp_path, "demo")


def test_a_frame_that_was_removed_is_missed(records, tmp_path):
    (frames.put(frames.build(records), tmp_path, "demo") / "runs.parquet").unlink()
    assert frames.exist(tmp_path, "demo")
    with pytest.raises(DataError, match=r"runs\.parquet: cannot be read"):
        frames.get(tmp_path, "demo")


def test_frames_are_written_anew_whatever_their_digests_are(records, tmp_path):
    folder = frames.put(frames.build(records), tmp_path, "demo")
    (folder / digests.FILE).write_text("[" * 1000)
    with pytest.raises(DataError, match=r"digests\.json: cannot be read"):
        frames.get(tmp_path, "demo")
    frames.put(frames.build(records), tmp_path, "demo")
    assert len(frames.get(tmp_path, "demo").runs) == len(records)


def test_no_row_of_epochs_or_layers_is_walked():
    """Ten times the rows take no more calls: the columns of a record are joined whole."""

    def work(epochs: int) -> int:
        runs = [Run(Cell(dataset="svhn", model="cnn", norm="batch"), seed) for seed in range(10)]
        records = [synthetic.record(run, epochs_run=epochs) for run in runs]
        built = []
        counted = calls(lambda: built.append(frames.build(records)))
        assert built[0].layers.shape == (10 * epochs * 13, 6 + len(LAYER_COLUMNS))
        return counted.total()

    work(1)  # what is done once in a process
    assert work(100) < 1.1 * work(10)
