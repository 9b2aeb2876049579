"""The GPU script without a GPU: what it needs, what its parts do on a CPU, what it makes of its measurements."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bnstudy import datasets
from bnstudy.bench.gpu import __main__ as gpu
from bnstudy.bench.gpu import parts, runs, session
from bnstudy.bench.gpu.summary import ANSWERS, family_hours, summary
from bnstudy.training.engine import numerics
from bnstudy.training.engine.graph.resident import Resident
from bnstudy.training.engine.inputs import prepare


def test_it_needs_neither_snakemake_nor_pydantic():
    barred = "('snakemake', 'pydantic', 'ruamel', 'torchvision', 'pandas', 'matplotlib', 'typer')"
    code = f"import sys, bnstudy.bench.gpu.__main__; print([m for m in {barred} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# the command


@pytest.mark.skipif(torch.cuda.is_available(), reason="would measure")
def test_without_a_gpu_it_says_so(tmp_path, capsys):
    assert gpu.main(["--out", str(tmp_path / "new")]) == gpu.NO_DEVICE
    assert "no CUDA device" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_without_a_folder_it_prints_the_plan(capsys):
    """On any machine, and does nothing: 12 minutes in all, of which a call takes those up to the real runs."""
    assert gpu.main([]) == 0
    rows = {name: numbers for name, *numbers in map(str.split, capsys.readouterr().out.splitlines()[1:-1])}
    minutes = {name: float(taken) for name, (taken, _) in rows.items()}
    assert list(minutes)[:4] == ["machine", "tests", "cnn", "trained"]
    assert sum(minutes.values()) == pytest.approx(float(rows["summary"][1]))
    assert sum(minutes.values()) <= 12
    assert float(rows["trained"][1]) == gpu.MINUTES < 10


@pytest.mark.parametrize("word", ["--data", "--cells"])
def test_real_runs_need_data_and_cells(word, capsys):
    with pytest.raises(SystemExit):
        gpu.main(["--out", "x", word, "y"])
    assert "go together" in capsys.readouterr().err


@pytest.fixture
def supervised(monkeypatch):
    """The arguments of `supervise`, on a machine with a GPU."""
    asked = []
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", numerics.CUBLAS_WORKSPACE)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A")
    monkeypatch.setattr(gpu, "supervise", lambda *given: asked.append(given) or 0)
    return asked


def test_the_worker_is_asked_for_the_same(tmp_path, supervised, monkeypatch):
    words = ["--out", str(tmp_path), "--device", "cuda:1", "--data", "d", "--cells", "c", "--skip", "a"]
    assert gpu.main([*words, "--minutes", "3"]) == 0
    ((command, file, skip, left),) = supervised
    assert (file, skip) == (tmp_path / "gpu.json", ["a"])
    assert 170 < left() <= 180
    assert command[:3] == [sys.executable, "-m", "bnstudy.bench.gpu"]
    worked = []
    monkeypatch.setattr(gpu, "work", lambda *given: worked.append(given) or 0)
    assert gpu.main([*command[3:], "--minutes", "1", "--skip", "a", "b"]) == 0
    ((made, file, skip, left),) = worked
    assert (file, skip) == (tmp_path / "gpu.json", ["a", "b"])
    assert "trained" in made
    assert gpu.main(["--worker", "--out", str(tmp_path)]) == 0
    assert made.keys() - worked[-1][0].keys() == {"trained"}


def test_parts_are_measured_again_if_asked(tmp_path, supervised):
    file = tmp_path / "gpu.json"
    for words, left in (([], {"a", "b"}), (["--fresh", "a"], {"b"}), (["--fresh"], set())):
        session.write(file, {"a": {}, "b": {}})
        gpu.main(["--out", str(tmp_path), *words])
        assert session.read(file).keys() == left


def test_results_of_another_gpu_are_measured_anew(tmp_path):
    file = tmp_path / "gpu.json"
    found = {"machine": {"gpu": "A"}, "rates": {"tf32": 1.0}}
    for gpu_there, left in (("A", found), ("B", {})):
        session.write(file, found)
        gpu.of_one_gpu(file, gpu_there)
        assert session.read(file) == left


# the parts


class Event:
    """A CUDA event, by the host's clock."""

    def __init__(self, enable_timing: bool):
        assert enable_timing

    def record(self):
        self.at = time.perf_counter()

    def synchronize(self):
        pass

    def elapsed_time(self, after) -> float:
        return 1000 * (after.at - self.at)


@pytest.fixture
def small(monkeypatch):
    """The parts' own code on a CPU: tiny networks, few images, a clock instead of events."""
    data = prepare(parts.make("mlp", "none", "toy"), 0, datasets.load("toy", None))
    count = 200
    few = {n: getattr(data, n) for n in data.__dataclass_fields__}
    few |= {"train_images": data.train_images[:count], "train_labels": data.train_labels[:count]}
    make = parts.make
    monkeypatch.setattr(parts, "random_inputs", lambda dataset: data.__class__(**few))
    monkeypatch.setattr(parts, "make", lambda model, norm, **f: make(model, norm, "toy", **f, width=1 / 32))
    parts._resident.cache_clear()
    for name, value in {
        "WARM": 1, "TURNS": 1, "USUAL_STEPS": 2, "COMPARED": 2, "BATCH_SIZES": (64,), "BESIDE": {"mlp": (1, 2)},
        "PRODUCT": 16,
    }.items():  # fmt: skip
        monkeypatch.setattr(parts, name, value)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: None)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: SimpleNamespace(wait_stream=lambda stream: None))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    parts._resident.cache_clear()


def positive(numbers) -> bool:
    return all(number > 0 for number in numbers)


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_epochs_of_both_norms(small, model):
    """Replayed, called and by the reference engine; and whether replaying has the bits of calling."""
    found = parts.epochs("cpu", model, 60)
    assert list(found) == ["none", "batch"]
    for row in found.values():
        assert row["steps"] == 3
        assert list(row["seconds"]) == ["graph", "called", "reference"]
        assert positive(row["seconds"].values())
        assert {len(all_of_one) for all_of_one in row["all"].values()} == {1}
        assert row["whole_epoch"] >= row["seconds"]["graph"]
    assert summary({"cnn": found})["replayed_has_the_bits_of_called"] is True
    found["none"]["same_bits"] = False
    assert summary({"cnn": found})["replayed_has_the_bits_of_called"] is False


def test_a_slow_gpu_gets_fewer_turns(small, monkeypatch):
    monkeypatch.setattr(parts, "TURNS", 9)
    found = parts.epochs("cpu", "mlp", 0.0)
    assert {len(all_of_one) for row in found.values() for all_of_one in row["all"].values()} == {1}


def test_other_weights_are_other_bits(small, monkeypatch):
    """If calling led elsewhere, it would be seen."""
    epoch = parts._timed_epoch

    def disturbed(training, kind):
        if kind == "called":
            torch.nn.init.zeros_(training.model.blocks[-1].layer.bias)
        return epoch(training, kind)

    monkeypatch.setattr(parts, "_timed_epoch", disturbed)
    assert not any(row["same_bits"] for row in parts.epochs("cpu", "mlp", 60).values())


def test_called_steps_are_not_captured(small, monkeypatch):
    def capture(*_):
        raise AssertionError("captured")

    monkeypatch.setattr("bnstudy.training.engine.graph.training.capture", capture)
    cell = parts.make("mlp", "none")
    with pytest.raises(AssertionError, match="captured"):
        parts.start(cell, "cpu").begin()
    with parts.called():
        assert parts.us_per_step([parts.start(cell, "cpu")]) > 0


def test_the_other_parts(small, monkeypatch):
    assert positive(parts.batch_sizes("cpu").values())
    assert set(parts.rates("cpu")) == {"tf32", "fp32", "bf16", "copy_gb_per_s"}
    beside = parts.side_by_side("cpu")
    assert {name: list(row["us"]) for name, row in beside.items()} == {"mlp_none": ["1", "2"], "mlp_batch": ["1", "2"]}
    assert summary({"side_by_side": beside})["side_by_side_has_the_bits_of_alone"] is True
    found = parts.determinism("cpu")
    assert "autotuned_batch" in found
    assert isinstance(found.pop("warned_of"), list)
    assert positive(found.values())
    assert not torch.are_deterministic_algorithms_enabled()
    assert numerics.settle is parts.SETTLE


def test_the_usual_loops(small):
    names = [f"{m}_{n}" for m in ("cnn", "mlp") for n in ("none", "batch")]
    found = parts.usual("cpu")
    assert set(found) == {f"{k}_{name}" for k in ("plain", "tensor_loader") for name in names}
    assert positive(found.values())


def test_random_pixels_are_standardized_bytes():
    data = parts.random_inputs.__wrapped__("mnist")
    assert data.train_images.shape == (54_000, 1, 32, 32)
    few = data.__class__(
        **{n: getattr(data, n) for n in data.__dataclass_fields__} | {"train_images": data.train_images[:100]}
    )
    assert Resident(few, "cpu").is_bytes
    assert np.isclose(data.train_images.std().item(), 1, atol=1e-3)


# the summary


def test_the_hours_of_a_family_follow_from_its_steps():
    """One second a step: the hours are the steps of 112 cells and 100 epochs."""
    us = {f"{m}_{n}_{b}": 1e6 for m in ("mlp", "cnn") for n in ("none", "batch") for b in parts.BATCH_SIZES}
    images = (54_000, 65_931, 45_000, 45_000)
    steps = 200 * sum(9 * (n // 64) + sum(n // b for b in (32, 128, 256, 512, 1024)) for n in images)
    assert family_hours(us) == {
        "mlp": pytest.approx(steps / 3600, abs=0.01),
        "cnn": pytest.approx(steps / 3600, abs=0.01),
    }


def test_the_summary_answers_what_there_is_to_know():
    epoch = {"steps": 500, "tflop_per_s": 100.0, "same_bits": True}
    none, batch = ({"graph": graph, "called": 1.0, "reference": 1.5} for graph in (0.5, 0.6))
    found = {
        "cnn": {"none": epoch | {"seconds": none}, "batch": epoch | {"seconds": batch}}, "rates": {"tf32": 400.0},
        "usual": {"plain_cnn_none": 4000.0, "plain_cnn_batch": 6000.0}, "tests": {"exit": 0},
        "determinism": {f"{k}_{n}": us for n in ("none", "batch")
                        for k, us in (("deterministic", 110.0), ("autotuned", 100.0))},
        "side_by_side": {"mlp_none": {"us": {"1": 100.0, "4": 40.0}, "same": True}},
    }  # fmt: skip
    made = summary(found)
    assert made["cnn_seconds_per_epoch"] == {"none": 0.5, "batch": 0.6}
    assert made["cnn_times_called"] == {"none": 2.0, "batch": 1.67}
    assert made["cnn_times_reference"] == {"none": 3.0, "batch": 2.5}
    assert made["cnn_plain_seconds_per_epoch"] == {"none": 2.0, "batch": 3.0}
    assert made["cnn_times_plain"] == {"none": 4.0, "batch": 5.0}
    assert made["cnn_share_of_tf32_roofline"] == {"none": 0.25, "batch": 0.25}
    assert made["batch_norm_costs_percent"] == 20.0
    assert made["determinism_costs_percent"] == {"none": 10.0, "batch": 10.0}
    assert made["side_by_side_gain"] == {"mlp_none": {"1": 1.0, "4": 2.5}}
    assert made["tests_passed"] is True
    assert made["family_hours_one_seed"] is None


def test_a_part_that_failed_costs_its_own_answers_alone():
    assert summary({}) == dict.fromkeys(ANSWERS)
    assert summary({"cnn": {"error": "x"}, "tests": {"exit": 1}}) == dict.fromkeys(ANSWERS) | {"tests_passed": False}


# tests and real runs


@pytest.mark.slow
def test_the_tests_for_a_gpu_are_found_and_what_they_say_is_kept(tmp_path, monkeypatch):
    """Here each is skipped for want of a GPU, or passes; without a GPU's many cores that takes longer."""
    monkeypatch.setattr(runs, "TESTS_SECONDS", 1800)
    monkeypatch.setattr(runs, "WORKERS", 2)
    found = runs.run_tests(tmp_path / "tests.txt")
    said = (tmp_path / "tests.txt").read_text()
    assert found["exit"] == 0, said
    assert found["failed"] == []
    for file in ("test_graph_gpu", "test_reference_gpu", "test_paths_gpu"):
        assert file in said


def test_tests_that_hang_are_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "TESTS_SECONDS", 0.5)
    monkeypatch.setattr(runs, "_command", lambda files: ["sleep", "60"])
    assert runs.run_tests(tmp_path / "tests.txt")["exit"] == -signal.SIGKILL


def test_workers_end_with_the_tests_that_hang(tmp_path, monkeypatch):
    """A worker that waits for its device would keep the device."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reading, True)
    monkeypatch.setattr(runs, "_command", lambda files: ["sh", "-c", f"(echo up; exec sleep 600) > {pipe} & wait"])
    for seconds in (0.5, 5.0, 50.0):  # as long as it takes to start the worker
        monkeypatch.setattr(runs, "TESTS_SECONDS", seconds)
        runs.run_tests(tmp_path / "tests.txt")
        if (written := os.read(reading, 3)) == b"up\n":
            break
    assert written == b"up\n"
    assert select.select([reading], [], [], 60.0)[0], "the worker still has the pipe open"
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_real_runs_end_in_time_and_are_packed_for_the_way_home(tmp_path, monkeypatch):
    rows = [{"dataset": "toy", "model": "mlp", "norm": "batch", "train_size": 300, "epochs": e, "seeds": [0]}
            for e in (1, 100_000)]  # fmt: skip
    monkeypatch.setenv("BNSTUDY_CHECKPOINT_SECONDS", runs.CHECKPOINT_SECONDS)
    before = signal.getsignal(signal.SIGTERM)
    try:
        for asked, seconds in ((rows[:1], 100.0), (rows, 1.0)):  # the second call goes on from the first
            (tmp_path / "cells.json").write_text(json.dumps([row | {"stop_patience": 0} for row in asked]))
            made = runs.train(tmp_path / "cells.json", tmp_path, tmp_path, "cpu", seconds)
            assert (made["asked"], len(made["done"])) == (len(asked), 1)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "stopped" in made["said"][-1]
    with tarfile.open(tmp_path / "records.tar.gz") as tar:
        assert [member.name[-7:] for member in tar if member.isfile()] == ["/0.json"]


def test_real_runs_go_on_elsewhere_from_what_was_packed(tmp_path, monkeypatch):
    """On a machine that got records.tar.gz alone; a data set that is not there is told of."""
    cells, here, there = tmp_path / "cells.json", tmp_path / "here", tmp_path / "there"
    row = {"model": "mlp", "norm": "none", "train_size": 300, "epochs": 1, "seeds": [0]}
    monkeypatch.setenv("BNSTUDY_CHECKPOINT_SECONDS", runs.CHECKPOINT_SECONDS)
    before = signal.getsignal(signal.SIGTERM)
    try:
        cells.write_text(json.dumps([row | {"dataset": "toy"}]))
        first = runs.train(cells, tmp_path, here, "cpu", 100.0)
        there.mkdir()
        shutil.copy(here / "records.tar.gz", there)
        cells.write_text(json.dumps([row | {"dataset": name} for name in ("toy", "mnist")]))
        second = runs.train(cells, tmp_path, there, "cpu", 100.0)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert second["done"] == first["done"]
    (record,) = (here / "results" / "records").rglob("0.json")
    assert (there / record.relative_to(here)).read_bytes() == record.read_bytes()
    assert [line.partition(":")[0] for line in second["said"]] == ["mnist"]
