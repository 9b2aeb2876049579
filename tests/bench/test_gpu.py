"""The GPU script without a GPU: what it needs, what it makes of its measurements."""

import json
import signal
import subprocess
import sys
import tarfile
from argparse import Namespace

import pytest
import torch

from bnstudy import training
from bnstudy.bench import gpu, gpu_parts
from bnstudy.engine.graph import Graph


def test_it_needs_neither_snakemake_nor_pydantic():
    barred = "('snakemake', 'pydantic', 'ruamel', 'torchvision', 'pandas', 'matplotlib')"
    code = f"import sys, bnstudy.bench.gpu; print([m for m in {barred} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(torch.cuda.is_available(), reason="would measure")
def test_without_a_gpu_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path)])
    assert gpu.main() == 75
    assert "no CUDA device" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_hours_of_a_family_follow_from_its_steps():
    """One second a step: the hours are the steps of 112 cells and 100 epochs."""
    us = {f"{m}_{n}_{b}": 1e6 for m in ("mlp", "cnn") for n in ("none", "batch") for b in (32, 64, 128, 256, 512, 1024)}
    images = (54_000, 65_931, 45_000, 45_000)
    steps = 200 * sum(9 * (n // 64) + sum(n // b for b in (32, 128, 256, 512, 1024)) for n in images)
    assert gpu_parts.family_hours(us) == {
        "mlp": pytest.approx(steps / 3600, abs=0.01),
        "cnn": pytest.approx(steps / 3600, abs=0.01),
    }


def test_parts_that_stand_are_not_measured_again_and_one_that_fails_costs_no_other(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path), "--skip", "left"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)

    def parts(options, left):
        return {name: lambda found, n=name: asked.append(n) or {"n": n, "x": 1 / (n != "fails")} for name in names}

    names = ["good", "fails", "left", "late"]
    monkeypatch.setattr(gpu, "_parts", parts)
    for _ in range(2):
        assert gpu.main() == 0
    assert asked == ["good", "fails", "late", "fails"]
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["good"] == {"n": "good", "x": 1.0}
    assert "ZeroDivisionError" in found["fails"]["error"]
    assert "left" not in found


def test_the_summary_compares_with_the_plain_loop_and_the_roofline():
    epoch = {"seconds_per_epoch": 0.5, "steps": 500, "tflop_per_s": 100.0}
    found = {
        "epochs": {"none": epoch, "batch": epoch | {"seconds_per_epoch": 0.6}}, "rates": {"tf32": 400.0},
        "others": {"plain_cnn_none": 4000.0, "plain_cnn_batch": 6000.0},
        "batch_sizes": {f"{m}_{n}_{b}": 1.0 for m in ("mlp", "cnn") for n in ("none", "batch")
                        for b in (32, 64, 128, 256, 512, 1024)},
    }  # fmt: skip
    made = gpu.summary(found)
    assert made["cnn_none"] == {
        "seconds_per_epoch": 0.5, "share_of_tf32_roofline": 0.25, "plain_seconds_per_epoch": 2.0, "times_plain": 4.0,
    }  # fmt: skip
    assert made["cnn_batch"]["times_plain"] == 5.0
    assert made["batch_norm_costs_percent"] == 20.0


def test_real_runs_end_in_time_and_are_packed_for_the_way_home(tmp_path, monkeypatch):
    rows = [{"dataset": "toy", "model": "mlp", "norm": "batch", "train_size": 300, "epochs": e, "seeds": [0]}
            for e in (1, 100_000)]  # fmt: skip
    monkeypatch.setattr(Graph, "supports", lambda self, cell, device: True)
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", training.CHECKPOINT_SECONDS)
    options = Namespace(out=tmp_path, data=tmp_path, cells=tmp_path / "cells.json", device="cpu")
    before = signal.getsignal(signal.SIGTERM)
    try:
        for asked, seconds in ((rows[:1], 100.0), (rows, 1.0)):  # the second call goes on from the first
            (tmp_path / "cells.json").write_text(json.dumps([row | {"stop_patience": 0} for row in asked]))
            made = gpu.train(options, seconds)
            assert (made["asked"], len(made["done"])) == (len(asked), 1)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "stopped" in made["said"][-1]
    with tarfile.open(tmp_path / "records.tar.gz") as tar:
        assert [member.name[-7:] for member in tar if member.isfile()] == ["/0.json"]
