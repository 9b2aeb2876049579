"""Timings: the rule of measurement with a clock of our own, the record, the frame, the study."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from bnstudy import paths, tables
from bnstudy.design import timing
from bnstudy.design.cell import Run, make_cell
from bnstudy.design.labels import NORMS
from bnstudy.design.timing import EPOCH_KINDS, PARTS, TIMING_COLUMNS, shown, timings
from bnstudy.errors import DataError, TryAgain, UsageError
from bnstudy.results.publication.timings import collect
from bnstudy.results.timings import frame, record
from bnstudy.studies.config import load
from bnstudy.training.engine import ENGINES
from bnstudy.training.engine.contract import Keeper
from bnstudy.training.engine.statistics import SAMPLES
from bnstudy.training.engine.winograd import table
from bnstudy.training.timing import epochs, measure, pixels, run
from bnstudy.workflow.dag import Dag

ROOT = Path(__file__).parents[3]
STUDIES = load(ROOT / "config.yaml").studies


def pair(**fields):
    return [make_cell({"dataset": "toy", "model": "mlp", "norm": norm} | fields) for norm in NORMS]


TIMING = timings(pair(batch_size=128))[0]


class Bench:
    """Subjects that note who runs, on a clock that they move by given (wall, processor) seconds."""

    def __init__(self, seconds=lambda norm, call: (1.0, 1.0)):
        self.calls, self.wall, self.cpu, self.seconds = [], 0.0, 0.0, seconds
        self.subjects = {norm: {p: self._part(norm, p) for p in PARTS} for norm in NORMS}

    def _part(self, norm, part):
        def run():
            wall, cpu = self.seconds(norm, len(self.calls))
            self.calls.append((norm, part))
            self.wall, self.cpu = self.wall + wall, self.cpu + cpu

        return run

    def measure(self, pairs=measure.PAIRS, device="cpu"):
        return measure.measure(self.subjects, "toy", device, pairs, (lambda: self.wall, lambda: self.cpu))

    @property
    def order(self):
        """Who ran, epoch by epoch; the parts of an epoch come one after the other."""
        assert all([p for _, p in self.calls[i : i + 4]] == list(PARTS) for i in range(0, len(self.calls), 4))
        return "".join(norm[0] for norm, part in self.calls if part == "training")


# ---- the rule


def test_the_norms_alternate_after_a_warm_up():
    bench = Bench()
    found = bench.measure()
    assert bench.order == "nb" + "nbbn" * 3
    assert (len(found.pairs), found.rejected) == (6, [])
    assert found.pairs[0]["none"] == measure.Epoch((1.0,) * 4, (1.0,) * 4)


def test_a_disturbed_epoch_is_rejected_counted_and_repeated_with_its_partner():
    bench = Bench(lambda norm, call: (1.06, 1.0) if 16 <= call < 20 else (1.04, 1.0))  # the fifth epoch
    found = bench.measure()
    assert bench.order == "nb" + "nbbn" * 3 + "nb"
    assert len(found.pairs) == 6
    assert [r["norm"] for r in found.rejected] == ["batch"]
    assert found.rejected[0]["wall_over_cpu"] == pytest.approx(1.06)


def test_a_busy_machine_ends_with_nothing():
    with pytest.raises(TryAgain, match="48 of 48 epochs were disturbed"):
        Bench(lambda norm, call: (1.2, 1.0)).measure()


# ---- the statistics


def body(norm_seconds, **changes):
    """A timing record of one part per epoch: seconds of each pair as given for each norm."""
    pairs = [
        {n: {"wall": [s, s, 0.0, 0.0], "cpu": [s, s, 0.0, 0.0]} for n, s in zip(NORMS, both, strict=True)}
        for both in norm_seconds
    ]
    extent = {"images": 540, "steps": 4, "sampled": 4, "validation": 60}
    return {
        "key": TIMING.key("reference", "cpu"), "model": "mlp", "dataset": "mnist", "batch_size": 64,
        "engine": "reference", "device": "cpu", "cells": {}, "pixels": "random", "parts": list(PARTS),
        "timed": extent, "full": extent, "scaled": False, "pairs": pairs, "rejected": [], "load": 0.1,
        "provenance": {"cpu": "abacus", "threads": 1, "torch": "2"},
    } | changes  # fmt: skip


def test_the_interval_covers_a_known_ratio():
    rng, covered, repeats = np.random.default_rng(7), 0, 400
    for _ in range(repeats):
        drift = np.cumsum(rng.normal(0, 0.05, 6)) + 2  # shared by both norms of a pair
        noise = rng.lognormal(0, 0.1, (6, 2))
        _, low, high = frame.median_interval((1.27 * drift * noise[:, 1]) / (drift * noise[:, 0]))
        covered += low <= 1.27 <= high
    assert 0.94 <= covered / repeats <= 0.995  # 96.9 % for six pairs


@pytest.mark.parametrize("count", [1, 5, 6, 7, 9, 20, 33])
def test_the_interval_is_scipys(count):
    values = np.random.default_rng(count).normal(size=count)
    expected = stats.quantile_test(values, q=0, p=0.5).confidence_interval(0.95)
    assert frame.median_interval(values) == pytest.approx((np.median(values), *expected), nan_ok=True)


def test_the_frame_of_a_record():
    seconds = [(1.0, 1.5), (2.0, 3.1), (3.0, 4.2), (1.0, 1.6), (2.0, 2.8), (3.0, 4.5)]
    rows = frame.build([body(seconds, rejected=[{"norm": "batch", "wall_over_cpu": 2.0}])])
    assert list(rows.columns) == frame.COLUMNS
    assert list(rows.columns[: len(TIMING_COLUMNS)]) == TIMING_COLUMNS
    assert [(r.norm, r.kind) for r in rows.itertuples()] == [(n, k) for k in EPOCH_KINDS for n in NORMS]
    none, batch = rows[rows["kind"] == "training"].itertuples()
    assert (none.median_seconds, none.iqr, batch.median_seconds) == (2.0, 1.5, 2.95)
    ratios = sorted(b / n for n, b in seconds)
    assert (none.ratio_low, none.ratio, none.ratio_high) == (ratios[0], (ratios[2] + ratios[3]) / 2, ratios[-1])
    assert (none.rejected, batch.rejected, none.epochs) == (0, 1, 6)


def test_no_records_give_an_empty_frame_of_the_same_columns():
    assert list(frame.build([]).columns) == frame.COLUMNS
    assert frame.build([])["median_seconds"].dtype == "float64"


def test_a_part_of_an_epoch_is_scaled_by_what_it_holds():
    part = {"images": 256, "steps": 4, "sampled": 4, "validation": 100}
    whole = {"images": 45000, "steps": 703, "sampled": 16, "validation": 5000}
    one = {"wall": [4.0, 5.0, 0.25, 0.5], "cpu": [4.0, 5.0, 0.25, 0.5]}
    scaled = body([], timed=part, full=whole, scaled=True, pairs=[dict.fromkeys(NORMS, one)] * 6)
    training = 4.0 * 703 / 4
    statistics = (5.0 - 4.0) * 16 / 4 + 0.25
    np.testing.assert_allclose(
        frame.full_epochs(scaled, "batch")[0], [training, training + statistics, training + statistics + 0.5 * 50]
    )
    rows = frame.build([scaled])
    assert rows["scaled"].all()
    assert set(rows["timed_images"]) == {256}


# ---- what is timed


def test_extents():
    mnist, cnn = pair(dataset="mnist")[0], pair(dataset="mnist", model="cnn", batch_size=512)[0]
    assert pixels.full(mnist) == pixels.Extent(54000, 843, 16, 6000)
    assert pixels.timed(mnist, "cpu") == pixels.full(mnist)
    assert pixels.timed(cnn, "cpu") == pixels.Extent(512, 1, 1, 256)
    assert pixels.timed(replace(cnn, batch_size=64), "cpu") == pixels.Extent(256, 4, 4, 256)
    assert pixels.timed(cnn, "cuda:0") == pixels.full(cnn)
    odd = replace(cnn, batch_size=51, last_batch="keep")
    assert pixels.timed(odd, "cpu") == pixels.Extent(255, 5, 5, 256)  # 256 would leave a batch of one


def test_without_images_held_out_validation_takes_the_test_images(tmp_path):
    cell = pair(dataset="mnist", validation_fraction=0.0, schedule="constant")[0]
    assert pixels.full(cell) == pixels.Extent(60000, 937, 16, 10000)
    data, _ = pixels.inputs(cell, tmp_path, pixels.Extent(64, 1, 1, 10))
    assert len(data.validation_images) == 10


def test_random_pixels_have_the_shape_of_the_data_set(tmp_path):
    cell = pair(dataset="svhn", model="cnn")[0]
    data, source = pixels.inputs(cell, tmp_path, pixels.timed(cell, "cpu"))
    assert source == "random"
    assert (data.train_images.shape, data.validation_images.shape) == ((256, 3, 32, 32), (256, 3, 32, 32))
    assert set(data.train_labels.tolist()) <= set(range(10))


def test_a_bad_data_set_is_not_replaced_by_noise(tmp_path):
    paths.dataset(tmp_path, "svhn").write_bytes(b"not pixels")
    with pytest.raises(DataError, match="svhn"):
        pixels.inputs(pair(dataset="svhn")[0], tmp_path, pixels.full(pair(dataset="svhn")[0]))


@pytest.mark.parametrize("engine", ["packed", "graph", "winograd", "reference"])
def test_the_parts_of_an_epoch_are_what_the_engine_does(engine, tmp_path):
    """One bare pass leaves the weights of a measured one, and only the measured one takes statistics."""
    cell = TIMING.batch
    data, source = pixels.inputs(cell, tmp_path, pixels.full(cell))
    assert source == "real"
    weights = []
    for part in ("training", "sampled"):
        subject = epochs.alone(engine, Run(cell, 0), data, "cpu")
        subject.parts()[part]()
        state = [m.point for m in subject.members] if engine == "packed" else list(subject.model.parameters())
        weights.append(torch.cat([tensor.detach().flatten().clone() for tensor in state]))
        taken = statistics_of(subject).columns(torch.zeros(1, 4))["weight.l2"]
        assert bool(taken.isnan().all()) == (part == "training")
        subject.parts()["probe"]()
        subject.parts()["validation"]()
    assert torch.equal(*weights)


def test_a_timed_epoch_of_nan_is_a_whole_one(tmp_path, monkeypatch):
    """Training spares itself the steps of a lost network; their time would be no epoch's."""
    cell = replace(TIMING.none, batch_size=16)
    subject = epochs.Pass(Run(cell, 0), pixels.inputs(cell, tmp_path, pixels.full(cell))[0], "cpu")
    for values in subject.model.parameters():
        values.data.fill_(torch.nan)
    steps, update = [], epochs.Pass._update
    monkeypatch.setattr(epochs.Pass, "_update", lambda self, *args: steps.append(1) or update(self, *args))
    subject.parts()["training"]()
    assert len(steps) == pixels.full(cell).steps > SAMPLES
    asked = []
    subject.model.register_forward_pre_hook(lambda _model, given: asked.append(len(given[0])))
    subject.parts()["validation"]()
    assert sum(asked) == pixels.full(cell).validation


def statistics_of(subject):
    """What the last pass of the graph engine, or one more of the same kind of the others, has measured."""
    if hasattr(subject, "launch"):
        return subject._statistics
    with torch.inference_mode(isinstance(subject, epochs.StackPass)):
        return subject._pass(Keeper())[1]


# ---- records


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.setattr(measure, "DISTURBED", 1e9)


def test_a_timing_is_measured_once_on_each_engine(tmp_path, quiet):
    said = []
    made = run.time([TIMING], tmp_path, tmp_path, said.append, "cpu")
    assert [p.stem for p in made] == [TIMING.key(engine, "cpu") for engine in ("packed", "reference")]
    before = [p.read_bytes() for p in made]
    assert len(said) == 2
    assert run.time([TIMING], tmp_path, tmp_path, said.append, "cpu") == made
    assert (len(said), [p.read_bytes() for p in made]) == (2, before)
    run.time([TIMING], tmp_path, tmp_path, said.append, "cpu", fresh=True)
    assert made[0].read_bytes() != before[0]
    rows = collect(tmp_path, TIMING.cells.values(), said.append)
    assert (len(rows), set(rows["engine"]), set(rows["pixels"])) == (12, {"packed", "reference"}, {"real"})
    assert (rows["median_seconds"] > 0).all()
    shown = {one.id: one for one in tables.shown(tables.planned((), ()), empty_runs(), rows)}
    assert shown["B.3"].content["own"].count() > 0


def empty_runs():
    from bnstudy.results import frames

    return frames.build([]).runs


def test_a_record_that_was_altered_is_moved_aside_and_timed_again(tmp_path, quiet):
    path = run.time([TIMING], tmp_path, tmp_path, print, "cpu")[0]
    changed = json.loads(path.read_text())
    changed["pairs"][0]["none"]["wall"][0] *= 2
    path.write_text(json.dumps(changed))
    with pytest.raises(DataError, match="digest"):
        record.get(path)
    said = []
    assert len(collect(tmp_path, TIMING.cells.values(), said.append)) == 6
    assert "digest" in said[0]
    run.time([TIMING], tmp_path, tmp_path, said.append, "cpu")
    assert "timing again" in said[1]
    assert path.with_name(path.name + ".bad").exists()
    assert record.get(path)["engine"] == "packed"


def test_a_cnn_on_a_cpu_is_timed_in_part(tmp_path, quiet):
    cells = pair(model="cnn", width=0.0625, batch_size=128)
    made = [record.get(path) for path in run.time(timings(cells), tmp_path, tmp_path, print, "cpu")]
    assert [found["engine"] for found in made] == [*(["winograd"] if table.is_measured() else []), "reference"]
    for found in made:
        assert (found["scaled"], found["timed"]["images"], len(found["pairs"])) == (True, 256, measure.PAIRS)


# ---- the study


def test_the_study_of_times():
    study = STUDIES["timing"]
    assert (len(study.cells), len(timings(study.cells)), study.runs(), study.trained) == (96, 48, [], ())
    assert len({timing.id for timing in timings(study.cells)}) == 48
    printed = tables.shown(tables.planned(study.trained, study.seeds), empty_runs())
    assert not [one.id for one in printed if one.planned]


def test_its_cells_are_cells_of_the_thesis():
    assert set(STUDIES["timing"].cells) <= set(STUDIES["thesis"].cells)


def test_a_report_of_the_thesis_tells_the_times_of_small_batches_too(tmp_path):
    small = timings(STUDIES["timing_small"].cells)
    assert {timing.none.batch_size for timing in small} == {8, 16, 32}
    assert {timing.id for timing in small} <= {timing.id for timing in shown(STUDIES["thesis"].cells)}
    one = next(timing for timing in small if timing.none.batch_size == 8)
    record.put(tmp_path, body([(1.0, 1.2)] * 6, key=one.key("reference", "cpu")))
    assert len(collect(tmp_path, STUDIES["thesis"].cells, print)) == len(NORMS) * len(EPOCH_KINDS)
    assert collect(tmp_path, STUDIES["reduced_cnn"].cells, print).empty


def test_cells_without_a_counterpart_make_no_timing(tmp_path):
    grid = "{dataset: toy, model: mlp, norm: batch}"
    (tmp_path / "c.yaml").write_text(f"studies:\n  a:\n    question: Why?\n    timing: true\n    cells: [{grid}]\n")
    with pytest.raises(UsageError, match=r"c.yaml:4: studies.a.timing: toy-mlp-batch-relu-\w+ has no counterpart"):
        load(tmp_path / "c.yaml")


def test_the_dag_times_and_does_not_train(tmp_path, monkeypatch):
    monkeypatch.setenv("BNSTUDY_RESULTS", str(tmp_path))
    plan = Dag.plan(ROOT / "config.yaml", {})
    assert (len(plan.packs["timing"]), len(plan.timings["timing"]), plan.timings["thesis"]) == (0, 48, ())
    wanted = plan.manifests(type("W", (), {"study": "timing"}))
    assert len(set(wanted)) == 48
    one = plan.timings["timing"][0]
    keys = plan.timed_cells(type("W", (), {"timing": one.id}))
    assert keys == [one.none.key, one.batch.key]


def test_a_manifest_without_its_record_is_removed_and_shared_times_are_inputs(tmp_path, monkeypatch):
    monkeypatch.setenv("BNSTUDY_RESULTS", str(tmp_path))
    plan = Dag.plan(ROOT / "config.yaml", {})
    one = plan.timings["timing"][0]
    stored = record.put(tmp_path, body([(1.0, 1.2)] * 6, key=one.key("reference", "cpu")))
    record.put_manifest(tmp_path, one, [stored])
    plan.clear_gaps()
    assert paths.timed(tmp_path, one.id).exists()
    thesis = plan.manifests(type("W", (), {"study": "thesis"}))
    assert str(stored) in thesis
    stored.unlink()
    plan.clear_gaps()
    assert not paths.timed(tmp_path, one.id).exists()


def test_keys_of_records_differ():
    keys = [key for one in timings(STUDIES["timing"].cells) for key in one.record_keys()]
    assert set(timing.ENGINES) == set(ENGINES)
    assert len(set(keys)) == len(keys) == 48 * len(ENGINES) * 2
    assert all(a != b for a, b in pairwise(keys))
