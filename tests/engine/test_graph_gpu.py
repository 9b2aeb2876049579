"""The graph engine on a GPU: replaying changes no bit, nothing waits inside an epoch, every setting trains."""

import io
import math

import numpy as np
import pytest
import torch

from bnstudy import optimizers
from bnstudy.cell import Cell, Run
from bnstudy.datasets import Arrays
from bnstudy.engine import graph
from bnstudy.engine.contract import Keeper, Trained
from bnstudy.engine.graph.optimizer import is_capturable
from bnstudy.engine.graph.resident import Resident
from bnstudy.engine.inputs import prepare
from bnstudy.engine.reference import Reference
from bnstudy.labels import SETTINGS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
DEVICE = "cuda:0"


def pixels(channels: int = 3, train: int = 1200) -> Arrays:
    """Ten patterns under noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(train + 200) % 10
    patterns = rng.integers(0, 256, (10, channels, 32, 32))
    images = (patterns[labels] // 3 + rng.integers(0, 171, (len(labels), channels, 32, 32))).astype(np.uint8)
    return Arrays(
        train_images=images[:train], train_labels=labels[:train], test_images=images[train:],
        test_labels=labels[train:], digest=f"patterns {channels} {train}", source="embedded",
    )  # fmt: skip


COLOUR, GREY = pixels(), pixels(channels=1)


def make(**fields) -> Cell:
    width = {"width": 1 / 8} if fields.get("model") == "cnn" else {}
    return Cell(**{"dataset": "toy", "model": "mlp", "norm": "batch", "epochs": 2, **width, **fields})


def train(*runs: Run, engine=None, keeper=None, arrays=COLOUR, device=DEVICE) -> dict[str, Trained]:
    engine = engine or graph.Graph()
    done = engine.train(runs, lambda run: prepare(run.cell, run.seed, arrays), keeper or Keeper(), device)
    return {run.id: trained for run, trained in done}


def one(cell: Cell, **options) -> Trained:
    (trained,) = train(Run(cell, 0), **options).values()
    return trained


def bits(trained: Trained) -> str:
    """All of a training but its durations."""
    rows = {name: column for name, column in trained.epochs.items() if name != "seconds"}
    return repr((rows, {n: getattr(trained, n) for n in trained.__dataclass_fields__ if n != "epochs"}))


@pytest.fixture
def eager(monkeypatch):
    """Steps are called instead of captured; what is called on the device is the same."""

    def switch():
        monkeypatch.setattr("bnstudy.engine.graph.training.capture", lambda step, *_: step)

    return switch


BOTH = [{"model": "mlp"}, {"model": "cnn"}]
VARIANTS = [
    {"norm": "none"},
    {"norm": "batch"},
    {"dropout": 0.5},
    {"dropout": 0.5, "last_batch": "keep", "batch_size": 100},
    {"grad_clip": 0.5, "penalty": "elastic_net", "penalty_strength": 1e-4},
    {"precision": "bf16"},
    {"precision": "fp32"},
    {"decay_patience": 1, "epochs": 4, "lr": 0.1},
]


@pytest.mark.parametrize("model", BOTH, ids=lambda f: f["model"])
@pytest.mark.parametrize("fields", VARIANTS, ids=lambda f: "-".join(map(str, f.values())))
def test_replaying_has_the_bits_of_calling(eager, model, fields):
    cell = make(**model, **fields)
    replayed = bits(one(cell))
    assert bits(one(cell)) == replayed
    eager()
    assert bits(one(cell)) == replayed


@pytest.mark.parametrize("name", [n for n in optimizers.REGISTRY if is_capturable(make(optimizer=n))])
def test_every_capturable_optimizer_replays(eager, name):
    cell = make(optimizer=name, lr=0.001)
    replayed = one(cell)
    eager()
    assert bits(one(cell)) == bits(replayed)
    assert replayed.epochs["data_loss"][-1] < replayed.epochs["data_loss"][0]


def test_a_cnn_of_one_channel_replays(eager):
    """Its first convolution has two ways to write its memory layout."""
    cell = make(model="cnn")
    replayed = bits(one(cell, arrays=GREY))
    eager()
    assert bits(one(cell, arrays=GREY)) == replayed


class Saving(Keeper):
    def __init__(self, given: bytes | None = None):
        self.given, self.saved = given, []

    def restore(self, run):
        return None if self.given is None else torch.load(io.BytesIO(self.given), weights_only=True)

    def epoch_done(self, run, row, state):
        buffer = io.BytesIO()
        torch.save(state(), buffer)
        self.saved.append(buffer.getvalue())


@pytest.mark.parametrize("model", BOTH, ids=lambda f: f["model"])
@pytest.mark.parametrize("optimizer", ["nesterov", "adam"])
def test_a_run_resumed_at_any_epoch_has_the_same_bits(model, optimizer):
    cell, keeper = make(**model, optimizer=optimizer, dropout=0.5, epochs=3, decay_patience=1), Saving()
    whole = bits(one(cell, keeper=keeper))
    for state in keeper.saved:
        assert bits(one(cell, keeper=Saving(state))) == whole


@pytest.mark.parametrize("model", BOTH, ids=lambda f: f["model"])
def test_runs_on_streams_have_the_bits_of_runs_alone(model):
    fields = [{}, {"dropout": 0.5, "epochs": 1}, {"batch_size": 32, "norm": "none"}, {"activation": "elu"}]
    runs = [Run(make(**model, **f), seed) for f in fields for seed in range(2)]
    alone = {run.id: bits(trained) for run in runs for trained in train(run).values()}
    packed = train(*runs, engine=graph.Graph(side_by_side=4))
    assert {name: bits(trained) for name, trained in packed.items()} == alone


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("model", BOTH, ids=lambda f: f["model"])
def test_fifty_steps_lose_what_the_references_lose(model, norm):
    """On the same device, and against a CPU; without TF32, whose rounding training amplifies."""
    arrays, fp32 = pixels(train=3556), {"epochs": 1, "precision": "fp32"}
    cell = make(**model, norm=norm, **fp32, lr=0.001)
    ours, same = one(cell, arrays=arrays), one(cell, arrays=arrays, engine=Reference())
    cpu = one(cell, arrays=arrays, engine=Reference(), device="cpu")
    for plain in (same, cpu):
        assert ours.first_batch_loss == pytest.approx(plain.first_batch_loss, rel=1e-5)
        assert ours.epochs["data_loss"][0] == pytest.approx(plain.epochs["data_loss"][0], rel=1e-5)
        assert ours.epochs["data_loss"][1] == pytest.approx(plain.epochs["data_loss"][1], rel=1e-3)


def test_precision_is_what_its_label_says():
    """The loss of the first batch against float64: TF32 keeps 10 bits of a factor, bf16 keeps 7."""
    run = Run(make(epochs=1, norm="none", lr=0.001), 0)
    data = prepare(run.cell, 0, COLOUR)
    network = graph.Training(run, Resident(data, DEVICE), DEVICE).model.double()
    images = data.validation_images.to(DEVICE)
    with torch.no_grad():
        exact = network(images.double())
        found = {}
        for precision in ("default", "fp32", "bf16"):
            cell = make(norm="none", precision=precision)
            training = graph.Training(Run(cell, 0), Resident(data, DEVICE), DEVICE)
            with training._on_stream():
                logits, _, _ = training._loss(images, data.validation_labels.to(DEVICE))
                found[precision] = ((logits.double() - exact).norm() / exact.norm()).item()
            torch.cuda.synchronize()
    assert found["fp32"] < 1e-5
    if torch.cuda.get_device_capability() >= (8, 0):
        assert 1e-5 < found["default"] < 3e-3
    assert 1e-3 < found["bf16"] < 5e-2


@pytest.mark.parametrize("model", BOTH, ids=lambda f: f["model"])
def test_the_host_never_waits_inside_an_epoch(model):
    cell = make(**model, dropout=0.5, penalty="l2", penalty_strength=5e-4, grad_clip=1.0, last_batch="keep")
    data = prepare(cell, 0, COLOUR)
    training = graph.Training(Run(cell, 0), Resident(data, DEVICE), DEVICE)
    for _ in range(2):
        training.begin()
        torch.cuda.set_sync_debug_mode("error")
        try:
            for index in range(training.batches):
                training.launch(index)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        assert math.isfinite(training.end()["data_loss"])


@pytest.mark.parametrize("model", BOTH, ids=lambda f: f["model"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_trains(model, setting):
    cell = make(**model, epochs=1, **SETTINGS[setting])
    assert graph.Graph().supports(cell, DEVICE)
    trained = one(cell)
    assert trained.epochs_run == 1
    assert len(trained.layers["weight_grad.l2"][0]) == len(trained.layers["names"])
    assert trained.outcome == "diverged" or math.isfinite(trained.epochs["data_loss"][1])
    assert sum(trained.test["last"]["predicted"]) == 200


def test_bytes_on_the_device_standardize_to_the_very_images():
    data = prepare(make(), 0, COLOUR)
    resident, chosen = Resident(data, DEVICE), torch.randperm(500)
    assert resident.is_bytes
    for channels_last in (False, True):
        assert torch.equal(resident.batch(chosen.to(DEVICE), channels_last).cpu(), data.train_images[chosen])


def test_memory_is_given_back():
    cell = make(model="cnn", epochs=1)
    engine, held = graph.Graph(), []
    for seed in range(4):
        train(Run(cell, seed), engine=engine)
        torch.cuda.synchronize()
        held.append(torch.cuda.memory_allocated())
    assert held[3] <= held[1] * 1.05
