"""Final weights on request: loaded into the reference network they answer as the record says, whichever engine."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from bnstudy import datasets, paths
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import name
from bnstudy.networks import models
from bnstudy.results import store
from bnstudy.training.engine.contract import Keeper
from bnstudy.training.engine.digests import weights_digest
from bnstudy.training.engine.graph import Graph
from bnstudy.training.engine.inputs import prepare
from bnstudy.training.engine.observation import evaluate
from command_line import call, process, two_lines
from faults.small import cell, put

PACKED = cell(norm="batch", epochs=3)
CELLS = [
    PACKED,
    cell(norm="batch", epochs=6, lr=0.3, tested_weights="best"),
    cell(optimizer="adam", mean_decay=0.8, lr=0.01, epochs=3),  # only the reference engine has it
    cell(norm="batch", epochs=3, population="exact"),
    cell(epochs=3, nesterov="torch"),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    file = put(folder / "cells.json", CELLS, seeds=[0])
    done = process(folder, "bnstudy", "train", "--cells", str(file), "--weights")
    assert done.code == 0, done.err
    return folder / "results"


def network(of: Cell, state: dict[str, torch.Tensor]) -> torch.nn.Module:
    found = models.build(of, inputs(of).shape)
    found.load_state_dict(state)  # strict: the same names
    return found


def inputs(of: Cell):
    return prepare(of, 0, datasets.load(of.dataset, Path("none")))


@pytest.mark.parametrize("which", range(len(CELLS)))
def test_the_weights_answer_as_the_record_says(results, which):
    run = Run(CELLS[which], 0)
    record = store.get_record(results, run)
    assert record is not None
    assert record.provenance["engine"] == ("packed" if which in (0, 1, 4) else "reference")
    state = load_file(paths.weights(results, run.cell.key, 0))
    data = inputs(run.cell)
    accuracy, loss, predicted = evaluate(network(run.cell, state), data.test_images, data.test_labels)
    tested = record.test[run.cell.tested_weights]
    assert (accuracy, predicted) == (tested["accuracy"], tested["predicted"])
    assert loss == pytest.approx(tested["loss"], rel=1e-4)
    answers = network(run.cell, state).eval()(data.test_images).argmax(1).tolist()
    counted = Counter(zip(data.test_labels.tolist(), answers, strict=True))
    confusion = record.test["confusion"]
    assert {(i, j): n for i, row in enumerate(confusion) for j, n in enumerate(row) if n} == counted
    epoch = record.best_epoch if run.cell.tested_weights == "best" else record.epochs_run
    assert weights_digest(state) == record.epochs["weights_digest"][epoch]


def test_best_weights_are_not_the_last_ones(results):
    record = store.get_record(results, Run(CELLS[1], 0))
    assert record is not None
    assert record.best_epoch < record.epochs_run


def test_the_file_says_what_it_is(results):
    with safe_open(paths.weights(results, PACKED.key, 0), "pt") as file:
        about = file.metadata()
    assert (about["name"], about["key"], about["seed"]) == (name(PACKED), PACKED.key, "0")
    assert Cell(**json.loads(about["cell"])) == PACKED


class Kept(Keeper):
    """Keeps weights in memory."""

    def __init__(self):
        self.weights = {}

    def finished(self, run, weights):
        self.weights[run] = {name: tensor.clone() for name, tensor in weights().items()}


def test_the_graph_engine_hands_over_the_same(results):
    run, keeper = Run(replace(PACKED, grad_clip=1e6), 0), Kept()
    ((_, trained),) = Graph().train([run], lambda run: inputs(run.cell), keeper, "cpu")
    data = inputs(run.cell)
    accuracy, _, _ = evaluate(network(run.cell, keeper.weights[run]), data.test_images, data.test_labels)
    assert accuracy == trained.test["last"]["accuracy"]


def test_what_stands_already_is_said_to_have_no_weights(capsys, results, tmp_path):
    path = paths.weights(results, PACKED.key, 0)
    aside = path.rename(path.with_suffix(".aside"))
    words = ["train", "--cells", str(put(tmp_path / "one.json", [PACKED], [0])), "--results", str(results), "--weights"]
    ended = call(capsys, *words)
    assert ended.code == 0
    assert "--fresh --weights" in ended.err
    aside.rename(path)
    assert "--fresh --weights" not in call(capsys, *words).err


def test_without_safetensors_nothing_is_trained(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("bnstudy.lazy.find_spec", lambda name: None)
    file = put(tmp_path / "one.json", [PACKED], [0])
    ended = call(capsys, "train", "--cells", str(file), "--results", str(tmp_path / "results"), "--weights")
    assert ended.code == 2
    assert two_lines(ended)
    assert "safetensors, or in a checkout .[weights]" in ended.err
    assert not (tmp_path / "results").exists()
