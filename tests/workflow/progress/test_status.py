"""`bnstudy status`: on stored and published records, during a real run, on a terminal and off it."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import synthetic
from bnstudy import paths
from bnstudy.design.cell import Cell, Run
from bnstudy.design.study import Study
from bnstudy.results import provenance, store
from bnstudy.studies import config
from bnstudy.workflow.progress import status
from bnstudy.workflow.progress.watch import DONE, RUNNING, WAITING, RunState, Watch
from command_line import ROOT, call, environment, two_lines

CONFIG = """\
seeds: 2
margins: {default: 1.0}
studies:
  short:
    question: What is done?
    cells:
      - {dataset: digits, model: mlp, norm: [none, batch], lr: [0.01, 0.1]}
  shared:
    question: Are shared cells counted once?
    cells:
      - {dataset: digits, model: mlp, norm: none}
      - {dataset: digits, model: cnn, norm: none}
  long:
    question: What is running?
    seeds: 1
    cells:
      - {dataset: toy, model: mlp, norm: none, width: 0.05, epochs: 100000, stop_patience: 0}
"""
CELLS = [Cell(dataset="digits", model="mlp", norm=n, lr=lr) for n in ("none", "batch") for lr in (0.01, 0.1)]
HERE = {"cpu": provenance.cpu_model(), "cores": os.cpu_count()}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """Two of the four MLP cells are done with both seeds, one of them diverged; one record is damaged."""
    made = tmp_path_factory.mktemp("status")
    (made / "config.yaml").write_text(CONFIG)
    patch = pytest.MonkeyPatch()
    for key, value in environment(made).items():
        if key.startswith("BNSTUDY_"):
            patch.setenv(key, value)
    patch.chdir(made)
    store.open_results(made / "results")
    for cell, fate in zip(CELLS, ("learns", "diverges"), strict=False):
        for seed in (0, 1):
            record = synthetic.record(Run(cell, seed), fate=fate, epochs_run=10)
            store.put_record(made / "results", replace(record, provenance=record.provenance | HERE))
    record = synthetic.record(Run(CELLS[2], 0), epochs_run=10)
    path = store.put_record(made / "results", record)
    path.write_text(path.read_text().replace('"seed":0', '"seed":7'))
    yield made
    patch.undo()


def listed(capsys, *words: str) -> dict[tuple[str, str], dict]:
    ended = call(capsys, "status", "--json", *words)
    assert ended.code == 0, ended.err
    assert ended.out.count("\n") == 1
    return {(row["study"], row["model"]): row for row in json.loads(ended.out)}


def test_the_counts_of_each_study_and_model(capsys):
    rows = listed(capsys)
    counts = ("runs", "done", "published", "diverged", "running", "waiting", "damaged")
    assert {which: [row[c] for c in counts] for which, row in rows.items()} == {
        ("short", "mlp"): [8, 4, 0, 2, 0, 4, 1],
        ("shared", "mlp"): [2, 2, 0, 0, 0, 0, 0],
        ("shared", "cnn"): [2, 0, 0, 0, 0, 2, 0],
        ("long", "mlp"): [1, 0, 0, 0, 0, 1, 0],
    }


def test_time_left_is_what_runs_alike_took_here(capsys, folder):
    rows = listed(capsys)
    assert rows["short", "mlp"]["hours_left"] == pytest.approx(4 * _seconds(folder) / 3600)
    assert rows["short", "mlp"]["unmeasured"] == 0
    assert rows["shared", "cnn"]["hours_left"] is None
    assert rows["shared", "cnn"]["unmeasured"] == 2
    assert rows["shared", "mlp"]["hours_left"] == 0


def test_timings_that_are_left_are_named_and_not_taken_for_done(capsys):
    study = ("--study", "timing", "--where", "model=mlp", "dataset=mnist", "setting=relu,batch_128")
    lines = call(capsys, "status", "--config", str(ROOT / "config.yaml"), *study).out.splitlines()
    assert lines[-2:] == ["no telling how long:", "  2 timings (bnstudy run --times --estimate counts them)"]


def _seconds(folder: Path) -> float:
    """Seconds of training of each of the records: all synthetic epochs are equal."""
    found = [store.get_record(folder / "results", Run(CELLS[0], seed)) for seed in (0, 1)]
    sums = [sum(record.epochs["seconds"]) for record in found if record]
    assert len(set(sums)) == 1
    return sums[0]


def test_durations_of_another_machine_do_not_count(folder):
    study = Study("short", "?", tuple(CELLS), (0, 1))
    assert Watch(folder / "results", ("another processor", 2)).look(study.runs())[Run(CELLS[0], 0)].seconds is None


def test_narrowed_by_study_where_and_seeds(capsys):
    assert list(listed(capsys, "--study", "shared")) == [("shared", "mlp"), ("shared", "cnn")]
    assert list(listed(capsys, "--where", "model=cnn")) == [("shared", "cnn")]
    assert listed(capsys, "--study", "short", "--seeds", "1", "--where", "norm=none")["short", "mlp"]["runs"] == 2


def test_the_config_is_read_once(capsys, monkeypatch):
    reads = []
    monkeypatch.setattr(config, "_load", lambda path, load=config._load: reads.append(path) or load(path))
    assert len({study for study, _ in listed(capsys)}) == 3
    assert len(reads) == 1


@pytest.mark.parametrize(
    "words", [["--study", "shrot"], ["--where", "model=vgg"], ["--watch", "--json"], ["--config", "none.yaml"]]
)
def test_what_cannot_be_is_two_lines_and_exit_2(capsys, words):
    ended = call(capsys, "status", *words)
    assert ended.code == 2
    assert two_lines(ended)


def test_for_people_off_a_terminal(capsys):
    ended = call(capsys, "status", "--watch")  # no terminal: one look
    lines = ended.out.splitlines()
    assert lines[0].split("  ")[0] == "study"
    assert re.fullmatch(r"all +11 +4 +2 +0 +7 +> \d+ (s|min)", lines[-5])  # the shared runs once
    assert lines[-3] == "1 records do not verify; `bnstudy why NAME` says which ones and why"
    assert lines[-2].endswith(", without")
    assert "3 runs of a kind never measured here" in lines[-1]
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", ended.out)


def test_a_changed_record_is_read_again_and_an_unchanged_one_is_not(folder, monkeypatch):
    run = Run(CELLS[0], 0)
    watch = Watch(folder / "results", status.machine())
    assert watch.look([run])[run].phase == "done"
    path = paths.record(folder / "results", run.cell.key, 0)
    text = path.read_text()
    monkeypatch.setattr(Path, "read_text", None)
    assert watch.look([run])[run].phase == "done"
    monkeypatch.undo()
    path.write_text(text[:-20])
    try:
        found = watch.look([run])[run]
        assert (found.phase, found.damaged) == ("waiting", True)
    finally:
        path.write_text(text)


def test_published_runs_are_done_and_said_to_be_published(capsys, monkeypatch):
    monkeypatch.delenv("BNSTUDY_RESULTS")
    words = ["--study", "thesis", "--config", str(ROOT / "config.yaml"), "--results", str(ROOT / "results")]
    row = listed(capsys, *words)["thesis", "mlp"]
    assert 0 < row["published"] <= row["done"]
    assert row["done"] + row["running"] + row["waiting"] == row["runs"]


# during a run


@pytest.fixture
def trainer(folder):
    """A process in training that keeps a checkpoint of every epoch."""
    command = [sys.executable, "-m", "bnstudy", "train", "--study", "long"]
    environs = environment(folder, BNSTUDY_CHECKPOINT_SECONDS="0")
    with subprocess.Popen(command, cwd=folder, env=environs, stderr=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def test_a_run_in_training_is_told_with_its_epoch_and_owner(capsys, trainer):
    deadline = time.monotonic() + 500
    while not (row := listed(capsys)["long", "mlp"])["in_training"] or not row["in_training"][0]["epoch"]:
        assert time.monotonic() < deadline
        assert trainer.poll() is None
        time.sleep(0.2)
    assert (row["running"], row["waiting"]) == (1, 0)
    (run,) = row["in_training"]
    assert (run["pid"], run["epochs"], run["seed"]) == (trainer.pid, 100000, 0)
    assert row["hours_left"] > 0
    shown = call(capsys, "status", "--study", "long").out
    assert re.search(rf" 0 +\d+ of 100000 +{trainer.pid}\n", shown)
    assert "left for 1 process at work" in shown
    later = listed(capsys)["long", "mlp"]["in_training"][0]["epoch"]
    while later == run["epoch"]:
        assert time.monotonic() < deadline
        later = listed(capsys)["long", "mlp"]["in_training"][0]["epoch"]
    trainer.send_signal(signal.SIGTERM)
    assert trainer.wait(300) == 75  # was not disturbed by being looked at
    assert listed(capsys)["long", "mlp"]["waiting"] == 1


def test_on_a_terminal_it_follows_until_ctrl_c(folder):
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "bnstudy", "status", "--watch"]
    environs = environment(folder, TERM="xterm", COLUMNS="120", LINES="40")
    with subprocess.Popen(command, cwd=folder, env=environs, stdout=follower, stderr=follower) as process:
        os.close(follower)
        shown = b""
        while b"Ctrl-C to leave" not in shown:
            shown += os.read(leader, 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 0
    os.close(leader)
    assert "shared" in shown.decode()


# how long


def state(**fields) -> RunState:
    return RunState(**({"phase": "waiting"} | fields))


def test_the_nearest_likeness_wins():
    done, other = state(phase="done", seconds=100.0), state(phase="done", seconds=900.0)
    again, alike, strange = Run(CELLS[0], 1), Run(CELLS[1], 1), Run(replace(CELLS[0], width=0.5), 0)
    found = status.remaining(
        {Run(CELLS[0], 0): done, Run(CELLS[2], 0): other, again: state(), alike: state(), strange: state()}
    )
    assert found == {again: 100.0, alike: 100.0}


@pytest.mark.parametrize("other", [{"steps": 50_000}, {"hidden": (900, 500)}, {"batch_size": 8}], ids=str)
def test_runs_of_another_size_tell_nothing(other):
    done, longer = Run(CELLS[0], 0), Run(replace(CELLS[0], **other), 0)
    assert status.remaining({done: state(phase="done", seconds=100.0), longer: state()}) == {}


def test_a_checkpoint_shortens_what_is_left():
    run, peer = Run(CELLS[0], 0), Run(CELLS[0], 1)
    running = state(phase="running", epoch=4, epoch_seconds=10.0)
    assert status.remaining({run: running, peer: state(phase="done", seconds=100.0)}) == {run: 60.0}
    assert status.remaining({run: running, peer: state(phase="done", seconds=30.0)}) == {run: 10.0}
    assert status.remaining({run: running, peer: state()}) == {run: 460.0, peer: 500.0}  # 50 of 100 epochs


def test_a_training_by_steps_is_measured_by_its_periods():
    run = Run(Cell(dataset="digits", model="mlp", norm="none", steps=1500, eval_every=100), 0)
    running = state(phase="running", epoch=4, epoch_seconds=10.0)
    assert status.remaining({run: running}) == {run: 110.0}  # 11 of 15 periods
    assert status._in_training(run, running)["epochs"] == 15


def test_what_was_never_measured_is_counted(monkeypatch):
    monkeypatch.setattr("bnstudy.training.estimate.matmul_rate", lambda device: 1e9)
    runs = {Run(CELLS[0], 0): state(), Run(CELLS[0], 1): state()}
    assert status.count({**runs, Run(CELLS[1], 0): state(phase="done", seconds=5.0)}, "cpu") == {}
    counted = status.count(runs, "cpu")
    assert set(counted) == set(runs)
    assert 0 < counted[Run(CELLS[0], 0)] < 3600


def test_a_folder_without_results_is_named(capsys, tmp_path):
    assert f"no results yet in {tmp_path / 'none'}\n" in call(capsys, "status", "--results", str(tmp_path / "none")).out
    assert "no results yet" not in call(capsys, "status").out


def test_a_line_names_what_is_in_training_and_how_long_the_rest_takes():
    first, second, third = (Run(CELLS[0], seed) for seed in range(3))
    waits = {third: RunState(phase=WAITING)}
    assert status.in_training(waits) == "no run is in training at the moment"
    new = RunState(phase=RUNNING, owner=(7, "here"))
    assert status.in_training(waits | {first: new}) == "in training: 1 run in 1 process, none with a checkpoint yet"
    on = RunState(phase=RUNNING, owner=(8, "here"), epoch=12)
    words = "in training: 2 runs in 2 processes, the furthest at epoch 12 of 100"
    assert status.in_training(waits | {first: new, second: on}) == words
    done = {first: RunState(phase=DONE, seconds=600.0)}
    assert status.in_training(waits | done | {second: on}).endswith("epoch 12 of 100; about 20 min left")
    other = {Run(Cell(dataset="digits", model="cnn", norm="none"), 0): RunState(phase=WAITING)}
    words = "about 20 min left, without 1 run of a kind never measured here"
    assert status.in_training(waits | done | other | {second: on}).endswith(words)
