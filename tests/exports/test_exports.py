"""`bnstudy export`: what other programs read back is what was measured."""

import errno
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bnstudy
import synthetic
from bnstudy.design.cell import Cell, Run
from bnstudy.exports import FORMATS, GRAINS
from bnstudy.results import frames, store
from bnstudy.results.collect import Results
from command_line import call, environment, two_lines

CONFIG = """\
seeds: 2
margins: {default: 1.0}
studies:
  thesis:
    question: What comes out?
    cells:
      - {dataset: mnist, model: mlp, norm: [none, batch]}
"""
CELL = Cell(dataset="mnist", model="mlp", norm="none")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("exports")
    (made / "config.yaml").write_text(CONFIG)
    store.open_results(made / "results")
    store.put_record(made / "results", synthetic.record(Run(CELL, 0), fate="learns", epochs_run=4))
    store.put_record(made / "results", synthetic.record(Run(CELL, 1), fate="diverges", epochs_run=4))
    return made


@pytest.fixture(scope="module")
def results(folder) -> Results:
    return bnstudy.load(config=folder / "config.yaml", results=folder / "results")


@pytest.fixture
def export(folder, capsys):
    words = ["--config", str(folder / "config.yaml"), "--results", str(folder / "results")]
    return lambda *more: call(capsys, "export", *words, *map(str, more))


def test_parquet_keeps_every_frame_with_its_types(export, results, tmp_path):
    ended = export("--format", "parquet", "--to", tmp_path / "p")
    assert ended.out.splitlines() == [str(tmp_path / "p" / f"{grain}.parquet") for grain in GRAINS]
    assert "thesis: 2 runs, 2 missing, 0 rows of timings" in ended.err
    for grain in frames.KEPT:
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "p" / f"{grain}.parquet"), getattr(results, grain))


def test_csv_has_every_frame_and_table(export, results, tmp_path):
    assert export("--to", tmp_path).code == 0
    runs = pd.read_csv(tmp_path / "runs.csv")
    assert runs["test_accuracy"].tolist() == results.runs["test_accuracy"].tolist()
    layers = pd.read_csv(tmp_path / "layers.csv")
    np.testing.assert_allclose(layers["weight.std"], results.layers["weight.std"], rtol=1e-6)
    table = pd.read_csv(tmp_path / "table_b1.csv")
    row = table[(table["dataset"] == "mnist") & (table["setting"] == "relu") & (table["norm"] == "none")].iloc[0]
    assert row["printed"] == 98.0
    assert not (tmp_path / "table_b2.csv").exists()  # the study has no cnn


def test_latex_has_the_tables_of_the_study(export, tmp_path):
    ended = export("--format", "latex", "--to", tmp_path)
    assert ended.out.splitlines() == [str(tmp_path / name) for name in ("b1.tex", "g1.tex", "v1.tex", "m1.tex")]
    assert r"\toprule" in (tmp_path / "b1.tex").read_text()


def test_by_default_it_goes_beside_the_report(export, tmp_path):
    ended = export("--format", "latex", "--reports", tmp_path)
    folder = tmp_path / "thesis" / "export" / "latex"
    assert ended.out.splitlines() == [str(folder / name) for name in ("b1.tex", "g1.tex", "v1.tex", "m1.tex")]


def test_narrowed(export, tmp_path):
    assert export("--where", "norm=none", "--seeds", "1,", "--to", tmp_path).code == 0
    assert pd.read_csv(tmp_path / "runs.csv")["outcome"].tolist() == ["diverged"]


def test_what_is_no_format_is_two_lines_and_exit_2(export):
    ended = export("--format", "exel")
    assert ended.code == 2
    assert "nearest: latex" in ended.err or "Formats: csv, parquet, latex, tensorboard." in ended.err
    assert two_lines(ended)
    assert set(FORMATS) == {"csv", "parquet", "latex", "tensorboard"}


TWICE_AND_BACK = """
import json, sys
from pathlib import Path
from bnstudy.cli import main
for _ in range(2):
    try:
        main(["export", "--config", "config.yaml", "--format", "tensorboard", "--to", sys.argv[1]])
    except SystemExit as done:
        assert not done.code
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
at = next(Path(sys.argv[1]).glob("*/seed_0"))
assert len(list(at.iterdir())) == 1
events = EventAccumulator(str(at), size_guidance={"scalars": 0})
events.Reload()
found = {tag: [[e.step, e.wall_time, e.value] for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
print(json.dumps(found))
"""


@pytest.mark.slow
def test_tensorboard_reads_the_curves_back(folder, results, tmp_path):
    """In a process of its own: what TensorBoard warns of is not ours. Exported twice, each point is there once."""
    pytest.importorskip("tensorboard")
    command = [sys.executable, "-c", TWICE_AND_BACK, tmp_path]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    own = results.epochs[results.epochs["seed"] == 0]
    steps, times, values = np.array(found["accuracy/validation"]).T
    assert steps.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(values, own["validation_accuracy"], rtol=1e-6)
    np.testing.assert_allclose(np.diff(times), own["seconds"][1:], atol=1e-3)
    layer = results.layers[(results.layers["seed"] == 0) & (results.layers["layer"] == "dense2")]
    np.testing.assert_allclose(np.array(found["gradient/dense2"])[:, 2], layer["weight_grad.mean_abs"], rtol=1e-6)


def test_a_tensorboard_export_is_whole_or_the_one_before(export, monkeypatch, tmp_path):
    """Again, each file has the same bytes; on a full disk, one error and the files that were there."""
    pytest.importorskip("tensorboard")

    def state():
        return {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    export("--format", "tensorboard", "--to", tmp_path)
    before = state()
    assert [file.parent.name for file in sorted(before)] == ["seed_0", "seed_1"]
    earlier = next(iter(before)).with_name("events.out.tfevents.1764460800.host")
    earlier.write_bytes(b"of an earlier version")
    with monkeypatch.context() as full:
        full.setattr(os, "replace", lambda *names: refuse())
        ended = export("--format", "tensorboard", "--to", tmp_path)
    assert (ended.code, two_lines(ended)) == (73, True)
    assert state() == before | {earlier: b"of an earlier version"}
    export("--format", "tensorboard", "--to", tmp_path)
    assert state() == before


def refuse():
    raise OSError(errno.ENOSPC, "No space left on device")


def test_without_tensorboard_it_says_how_to_get_it(export, monkeypatch, tmp_path):
    real = importlib.util.find_spec
    monkeypatch.setattr("bnstudy.lazy.find_spec", lambda name: None if name == "tensorboard" else real(name))
    ended = export("--format", "tensorboard", "--to", tmp_path)
    assert ended.code == 2
    assert two_lines(ended)
    assert "tensorboard, or in a checkout .[tensorboard]" in ended.err
    assert list(tmp_path.iterdir()) == []
