"""`bnstudy why`: each reason to train a run again, or not to, on real records, checkpoints and data."""

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import synthetic
from bnstudy import paths
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import name
from bnstudy.results import store
from bnstudy.results.record import Record, digest_of
from command_line import ROOT, call, environment, two_lines

CONFIG = """\
seeds: 2
margins: {default: 1.0}
studies:
  first:
    question: Why?
    cells:
      - {dataset: digits, model: mlp, norm: [none, batch]}
      - {dataset: mnist, model: mlp, norm: none}
  second:
    question: And why again?
    seeds: 1
    cells:
      - {dataset: digits, model: mlp, norm: batch}
      - {dataset: toy, model: mlp, norm: none, width: 0.05, epochs: 100000, stop_patience: 0}
"""
DIGITS = Cell(dataset="digits", model="mlp", norm="batch")
LONG = Cell(dataset="toy", model="mlp", norm="none", width=0.05, epochs=100000, stop_patience=0)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_text(CONFIG)
    for key, value in environment(tmp_path).items():
        if key.startswith("BNSTUDY_"):
            monkeypatch.setenv(key, value)
    monkeypatch.chdir(tmp_path)
    store.open_results(tmp_path / "results")
    return tmp_path


def why(capsys, *words: str) -> list[dict]:
    ended = call(capsys, "why", "--json", *words)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def put(folder: Path, run: Run, **provenance) -> Record:
    record = synthetic.record(run, fate="learns", epochs_run=3)
    record = replace(record, provenance=record.provenance | provenance)
    store.put_record(folder / "results", record)
    return record


def test_what_a_cell_is(capsys):
    row, other = why(capsys, name(DIGITS))
    assert (row["key"], row["setting"], row["reading"]) == (DIGITS.key, "relu", "default")
    assert row["fields"] == {"dataset": "digits", "model": "mlp", "norm": "batch"}
    assert row["studies"] == {"first": [0, 1], "second": [0]}
    assert [row["seed"], other["seed"]] == [0, 1]
    assert [row["seed"] for row in why(capsys, f"{DIGITS.key}:5")] == [5]


def test_without_a_record_it_would_be_trained(capsys):
    for row in why(capsys, DIGITS.key):
        assert (row["state"], row["trains"], row["because"]) == ("waiting", True, "no own record")


def test_a_record_counts_whatever_the_data_now_but_the_difference_is_reported(capsys, folder):
    (now,) = why(capsys, f"{DIGITS.key}:0")
    digest = now["data"]["digest"]
    put(folder, Run(DIGITS, 0), data_digest=digest)
    put(folder, Run(DIGITS, 1), data_digest="f" * 64)
    same, other = why(capsys, DIGITS.key)
    assert [same["state"], same["trains"], other["trains"]] == ["done", False, False]
    assert same["because"].startswith("it has a valid record: finished after 3 epochs, ")
    assert "other data" not in same["because"]
    assert f"it was trained on other data (ffffffffffff) than are present now ({digest[:12]})" in other["because"]


def test_a_damaged_record_is_trained_again(capsys, folder):
    path = paths.record(folder / "results", DIGITS.key, 0)
    put(folder, Run(DIGITS, 0))
    path.write_text(path.read_text()[:-30])
    (row,) = why(capsys, f"{DIGITS.key}:0")
    assert (row["state"], row["trains"]) == ("damaged", True)
    assert f"its record does not verify ({path}: not a complete record" in row["because"]


def test_a_record_of_another_recipe_is_trained_again(capsys, folder):
    record = put(folder, Run(DIGITS, 0))
    body = json.loads(record.to_text()) | {"cell": asdict(DIGITS) | {"recipe": 7}}
    body.pop("digest")
    path = paths.record(folder / "results", DIGITS.key, 0)
    path.write_text(json.dumps(body | {"digest": digest_of(body)}, sort_keys=True, separators=(",", ":")) + "\n")
    (row,) = why(capsys, f"{DIGITS.key}:0")
    assert (row["state"], row["trains"]) == ("damaged", True)
    assert row["because"] == "its record was made by recipe 7, the recipe now is 1"


def test_a_published_run_counts(capsys, folder):
    shutil.copytree(ROOT / "results" / "published", folder / "results" / "published")
    mnist = Cell(dataset="mnist", model="mlp", norm="none")
    row = why(capsys, f"{mnist.key}:0")[0]
    assert (row["state"], row["trains"]) == ("published", False)
    assert row["because"] == "no own record, but it is published (finished)"


def test_published_files_that_cannot_be_read(capsys, folder):
    path = paths.published(folder / "results", "runs")
    path.parent.mkdir()
    path.write_bytes(b"no table")
    ended = call(capsys, "why", DIGITS.key)
    assert ended.code == 65
    assert two_lines(ended)


def test_data_that_are_absent(capsys):
    (row,) = why(capsys, f"{Cell(dataset='mnist', model='mlp', norm='none').key}:0")
    assert row["trains"]
    assert row["because"].startswith("no own record; cannot be trained: ")
    assert row["data"]["state"] == "absent"


def test_a_cell_that_was_only_tried(capsys, folder):
    tried = replace(DIGITS, lr=0.07)
    put(folder, Run(tried, 4))
    (row,) = why(capsys, tried.key)
    assert (row["seed"], row["state"], row["studies"]) == (4, "done", {})


def test_what_is_no_cell_is_two_lines_and_exit_2(capsys):
    ended = call(capsys, "why", "digits-mlp-btach-relu")
    assert ended.code == 2
    assert two_lines(ended)


def test_in_training_and_then_with_a_checkpoint(capsys, folder):
    """A process in training, stopped; then its checkpoint fits, until it says to come from another torch."""
    command = [sys.executable, "-m", "bnstudy", "train", LONG.key]
    environs = environment(folder, BNSTUDY_CHECKPOINT_SECONDS="0")
    newest, older = paths.checkpoints(folder / "results", LONG.key, 0)
    with subprocess.Popen(command, cwd=folder, env=environs, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 500
            while not older.exists():
                assert time.monotonic() < deadline
                time.sleep(0.1)
            (row,) = why(capsys, LONG.key)
            assert (row["state"], row["trains"]) == ("running", False)
            assert row["because"].startswith(f"process {process.pid} on ")
            process.send_signal(signal.SIGTERM)
            assert process.wait(300) == 75
        finally:
            process.kill()
    (row,) = why(capsys, LONG.key)
    epoch = row["checkpoints"][0]["epoch"]
    assert [checkpoint["differs"] for checkpoint in row["checkpoints"]] == [{}, {}]
    assert [checkpoint["fits"] for checkpoint in row["checkpoints"]] == [True, True]
    assert row["because"] == f"no own record; it resumes from the checkpoint of epoch {epoch}"
    assert "trains" in call(capsys, "why", LONG.key).out

    header, _, payload = newest.read_bytes().partition(b"\n")
    made = json.loads(header)
    made["fingerprint"]["torch"] = "1.0"
    newest.write_bytes(json.dumps(made).encode() + b"\n" + payload)
    shutil.copy(newest, older)
    (row,) = why(capsys, LONG.key)
    assert [checkpoint["fits"] for checkpoint in row["checkpoints"]] == [False, False]
    assert "its checkpoint does not fit (torch was 1.0, is " in row["because"]
