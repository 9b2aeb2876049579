"""The benches: what their rows hold, that subjects train what they say, that ratios are those of the readings."""

import dataclasses
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from bnstudy.bench import convolutions, dag, floor, report, synthetic, train
from bnstudy.bench.subject import Reading, Subject, clock
from bnstudy.bench.timed import timed, total
from bnstudy.design.cell import Run, make_cell
from bnstudy.errors import UsageError
from bnstudy.networks.models import ImageShape
from bnstudy.training.engine.packed import STACK
from bnstudy.training.engine.winograd import table
from bnstudy.training.timing import epochs, pixels
from command_line import call

ROOT = Path(__file__).parents[2]
CONTRACT = {
    "engine": str, "model": str, "dataset": str, "norm": str, "pack": int, "us_per_step": float, "cpu_us": float,
    "wall_over_cpu": float, "ratio_to_plain": float,
}  # fmt: skip
TOY = make_cell({"dataset": "toy", "model": "mlp", "norm": "batch"})


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(train, "SECONDS", 0.01)
    monkeypatch.setattr(floor, "REPEATS", 1)


def rows(**options):
    given = {"model": "mlp", "dataset": "toy", "norms": ("none", "batch"), "width": 1.0, "device": "cpu", "rounds": 2}
    return train.rows(**(given | options), say=lambda line: None)


# ---- bench train


@pytest.fixture(scope="module")
def of_mlp():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "SECONDS", 0.01)
        patch.setattr(floor, "REPEATS", 1)
        return rows()


def test_the_rows_of_an_mlp(of_mlp):
    found = of_mlp
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for row in found:
        assert {name: type(row[name]) for name in CONTRACT} == CONTRACT
        assert (row["model"], row["dataset"], row["rounds"]) == ("mlp", "toy", 2)
        assert min(row["us_per_step"], row["cpu_us"], row["ratio_to_plain"], row["floor_share"]) > 0
    engines = [("plain", 1), ("tensor_loader", 1), ("reference", 1), *(("packed", k) for k in (1, 3, 18, 32))]
    assert [(r["norm"], r["engine"], r["pack"]) for r in found] == [(n, *e) for n in ("none", "batch") for e in engines]


def test_the_ratio_is_of_processor_times_of_the_same_norm(of_mlp):
    found = of_mlp
    plain = {row["norm"]: row["cpu_us"] for row in found if row["engine"] == "plain"}
    assert len(plain) == 2
    for row in found:
        assert row["ratio_to_plain"] == pytest.approx(plain[row["norm"]] / row["cpu_us"])
    assert [row["ratio_to_plain"] for row in found if row["engine"] == "plain"] == [1, 1]
    assert all(row["ratio_to_plain"] > 1.5 for row in found if row["engine"] == "packed" and row["pack"] > 1)


def test_a_row_is_the_median_per_cell_and_step():
    contender = train.Contender("packed", "none", 3, Subject(lambda: None, steps=10, cells=3))
    contender.readings = [Reading(0.006, 0.003), Reading(0.0066, 0.006), Reading(0.03, 0.0045)]
    row = train._row(contender, "mlp", "toy", "cpu", plain_us=1500.0, floor_us=25.0)
    assert (row["us_per_step"], row["cpu_us"]) == (pytest.approx(220), pytest.approx(150))
    assert row["wall_over_cpu"] == pytest.approx(2.0)
    assert row["ratio_to_plain"] == pytest.approx(10)
    assert row["spread"] == pytest.approx((6 - 3) / 4.5)
    assert row["floor_share"] == pytest.approx(25 / 150)


def test_only_engines_that_can_train_a_cnn_are_timed_on_it(short, monkeypatch):
    found = rows(model="cnn", norms=("batch",), width=0.0625, rounds=1)
    engines = ["plain", "tensor_loader", "reference", *(["winograd"] if table.is_measured() else [])]
    assert [row["engine"] for row in found] == engines


def test_rows_of_convolutions():
    found = convolutions.rows(1 / 32, 3, 1, lambda line: None)
    layers = list(dict.fromkeys(row["layer"] for row in found))
    assert layers == [*(f"conv{i}_{j}" for i in range(1, 6) for j in (1, 2)), "network"]
    by_layer = {layer: [row for row in found if row["layer"] == layer] for layer in layers}
    assert [row["form"] for row in by_layer["conv3_1"]] == ["torch", "f2", "f4"]
    assert [row["form"] for row in by_layer["conv5_1"]] == ["torch", "f2", "toeplitz"]
    assert [row["form"] for row in by_layer["network"]] == ["torch", "table"]
    for row in found:
        assert list(row) == list(found[0])
        assert min(row["forward_ms"], row["backward_ms"], row["ratio"]) > 0
        assert (row["ratio"] == 1) == (row["form"] == "torch")
        assert 0 < row["error"] < (1e-2 if row["layer"] == "network" else 1e-4)


def test_unknown_names_are_refused():
    with pytest.raises(UsageError, match="layr"):
        rows(norms=("layr",))
    with pytest.raises(UsageError, match="dataset: 'mnits' is not allowed"):
        rows(dataset="mnits")
    with pytest.raises(UsageError, match="--model resnet_course: not to be timed"):
        rows(model="resnet_course")


def test_a_norm_given_twice_is_timed_once(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(train, "rows", lambda *given: asked.append(given[2]) or [])
    assert call(capsys, "bench", "train", "--norm", "none", "--norm", "none", "--json").code == 0
    assert asked == [("none",)]


def test_convolutions_of_one_image_are_refused(capsys):
    """Batch norm has no statistics of 1x1 maps of one image."""
    assert call(capsys, "bench", "convolutions", "--batch", "1").code == 2


def test_each_round_runs_every_subject_once(short, monkeypatch):
    ran = []
    monkeypatch.setattr(train, "_contenders", lambda cell, data, device: [
        train.Contender(name, cell.norm, 1, Subject(lambda name=name: ran.append(name), 1))
        for name in ("plain", "reference", "packed")])  # fmt: skip
    rows(norms=("none",), rounds=3)
    assert ran == ["plain", "reference", "packed"] * 4  # the first is the warm-up


def test_a_pack_has_the_width_that_is_asked_for():
    narrow = dataclasses.replace(TOY, width=0.25)
    assert {run.cell.width for run in train._pack(narrow, 3)} == {0.25}


def test_a_pack_of_eighteen_is_six_settings_with_three_seeds():
    runs = train._pack(TOY, 18)
    assert len(set(runs)) == 18
    assert {seed for _, seed in runs} == {0, 1, 2}
    stacks = [runs[i : i + STACK] for i in range(0, 18, STACK)]
    assert [len({run.seed for run in stack}) for stack in stacks] == [1, 1, 1]  # one gather serves a stack
    assert {run.cell.norm for run in runs} == {"batch"}


@pytest.mark.parametrize("engine", ["packed", "graph", "winograd", "reference"])
def test_a_subject_trains(engine):
    """What is timed moves the weights, over as many batches as are counted."""
    data = pixels.random(TOY, pixels.full(TOY))
    training = epochs.alone(engine, Run(TOY, 0), data, "cpu")
    state = [m.point for m in training.members] if engine == "packed" else list(training.model.parameters())
    before = [tensor.detach().clone() for tensor in state]
    training.over(measuring=False)
    assert all(not torch.equal(a, b) for a, b in zip(before, state, strict=True))
    steps = training.members[0].step if engine == "packed" else training.step
    assert steps == len(data.train_labels) // TOY.batch_size == pixels.full(TOY).steps


def test_the_plain_loop_pads_mnist_and_standardizes():
    from bnstudy.bench.plain import MEAN, STD, pil_images

    images = pil_images(make_cell({"dataset": "mnist", "model": "mlp", "norm": "none"}), 3)
    image, label = images[1]
    assert images.pixels.shape == (3, 28, 28)
    assert image.shape == (1, 32, 32)
    assert image[0, 0, 0] == pytest.approx(-MEAN / STD)
    assert image[0, 2, 2] == pytest.approx((images.pixels[1, 0, 0] / 255 - MEAN) / STD)
    assert isinstance(label, int)
    assert pil_images(make_cell({"dataset": "svhn", "model": "mlp", "norm": "none"}), 2)[0][0].shape == (3, 32, 32)


def test_the_floor_has_the_products_of_a_step():
    """Eleven products of the MLP with 3,072 inputs: 4 forward, 4 of weights, 3 of inputs; 1.4 million each image."""
    seen = []

    class Noted(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            if func is torch.bmm:
                a, b = args
                seen.append((a.shape[0], 2 * a.shape[1] * a.shape[2] * b.shape[2]))
            return func(*args, **(kwargs or {}))

    cell = make_cell({"dataset": "cifar10", "model": "mlp", "norm": "none"})
    subject = floor.products(cell, ImageShape(3, 32, 32, 10), stacked=2, steps=1)
    with Noted():
        subject.run()
    assert (len(seen), {cells for cells, _ in seen}, subject.cells) == (11, {2}, 2)
    multiplications = 3072 * 100 + 2 * 100 * 100 + 100 * 10
    assert sum(flops for _, flops in seen) == 2 * 64 * (3 * multiplications - 3072 * 100)


def test_the_clock_tells_waiting_from_working():
    idle, busy = (clock(Subject(work, 1), "cpu") for work in (lambda: time.sleep(0.1), lambda: sum(range(3_000_000))))
    assert idle.wall / idle.cpu > 3 * busy.wall / busy.cpu


def test_bench_train_needs_neither_snakemake_nor_pydantic(tmp_path):
    """From the sources alone, as rows on stdout and nothing else there."""
    code = (
        "import sys\n"
        "for name in ('snakemake', 'pydantic', 'ruamel', 'pandas', 'matplotlib'): sys.modules[name] = None\n"
        "from bnstudy.bench import train, floor\n"
        "train.SECONDS, train.PACKS, floor.REPEATS = 0.01, (1,), 1\n"
        "from bnstudy.cli import main\n"
        "main(['bench', 'train', '--dataset', 'toy', '--norm', 'none', '--rounds', '1', '--json'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [row["engine"] for row in json.loads(done.stdout)] == ["plain", "tensor_loader", "reference", "packed"]


# ---- bench dag and report


ROW = {"what": str, "seconds": float, "cpu_seconds": float}


def test_rows_add_up():
    row = timed("a loop", lambda: sum(range(300_000)))
    assert {name: type(value) for name, value in row.items()} == ROW
    assert row["cpu_seconds"] > 0
    both = total("twice", [row, row])
    assert both == {"what": "twice", "seconds": 2 * row["seconds"], "cpu_seconds": 2 * row["cpu_seconds"]}


def test_the_time_of_children_counts():
    code = "import time; sum(range(5_000_000)); print(time.process_time())"
    told: list[bytes] = []
    row = timed("", lambda: told.append(subprocess.check_output([sys.executable, "-c", code])))
    assert row["cpu_seconds"] > 0.9 * float(told[0])


@pytest.mark.slow
def test_the_report_is_timed_from_records_to_page():
    found = report.rows(ROOT / "config.yaml", 2, lambda line: None)
    assert [{name: type(value) for name, value in row.items()} for row in found] == [ROW] * len(found)
    assert found[0]["what"] == "reading 2 records"
    whole = found[4]
    assert whole["what"].startswith("all")
    assert whole["seconds"] == pytest.approx(sum(row["seconds"] for row in found[:4]))


def test_a_synthetic_record_is_as_large_as_a_real_one():
    run = Run(make_cell({"dataset": "cifar10", "model": "cnn", "norm": "batch"}), 0)
    record = synthetic.record(run)
    assert 200_000 < len(record.to_text()) < 1_000_000
    assert record.test["images"] == 10_000


@pytest.mark.slow
def test_the_dag_is_timed_piece_by_piece():
    found = dag.rows(ROOT / "config.yaml", lambda line: None)
    assert [{name: type(value) for name, value in row.items()} for row in found] == [ROW] * len(found)
    assert any(row["what"].startswith("dry run") for row in found)
    seconds = {row["what"]: row["cpu_seconds"] for row in found}
    (packs,) = (int(found[1]) for what in seconds if (found := re.search(r"images prepared by (\d+) packs", what)))
    (jobs,) = (seconds[what] for what in seconds if "start-ups and scheduling" in what)
    assert jobs > packs * seconds["start-up of one job"]
