"""Digests of weights, made at once or beside a training."""

import threading
from concurrent.futures import Future

import pytest
import torch
from torch import nn

from bnstudy import datasets
from bnstudy.design.cell import Cell, Run
from bnstudy.results.record import EPOCH_COLUMNS
from bnstudy.training.engine import digests, graph
from bnstudy.training.engine.contract import Keeper
from bnstudy.training.engine.digests import Beside, weights_digest
from bnstudy.training.engine.history import History
from bnstudy.training.engine.inputs import prepare

ARRAYS = datasets.load("toy", None)


def test_neither_memory_layout_nor_the_counter_of_batches_is_hashed():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    found = weights_digest(net.state_dict())
    net[1].num_batches_tracked += 1
    assert weights_digest(net.to(memory_format=torch.channels_last).state_dict()) == found
    net[1].running_mean[3] += 1
    assert weights_digest(net.state_dict()) != found


def test_a_digest_beside_is_of_the_weights_at_the_call(monkeypatch):
    """The network may train on at once."""
    weights, go = {"w": torch.ones(5)}, threading.Event()
    monkeypatch.setattr(digests, "weights_digest", lambda state: go.wait(20) and weights_digest(state))
    want = weights_digest(weights)
    found = Beside().digest(weights)
    weights["w"].zero_()
    go.set()
    assert found.result() == want != weights_digest(weights)


def test_the_next_digest_waits_for_the_one_before():
    """So that the weights of few epochs are kept, however slow the hashing."""
    beside = Beside()
    first = beside.digest({"w": torch.ones(2**22)})
    second = beside.digest({"w": torch.zeros(3)})
    assert first.done()
    assert second.result() == weights_digest({"w": torch.zeros(3)})


def test_an_error_beside_reaches_whoever_needs_the_digest(monkeypatch):
    def fail(state):
        raise MemoryError("no room for a digest")

    monkeypatch.setattr(digests, "weights_digest", fail)
    beside, history = Beside(), History(["a"], [1])
    history.add_epoch(dict.fromkeys(EPOCH_COLUMNS, 0.0) | {"weights_digest": beside.digest({"w": torch.ones(1)})})
    for ask in (history.epochs, history.state, lambda: beside.digest({"w": torch.ones(1)})):
        with pytest.raises(MemoryError, match="no room"):
            ask()


class Watching(Keeper):
    """Sees each epoch's digest as the engine gives it, and as a checkpoint holds it."""

    def __init__(self):
        self.given, self.kept = [], []

    def epoch_done(self, run, row, state):
        self.given.append(row["weights_digest"])
        self.kept.append([row["weights_digest"] for row in state()["history"]["rows"]])


def test_the_graph_engine_hashes_beside_its_training(monkeypatch):
    """In order, by no thread that trains; a checkpoint and a record hold the digests themselves."""
    at_work = []

    def hashed(state):
        at_work.append(threading.current_thread())
        return weights_digest(state)

    monkeypatch.setattr(digests, "weights_digest", hashed)
    cell = Cell(dataset="toy", model="mlp", norm="batch", train_size=200, epochs=3)
    keeper = Watching()
    ((_, trained),) = graph.Graph().train([Run(cell, 0)], lambda run: prepare(cell, 0, ARRAYS), keeper, "cpu")
    found = trained.epochs["weights_digest"]
    assert len(set(found)) == 4
    assert all(isinstance(digest, Future) for digest in keeper.given)
    assert [digest.result() for digest in keeper.given] == found[1:]
    assert keeper.kept == [found[:2], found[:3], found]
    assert threading.current_thread() not in at_work
    assert len(at_work) == 4
