"""Every verb as a user types it: what it prints where, and its exit code."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import synthetic
from bnstudy import __version__, console, datasets
from bnstudy.cli.best import _role_of_test_images
from bnstudy.design.cell import Cell
from bnstudy.design.labels import labels, name
from bnstudy.errors import UsageError, listed
from bnstudy.report import claims
from bnstudy.results import frames
from bnstudy.studies.config import load
from bnstudy.studies.selection import cell_of, parse_seeds, spread_where
from bnstudy.tables import planned
from command_line import ROOT, Ended, call, environment, two_lines

CONFIG = """\
seeds: 2
margins: {default: 1.0}
studies:
  thesis:
    question: Do the verbs work?
    cells:
      - {dataset: toy, model: mlp, norm: [none, batch], width: 0.05, epochs: 1}
      - {dataset: mnist, model: mlp, norm: none, width: 0.05, epochs: 1}
"""
TOY = Cell(dataset="toy", model="mlp", norm="batch", width=0.05, epochs=1)


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A working folder with a config, and results, data and reports of its own; no network."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "config.yaml").write_text(CONFIG)
    patch = pytest.MonkeyPatch()
    for key, value in environment(folder).items():
        if key.startswith("BNSTUDY_") or "proxy" in key.lower():
            patch.setenv(key, value)
    for key in ("no_proxy", "NO_PROXY", "BNSTUDY_TRACEBACK"):
        patch.delenv(key, raising=False)
    patch.chdir(folder)
    yield folder
    patch.undo()


@pytest.fixture
def bnstudy(capsys):
    return lambda *words: call(capsys, *map(str, words))


def fails(ended: Ended, code: int, *words: str) -> bool:
    assert ended.code == code, ended.err
    assert ended.out == ""
    for word in words:
        assert word in ended.err
    return two_lines(ended)


def rows(ended: Ended) -> list[dict]:
    """The one JSON list on stdout."""
    assert ended.code == 0, ended.err
    assert ended.out.count("\n") == 1
    found = json.loads(ended.out)
    assert isinstance(found, list)
    return found


# help


def test_the_version(bnstudy):
    assert bnstudy("--version").out == f"{__version__}\n"


def test_every_verb_explains_itself(bnstudy):
    top = bnstudy("--help")
    verbs = re.findall(r"^  ([a-z]+)  ", top.out.partition("Commands:")[2], re.MULTILINE)
    needed = "cells run train try show aggregate report tables table figures figure claims data"
    assert set(needed.split()) <= set(verbs)
    for words in [*([v] for v in verbs), *(["data", v] for v in ("fetch", "import", "check"))]:
        ended = bnstudy(*words, "--help")
        assert ended.code == 0
        assert ended.out.startswith(f"Usage: bnstudy {' '.join(words)}")
        assert len(ended.out.splitlines()[2].strip()) > 20


@pytest.mark.parametrize("words", [["nonsense"], ["cells", "--nonsense"], ["train", "--cores", "2"], ["try"]])
def test_what_is_no_command_is_exit_2(bnstudy, words):
    ended = bnstudy(*words)
    assert ended.code == 2
    assert "Traceback" not in ended.err


# cells


@pytest.mark.parametrize(("study", "count", "seeds"), [("thesis", 228, [0, 1, 2]), ("demo", 38, [0, 1])])
def test_cells_as_json(bnstudy, study, count, seeds):
    found = rows(bnstudy("cells", "--study", study, "--json", "--config", ROOT / "config.yaml"))
    assert len(found) == len({row["key"] for row in found}) == count
    for row in found:
        assert {"name", "key", "model", "dataset", "norm", "setting", "reading", "seeds", "lr", "batch_size"} <= set(
            row
        )
        assert row["seeds"] == seeds
        assert row["name"] == f"{row['dataset']}-{row['model']}-{row['norm']}-{row['setting']}-{row['key']}"


def test_cells_for_people(bnstudy):
    lines = bnstudy("cells").out.splitlines()
    assert lines[0] == "thesis: 3 cells, seeds 0, 1; all epochs=1 width=0.05"
    assert lines[2].split()[::2] == [
        name(Cell(dataset="toy", model="mlp", norm="none", width=0.05, epochs=1)),
        "reduced",
    ]
    assert len(lines) == 5


def test_cells_that_no_setting_names_show_the_fields_that_tell_them_apart(bnstudy):
    out = bnstudy("cells", "--study", "norms_by_batch_size", "--config", ROOT / "config.yaml").out
    rows = [line.split() for line in out.splitlines() if line.startswith("cifar10-")]
    assert [row[3:] for row in rows] == 2 * [["batch_size=2"], ["batch_size=8"], ["batch_size=32"], ["batch_size=128"]]


def test_where_takes_several_words(bnstudy):
    config = ROOT / "config.yaml"
    found = rows(bnstudy("cells", "--config", config, "--json", "--where", "model=mlp", "norm=batch", "setting=relu"))
    assert [row["dataset"] for row in found] == ["mnist", "svhn", "cifar10", "cifar100"]
    either = rows(bnstudy("cells", "--config", config, "--where", "dataset=mnist", "dataset=svhn", "--json"))
    assert {row["dataset"] for row in either} == {"mnist", "svhn"}
    mixed = rows(bnstudy("cells", "--config", config, "--where=model=mlp", "norm=none", "--where", "lr=1e-1", "--json"))
    assert {(row["norm"], row["lr"]) for row in mixed} == {("none", 0.1)}


@pytest.mark.parametrize(
    ("words", "seeds"),
    [(["--seeds", "3"], [0, 1, 2]), (["--seeds", "0,4"], [0, 4]), (["--seeds", "4,"], [4]), (["--seeds=1"], [0])],
)
def test_seeds(bnstudy, words, seeds):
    assert rows(bnstudy("cells", "--json", *words))[0]["seeds"] == seeds


@pytest.mark.parametrize("text", ["0", "00", "-1", "x", "1,1", "0,00", "1,,2", "1.5", ",", "", "²", "1" * 5000])
def test_what_are_no_seeds(text):
    from bnstudy.errors import UsageError

    with pytest.raises(UsageError, match="not seeds"):
        parse_seeds(text)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["cells", "--study", "thesiss"], "thesiss: no such study in config.yaml (nearest: thesis)"),
        (["cells", "--where", "modell=mlp"], "no such key (nearest: model)"),
        (["cells", "--where", "model=mpl"], "(nearest: mlp)"),
        (["cells", "--where", "model"], "not of the form key=value"),
        (["cells", "--seeds", "x"], "--seeds x: not seeds"),
        (["try", "dataset=toy", "model=mlp", "norm=none", "--seeds", "1001"], "--seeds 1001: more than 1000 seeds"),
        (["run", "--cores", "2", "--profile", "profiles/slurm"], "run: --cores and --profile"),
        (["train", "--study", "timing", "--config", f"{ROOT}/config.yaml"], "timing: times epochs instead"),
        (["run", "--cores", "²"], "--cores ²: not a number of processes"),
        (["train", "--device", "cuda:²", "mnist-mlp-none-relu-8fc5d932cf30"], "--device cuda:²: no such device"),
        (["train", "mnist-mlp-none-relu-8fc5d932cf30:²"], "'²' is not a seed"),
        (["try", "model=mlp", "dataset=toy", "norm=batch", f"batch_size=1{'0' * 400}"], "is out of range"),
        (["cells", "--config", "absent.yaml"], "absent.yaml"),
        (["run", "--cores", "many"], "--cores many: not a number of processes"),
        (["run", "--profile", "nowhere"], "--profile nowhere: holds no config.yaml"),
        (["report", "--formats", "svq"], "no such format (nearest: svg)"),
        (["table", "B.9"], "B.9: no such table"),
        (["figure", "7.99"], "7.99: no such figure"),
        (["show", "toy-mlpp"], "toy-mlpp: no such cell"),
        (["data", "check", "minst"], "no such data set (nearest: mnist)"),
        (["data", "fetch", "minst"], "no such data set (nearest: mnist)"),
        (["train"], "train: name cells, or give --study, or --cells"),
        (["train", "x", "--study", "thesis"], "one of them"),
        (["train", "toy-mlp-none-relu-000000000000"], "no such cell"),
        (["train", "dataset=toy"], "--where dataset=toy"),
        (["train", f"{TOY.key}:x"], "'x' is not a seed"),
        (["train", TOY.key, "--engine", "packd"], "--engine packd: no such engine (nearest: packed)"),
        (["train", TOY.key, "--device", "gpu"], "--device gpu: no such device"),
        (["train", TOY.key, "--device", "cuda:99"], "--device cuda:99"),
        (["try", "model=mlp", "dataset=toy", "norm=batch", "learning_rate=1"], "no such field (nearest: lr)"),
        (["try", "model=mlp", "dataset=toy", "norm=batch", "bs=32"], "bs: no such field (nearest: batch_size)"),
        (["try", "model=mlp", "dataset=toy", "norm=batch", "weight_decay=0.1"], "(here: penalty=l2 penalty_strength)"),
        (["try", "model=mlp", "dataset=toy", "norm=batch", "seed=1"], "seed: no such field (here: --seeds)"),
        (["try", "model=mlp", "dataset=cifar-10", "norm=batch"], "underscores, such as cifar10."),
        (["cells", "--where", "learning_rate=0.1"], "no such key (nearest: lr)"),
        (["train", "mnist-mlp", "--config", f"{ROOT}/config.yaml"], "cells match"),
        (["try", "model=mlp", "dataset=toy", "norm=batch", "batchsize=1"], "(nearest: batch_size)"),
        (["try", "model=mlp", "dataset=toy", "norm=btch"], "(nearest: batch)"),
        (["try", "model=mlp", "dataset=toy", "norm=batch", "lr=fast"], "lr: 'fast' is not a number"),
        (["try", "model=mlp", "dataset=toy", "norm=batch", "lr=nan"], "lr: nan"),
        (["try", "model=mlp", "dataset=toy", "norm=batch", "epochs=1.5"], "epochs"),
        (["try", "model=mlp", "dataset=toy", "norm=batch", "lr=1", "lr=2"], "lr: given twice"),
        (["try", "model=mlp", "dataset=toy", "norm=batch", "setting=relux"], "no such setting (nearest: relu)"),
        (["try", "model=mlp", "norm=batch"], "dataset: missing"),
        (["try", "model=mlp", "dataset=toy", "norm=none", "norm_eps=0.1"], "norm_eps: has no effect here"),
        (["try", "model"], "not of the form key=value"),
        (["train", "digits-mlp-none-relu-7b54429f3287:0", "--seeds", "5"], "seeds are given twice"),
        (["show", "digits-mlp-none-relu-7b54429f3287:abc"], "'abc' is not a seed"),
        (["run", "--results", "r{1}"], "Snakemake takes braces for a pattern"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_two_lines_and_exit_2(bnstudy, words, told, folder):
    assert fails(bnstudy(*words), 2, told)
    assert not (folder / "results" / "records").exists()


# without records


def test_show_without_a_record(bnstudy):
    ended = bnstudy("show", TOY.key)
    assert ended.code == 0
    assert f"train it with: bnstudy train {name(TOY)}" in ended.err
    assert rows(bnstudy("show", name(TOY), "--json")) == []


@pytest.mark.parametrize(("verb", "count"), [("tables", 4), ("figures", 54), ("claims", 1)])
def test_catalogues_work_without_data_or_records(bnstudy, verb, count):
    found = rows(bnstudy(verb, "--json", "--config", ROOT / "config.yaml"))
    assert len(found) >= count
    assert all({"id", "state", "title"} <= set(row) for row in found)
    assert {row["state"] for row in found} <= {"not run", "complete", "partial", "computed"}
    assert "not run" in {row["state"] for row in found}
    assert found[0]["id"] in {"tables": "B.1", "figures": "7.1", "claims": "G01"}[verb]
    assert found[0]["title"].split()[0] in bnstudy(verb, "--config", ROOT / "config.yaml").out


def test_claims_of_reduced_cells_are_judged_as_on_the_page(bnstudy, folder):
    study = load(ROOT / "config.yaml").study("reduced_cnn")
    some = [run for run in study.runs() if labels(run.cell)[0] in ("relu", "lr_high")]
    built = frames.build([synthetic.record(run, epochs_run=3) for run in some], study.runs())
    frames.put(built, folder / "results", "reduced_cnn")
    found = rows(bnstudy("claims", "--study", "reduced_cnn", "--json", "--config", ROOT / "config.yaml"))
    page = claims.of_study(planned(study.cells, study.seeds), built, None)
    assert {row["id"]: row["verdict"] for row in found} == {row["id"]: row["verdict"] for row in page["claims"]}
    assert page["counts"]["holds"] > 4


def test_figures_are_listed_results_first(bnstudy):
    found = rows(bnstudy("figures", "--json", "--config", ROOT / "config.yaml"))
    assert [row["id"] for row in found[:40]] == [f"7.{i}" for i in range(1, 41)]
    assert (found[40]["id"], found[40]["kind"], found[40]["state"]) == ("E1", "effects", "not run")
    assert {row["kind"] for row in found[41:79]} == {"penalties", "activations", "confusion"}
    assert {row["kind"] for row in found[79:]} == {"background", "layers"}
    assert {row["state"] for row in found[79:]} == {"computed"}


def test_the_effects_are_a_figure_of_studies_that_have_printed_pairs(bnstudy, tmp_path):
    config = ("--config", ROOT / "config.yaml")
    assert "E1" not in {row["id"] for row in rows(bnstudy("figures", "--study", "reduced_cnn", "--json", *config))}
    assert fails(bnstudy("figure", "E1", *config), 65, "figure E1: no run of study thesis has what it shows")
    study = load(ROOT / "config.yaml").study("thesis")
    some = [run for run in study.runs() if run.cell.dataset == "mnist" and labels(run.cell)[0] in ("relu", "elu")]
    built = frames.build([synthetic.record(run, epochs_run=2) for run in some], study.runs())
    frames.put(built, tmp_path, "thesis")
    drawn = bnstudy("figure", "E1", "--results", tmp_path, "--reports", tmp_path, *config)
    assert [Path(line).name for line in drawn.out.split()] == ["fig_E1.svg", "fig_E1_narrow.svg", "fig_E1.csv"]
    pairs = Path(drawn.out.split()[-1]).read_text().splitlines()[1:]
    assert [line.split(",")[:3] for line in pairs] == [[m, "mnist", s] for m in ("mlp", "cnn") for s in ("relu", "elu")]


def test_a_background_figure_needs_no_study(bnstudy, tmp_path):
    ended = bnstudy("figure", "2.10", "--reports", tmp_path)
    assert ended.code == 0, ended.err
    assert [Path(line).name for line in ended.out.split()] == ["fig_2_10.svg", "fig_2_10_narrow.svg"]


@pytest.mark.parametrize(("typed", "id"), [("B.1", "B.1"), ("b1", "B.1"), ("b.1", "B.1"), ("716", "7.16")])
def test_an_id_is_known_without_its_capitals_and_dots(typed, id):
    assert listed(typed, ["B.1", "B.11", "7.1", "7.16"], "table", "") == id


def test_a_report_needs_frames(bnstudy):
    assert fails(bnstudy("report"), 65, "no frames of study thesis", "bnstudy aggregate --study thesis")
    assert fails(bnstudy("figure", "7.1"), 65, "figure 7.1")


def test_a_table_that_no_run_can_fill_is_not_called_unknown(bnstudy):
    assert fails(bnstudy("table", "m1"), 65, "table m1: no run of study thesis has what it shows", "B.1")
    assert fails(bnstudy("table", "B.9"), 2, "B.9: no such table")


def test_a_table_without_a_number_is_not_written_and_one_with_printed_numbers_is(bnstudy, tmp_path):
    assert fails(bnstudy("table", "G.1 reduced"), 65, "table G.1 reduced: no run of study thesis has what it shows")
    written = bnstudy("table", "b1", "--reports", tmp_path)
    assert [Path(line).name for line in written.out.split()] == ["b1.csv", "b1.md", "b1.tex", "b1.html"]


@pytest.mark.parametrize(
    ("shares", "said"), [([0.1, 0.1], "test accuracy decides nothing"), ([0.1, 0.0], "accuracy is of the test images")]
)
def test_best_says_whether_test_images_influence_the_choice(shares, said):
    assert _role_of_test_images(pd.DataFrame({"validation_fraction": shares})).endswith(said)


@pytest.mark.parametrize("verb", ["cells", "status"])
def test_a_verb_of_a_study_takes_its_name_without_the_option(bnstudy, verb):
    config = ["--config", ROOT / "config.yaml"]
    short, long = bnstudy(verb, "demo", *config), bnstudy(verb, "--study", "demo", *config)
    assert short.code == long.code == 0
    assert short.out == long.out
    assert fails(bnstudy(verb, "demos", *config), 2, "demos: no such study", "demo")


def test_an_estimate_trains_nothing(bnstudy, folder):
    ended = bnstudy("run", "--estimate", "--config", ROOT / "config.yaml", "--cores", "2")
    assert ended.code == 0
    lines = [re.split(r"  +", line) for line in ended.out.splitlines()]
    assert lines[-1][:2] == ["all", "684"]
    assert next(line[:3] for line in lines if line[0] == "cnn") == ["cnn", "cifar10", "84"]
    assert lines[1] == [
        "model",
        "data set",
        "runs",
        "own",
        "published",
        "to do",
        "hours with early stops",
        "with all epochs",
    ]
    assert not (folder / "results" / "records").exists()


def test_a_network_is_listed_for_fields_given_either_way(bnstudy):
    spelt, asked = bnstudy("model", "mlp", "dataset=mnist", "norm=batch"), bnstudy("model", "mlp", "--dataset", "mnist")
    assert spelt.code == asked.code == 0
    assert "mlp on mnist, norm batch" in spelt.out
    assert "mlp on mnist, norm none" in asked.out
    assert bnstudy("model", "mlp", "dataset=mnist", "--dataset", "mnist").code == 2


def test_a_hopeless_start_asks_first(bnstudy, monkeypatch):
    monkeypatch.setattr("bnstudy.training.estimate.matmul_rate", lambda device: 1e9)
    config = ROOT / "config.yaml"
    for words in (["run"], ["train", "--study", "thesis"], ["try", "model=cnn", "dataset=cifar10", "norm=none"]):
        more = [] if words[0] == "try" else ["--config", config]
        ended = bnstudy(*words, *more)
        assert ended.code == 2
        assert "would take about" in ended.err
        assert "days" in ended.err
        assert "Add --yes to start anyway, or select a part: --where model=mlp" in ended.err.splitlines()[-1]


# data


def test_data_check(bnstudy, folder):
    found = {row["name"]: row for row in rows(bnstudy("data", "check", "--json"))}
    assert (found["toy"]["state"], found["mnist"]["state"]) == ("embedded", "absent")
    assert bnstudy("data", "check", "toy").code == 0
    assert "absent" in bnstudy("data", "check").out
    ended = bnstudy("data", "check", "mnist")
    assert (ended.code, two_lines(ended)) == (65, True)
    assert "Get it with `bnstudy data fetch mnist`, or from a file with `bnstudy data import mnist" in ended.err


def test_an_embedded_data_set_that_cannot_be_read_is_damaged(bnstudy, monkeypatch):
    """As one of an extension, whose file was moved: its remedy is to correct `read`, and nothing can be fetched."""
    broken = replace(datasets.REGISTRY["toy"], name="mine", read=lambda folder: np.load(folder / "moved.npz"))
    monkeypatch.setitem(datasets.REGISTRY, "mine", broken)
    ended = bnstudy("data", "check", "--json")
    assert (ended.code, two_lines(ended)) == (65, True)
    assert {row["name"]: row["state"] for row in json.loads(ended.out)}["mine"] == "damaged"
    assert "mine: cannot be read (FileNotFoundError" in ended.err
    assert "Correct the `read` that its DatasetSpec names." in ended.err


def test_data_classes(bnstudy):
    found = rows(bnstudy("data", "classes", "toy", "--json"))
    assert [row["class"] for row in found] == list(range(10))
    assert sum(row["train"] for row in found) == 600
    assert bnstudy("data", "classes", "toy").out.splitlines()[1].split() == list(map(str, found[0].values()))
    ended = bnstudy("data", "classes")
    assert "58 (9.7 %, class 8)" in ended.out
    assert "mnist" not in ended.out  # absent
    assert bnstudy("data", "classes", "mnist").code == 65


def test_data_import_and_damage(bnstudy, tmp_path):
    images = np.zeros((54_000, 1, 32, 32), np.uint8)
    images[:, 0, 5:15, 5] = np.arange(54_000)[:, None] % 200
    labels = np.arange(54_000) % 10
    test = {"test_images": np.roll(images[:10_000], 1, axis=3), "test_labels": labels[:10_000]}
    np.savez(tmp_path / "own.npz", train_images=images, train_labels=labels, **test)
    data = ["--data", tmp_path / "data"]
    ended = bnstudy("data", "import", "mnist", tmp_path / "own.npz", *data)
    assert (ended.code, "imported" in ended.err) == (0, True), ended.err
    [row] = rows(bnstudy("data", "check", "mnist", "--json", *data))
    assert (row["state"], row["train"]) == ("present", 54_000)
    file = tmp_path / "data" / "mnist.npz"
    file.write_bytes(file.read_bytes()[:-100])
    for words in (["check", "mnist"], ["check"], ["fetch", "mnist"]):
        ended = bnstudy("data", *words, *data)
        assert (ended.code, two_lines(ended)) == (65, True)
        assert "mnist.npz" in ended.err


def test_data_import_of_what_is_no_array_file(bnstudy, tmp_path):
    assert bnstudy("data", "import", "mnist", tmp_path / "absent.npz", "--data", tmp_path).code in (2, 65)
    (tmp_path / "text.npz").write_text("text")
    assert fails(bnstudy("data", "import", "mnist", tmp_path / "text.npz", "--data", tmp_path), 65, "text.npz")


def test_data_fetch_without_a_network(bnstudy, tmp_path):
    assert fails(bnstudy("data", "fetch", "mnist", "--data", tmp_path), 65, "mnist", "data import mnist")
    assert bnstudy("data", "fetch", "toy", "--data", tmp_path).code == 0


def test_data_that_are_absent_can_be_noted(bnstudy, tmp_path):
    """As the DAG's job does it: the rest of a study runs."""
    assert bnstudy("data", "fetch", "mnist", "--data", tmp_path, "--note", tmp_path / "note.json").code == 0
    assert json.loads((tmp_path / "note.json").read_text())["state"] == "absent"


# train, try, show: in order, on one results folder


def test_train_by_name_and_seed_then_stands(bnstudy, folder):
    ended = bnstudy("train", f"{name(TOY)}:1", TOY.key + ":1")
    assert ended.code == 0, ended.err
    assert "1 trained, 0 already done" in ended.err
    assert f"{name(TOY)} seed 1 epoch 1/1: loss" in ended.err
    assert [f.name for f in (folder / "results" / "records" / TOY.key).iterdir()] == ["1.json"]
    assert "0 trained, 1 already done (--fresh trains them again), records in" in bnstudy("train", f"{TOY.key}:1").err
    assert "1 trained, 0 already done" in bnstudy("train", f"{TOY.key}:1", "--fresh").err


def test_train_a_study_whose_data_are_partly_absent(bnstudy):
    ended = bnstudy("train", "--study", "thesis", "--where", "norm=none", "--seeds", "1")
    assert ended.code == 0, ended.err
    assert "1 trained, 0 already done" in ended.err
    assert "mnist" in ended.err
    ended = bnstudy("train", "--study", "thesis", "--where", "dataset=mnist")
    assert (ended.code, two_lines(ended)) == (65, True)
    assert ended.err.count("no such file") == 1


def test_show_a_record(bnstudy):
    [record] = rows(bnstudy("show", TOY.key, "--json"))
    assert (record["key"], record["seed"], record["outcome"]) == (TOY.key, 1, "finished")
    assert f"verdict and claims: bnstudy why {name(TOY)}\n" in bnstudy("show", TOY.key).err
    shown = bnstudy("show", f"{name(TOY)}:1").out
    assert f"{record['test']['last']['accuracy']:.2f} %" in shown
    assert "width=0.05" in shown
    assert "toy" in shown
    missing = bnstudy("show", f"{TOY.key}:0").err
    assert "no record yet" in missing
    assert "published was not found: published runs are in a checkout" in missing
    right = [100 * row[label] / sum(row) for label, row in enumerate(record["test"]["confusion"])]
    assert f"0: {right[0]:.1f} %, 1: {right[1]:.1f} %" in shown


def test_try_trains_and_shows(bnstudy):
    words = ["try", "model=mlp", "dataset=toy", "norm=none", "width=0.05", "epochs=1", "setting=lr_high"]
    ended = bnstudy(*words)
    assert ended.code == 0, ended.err
    assert "toy-mlp-none-lr_high-" in ended.out
    assert "test accuracy" in ended.out
    assert "epoch 1/1" not in bnstudy(*words).err  # stands


def test_words_become_typed_values():
    cell = cell_of(["model=mlp", "dataset=mnist", "norm=batch", "lr=1e-3", "epochs=3", "norm_bias=false",
                    "train_size=99", "kaiming_gain=1", "mnist_size=native", "penalty=l2", "penalty_strength=0.5",
                    ])  # fmt: skip
    assert (cell.lr, cell.epochs, cell.norm_bias, cell.train_size, cell.kaiming_gain) == (0.001, 3, False, 99, 1)
    assert cell_of(["model=mlp", "dataset=toy", "norm=none", "reading=code"]).split == "last"
    for word, widths in (("hidden=100", (100,)), ("hidden=900-500", (900, 500))):
        assert cell_of(["model=mlp", "dataset=toy", "norm=none", word]).hidden == widths
    with pytest.raises(UsageError, match="hidden: 'wide' is no list"):
        cell_of(["model=mlp", "dataset=toy", "norm=none", "hidden=wide"])


def test_where_is_spread_over_words():
    assert spread_where(["run", "--where", "a=1", "b=2", "--yes"]) == [
        "run",
        "--where",
        "a=1",
        "--where",
        "b=2",
        "--yes",
    ]
    assert spread_where(["try", "a=1", "b=2"]) == ["try", "a=1", "b=2"]
    assert spread_where(["train", "--where=a=1", "b=2", "NAME"]) == ["train", "--where=a=1", "--where", "b=2", "NAME"]


def test_frames_tables_and_figures_of_what_was_trained(bnstudy, folder):
    assert bnstudy("train", TOY.key).code == 0
    ended = bnstudy("aggregate")
    assert ended.code == 0, ended.err
    runs, missing = re.search(r"thesis: (\d) runs \(all own\), (\d) missing, frames in", ended.err).groups()
    assert (int(runs) >= 2, int(runs) + int(missing)) == (True, 6)
    ended = bnstudy("table", "B.1 reduced")
    assert (ended.code, [Path(line).suffix for line in ended.out.split("\n")[:-1]]) == (
        0,
        [".csv", ".md", ".tex", ".html"],
    )
    assert all(Path(line).stat().st_size for line in ended.out.splitlines() if line)
    states = {row["id"]: row["state"] for row in rows(bnstudy("figures", "--json"))}
    assert (states["7.1"], states["7.16"]) == ("partial", "not run")
    ended = bnstudy("figure", "7.1", "--formats", "png,svg")
    assert ended.code == 0, ended.err
    assert {Path(line).name for line in ended.out.splitlines()} >= {"fig_7_1.svg", "fig_7_1.png", "fig_7_1.csv"}
    assert bnstudy("report").code == 0
    assert (folder / "reports" / "thesis" / "index.html").exists()


# --cells FILE


def test_cells_from_a_file_need_no_config_and_no_heavy_package(bnstudy, tmp_path):
    """As on a machine with torch and typer alone: snakemake, pydantic, YAML and torchvision cannot be imported."""
    (tmp_path / "cells.json").write_text(bnstudy("cells", "--where", "norm=batch", "--json", "--seeds", "2").out)
    code = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("snakemake", "pydantic", "pydantic_core", "ruamel", "yaml", "torchvision"):
            raise ImportError(name + " is not installed")
sys.meta_path.insert(0, Absent())
from bnstudy.cli import main
main(sys.argv[1:])
"""
    command = [sys.executable, "-c", code, "train", "--cells", "cells.json"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 trained, 0 already done" in done.stderr
    assert sorted(f.name for f in (tmp_path / "results" / "records" / TOY.key).iterdir()) == ["0.json", "1.json"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no json", "not a list of cells"),
        ("{}x", "not a list of cells"),
        ('{"a": 1}', "not a list of cells"),
        ("[1]", "row 0 has no list of `seeds`"),
        ('[{"dataset": "toy"}]', "row 0 has no list of `seeds`"),
        ('[{"dataset": "toy", "seeds": [0]}]', "row 0: model: missing"),
        ('[{"dataset": "toy", "model": "mlp", "norm": "none", "seeds": ["0"]}]', "row 0: '0' is not a seed"),
        (
            '[{"dataset": "toy", "model": "mlp", "norm": "none", "lr": 0.5, "seeds": [0], "key": "0"}]',
            "row 0 has key '0'",
        ),
    ],
)
def test_a_file_that_holds_no_cells(bnstudy, tmp_path, text, told):
    (tmp_path / "cells.json").write_text(text)
    assert fails(bnstudy("train", "--cells", tmp_path / "cells.json"), 2, "cells.json", told)


# what can go wrong around us


def test_results_that_cannot_be_written(bnstudy, tmp_path):
    (tmp_path / "results").write_text("a file in the place of the folder")
    for words in (["train", TOY.key], ["aggregate"], ["run", "--where", "norm=batch"]):
        ended = bnstudy(*words, "--results", tmp_path / "results")
        assert (ended.code, two_lines(ended)) == (73, True), ended.err


def test_an_interrupt_is_exit_75(bnstudy, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(console, "put_json", interrupted)
    ended = bnstudy("cells", "--json")
    assert fails(ended, 75, "interrupted")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_training_is_exit_75_and_the_rest_goes_on(tmp_path, number):
    words = ["try", "model=mlp", "dataset=toy", "norm=none", "width=0.05", "epochs=100000", "stop_patience=0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "bnstudy", *words],
        cwd=tmp_path,
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "epoch 3/" in line:
                break
        process.send_signal(number)
        _, err = process.communicate(timeout=250)  # its training would take an hour
    finally:
        process.kill()
    assert process.returncode == 75
    assert "bnstudy: " in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [["cells", "--json"], ["cells"], ["figures"]])
def test_a_reader_that_goes_away(tmp_path, words):
    command = [sys.executable, "-m", "bnstudy", *words, "--config", str(ROOT / "config.yaml")]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    with process, process.stderr as told:
        process.stdout.read(1)
        process.stdout.close()
        lines = told.read().splitlines()
    said = [line for line in lines if not line.endswith(b" ...")]  # but for what it waits for, on a slow machine
    assert all(b"published runs are in a checkout" in line for line in said), lines
    assert process.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_under_stdout(tmp_path):
    command = [sys.executable, "-m", "bnstudy", "cells", "--config", str(ROOT / "config.yaml")]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 73
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_fault_of_the_program_is_exit_70(bnstudy, monkeypatch):
    def faulty(*_):
        raise ZeroDivisionError("seven\nlines")

    monkeypatch.setattr(console, "put_json", faulty)
    assert fails(bnstudy("cells", "--json"), 70, "ZeroDivisionError: seven", "BNSTUDY_TRACEBACK=1")
    assert os.environ.get("BNSTUDY_TRACEBACK") is None


def test_a_study_of_very_many_runs_is_announced_before_they_are_looked_at(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("bnstudy.cli.options.MANY", 3)
    monkeypatch.setattr(
        "bnstudy.workflow.progress.status.Look", lambda *_: (_ for _ in ()).throw(UsageError("seen", "x"))
    )
    (tmp_path / "c.yaml").write_text(CONFIG)
    ended = call(capsys, "status", "--config", str(tmp_path / "c.yaml"))
    assert ended.err.splitlines()[:2] == ["thesis: looking at 6 runs, about 0 s", "bnstudy: seen"]
    assert "looking" not in call(capsys, "status", "--config", str(tmp_path / "c.yaml"), "--seeds", "1").err
