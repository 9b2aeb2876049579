"""The graph engine on a GPU: replaying changes no bit, nothing waits inside an epoch, every kind of setting trains.

Few cells, each with several settings at once: on an H200 all tests marked `gpu` have two minutes together. Two CNNs
side by side are left to `bench.gpu`, since their batch norms could block each other.
"""

import math

import pytest
import torch

from bnstudy.design.cell import Run
from bnstudy.design.labels import SETTINGS
from bnstudy.networks import optimizers
from bnstudy.training.engine import graph
from bnstudy.training.engine.digests import weights_digest
from bnstudy.training.engine.graph.optimizer import is_capturable, state_tensors
from bnstudy.training.engine.graph.resident import Resident
from bnstudy.training.engine.inputs import prepare
from bnstudy.training.engine.reference import Reference
from training.engine.keepers import Saving
from training.engine.on_gpu import BOTH, COLOUR, DEVICE, GREY, NO_GPU, bits, make, one, pixels, train

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(NO_GPU, reason="no CUDA device")]


@pytest.fixture
def eager(monkeypatch):
    """Steps are called instead of captured; what is called on the device is the same."""

    def switch():
        monkeypatch.setattr("bnstudy.training.engine.graph.training.capture", lambda step, *_: step)

    return switch


VARIANTS = [
    {"norm": "none", "precision": "fp32"},
    {"decay_patience": 1, "epochs": 4, "lr": 0.1},
    {
        "dropout": 0.5,
        "last_batch": "keep",
        "batch_size": 100,
        "grad_clip": 0.5,
        "penalty": "l2",
        "penalty_strength": 1e-4,
    },
    {"precision": "bf16"},
]


@pytest.mark.parametrize("model", BOTH, ids=lambda f: f["model"])
@pytest.mark.parametrize("fields", VARIANTS, ids=lambda f: "-".join(map(str, f.values())))
def test_replaying_has_the_bits_of_calling(eager, model, fields):
    cell = make(**model, **fields)
    replayed = bits(one(cell))
    eager()
    assert bits(one(cell)) == replayed


def test_replaying_again_has_the_same_bits():
    cell = make(model="cnn", dropout=0.5)
    assert bits(one(cell)) == bits(one(cell))


@pytest.mark.parametrize("name", [n for n in optimizers.REGISTRY if is_capturable(make(optimizer=n))])
def test_every_capturable_optimizer_replays(eager, name):
    cell = make(optimizer=name, lr=1.0 if name == "adadelta" else 0.001)
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


ONE_OF_EACH = pytest.mark.parametrize(("model", "optimizer"), [("cnn", "nesterov"), ("mlp", "adam")])


@ONE_OF_EACH
def test_a_run_resumed_at_any_epoch_has_the_same_bits(model, optimizer):
    cell, keeper = make(model=model, optimizer=optimizer, dropout=0.5, epochs=3, decay_patience=1), Saving()
    whole = bits(one(cell, keeper=keeper))
    assert len(keeper.saved) == 3
    for state in keeper.saved:
        assert bits(one(cell, keeper=Saving(state))) == whole


def test_runs_on_streams_have_the_bits_of_runs_alone():
    fields = [{}, {"dropout": 0.5, "epochs": 1}, {"batch_size": 32, "norm": "none"}]
    runs = [Run(make(**f), seed) for f in fields for seed in range(2)]
    alone = {run.id: bits(trained) for run in runs for trained in train(run).values()}
    packed = train(*runs, engine=graph.Graph(side_by_side=4))
    assert {name: bits(trained) for name, trained in packed.items()} == alone


@pytest.mark.parametrize(("model", "norm"), [("mlp", "batch"), ("cnn", "none"), ("cnn", "batch")])
def test_fifty_steps_lose_what_the_references_lose(model, norm):
    """On the same device, and against a CPU; without TF32, whose rounding training amplifies."""
    arrays, fp32 = pixels(train=3556), {"epochs": 1, "precision": "fp32"}
    cell = make(model=model, norm=norm, **fp32, lr=0.001)
    ours, same = one(cell, arrays=arrays), one(cell, arrays=arrays, engine=Reference())
    cpu = one(cell, arrays=arrays, engine=Reference(), device="cpu")
    for plain in (same, cpu):
        assert ours.first_batch_loss == pytest.approx(plain.first_batch_loss, rel=1e-5)
        assert ours.epochs["data_loss"][0] == pytest.approx(plain.epochs["data_loss"][0], rel=1e-5)
        assert ours.epochs["data_loss"][1] == pytest.approx(plain.epochs["data_loss"][1], rel=1e-3)


@pytest.mark.parametrize(("model", "layers"), [("mlp", 1), ("cnn", 10)], ids=["mlp", "cnn"])
def test_precision_is_what_its_label_says(model, layers):
    """Logits against float64: TF32 keeps 10 bits of a factor, bf16 keeps 7; a deeper network adds up more of it."""
    data = prepare(make(), 0, COLOUR)
    images, labels = data.validation_images.to(DEVICE), data.validation_labels.to(DEVICE)

    def fresh(**fields):
        return graph.Training(Run(make(model=model, norm="none", **fields), 0), Resident(data, DEVICE), DEVICE)

    found = {}
    with torch.no_grad():
        exact = fresh().model.double()(images.double())
        for precision in ("default", "fp32", "bf16"):
            training = fresh(precision=precision)
            with training._on_stream():
                logits, _, _ = training._loss(images, labels)
                found[precision] = ((logits.double() - exact).norm() / exact.norm()).item()
    assert found["fp32"] < 1e-5 * layers
    assert found["default"] < 3e-3 * layers
    if model == "mlp" and torch.cuda.get_device_capability() >= (8, 0):
        assert found["default"] > 10 * found["fp32"]
    assert 1e-3 < found["bf16"] < 5e-2 * layers


@ONE_OF_EACH
def test_captures_leave_everything_as_it_was(model, optimizer):
    """Weights, running averages, optimizer, masks and totals: a capture and its warm-up train nothing."""
    cell = make(model=model, optimizer=optimizer, dropout=0.5, last_batch="keep")
    training = graph.Training(Run(cell, 0), Resident(prepare(cell, 0, COLOUR), DEVICE), DEVICE)

    def standing():
        torch.cuda.synchronize()
        tensors = [*training.model.state_dict().values(), *state_tensors(training.optimizer), training._totals]
        return [tensor.clone() for tensor in tensors], training.generator.get_state()

    before, drawn = standing()
    training.begin()
    after, still = standing()
    assert len(training._steps) > 1
    assert all(map(torch.equal, before, after))
    assert torch.equal(drawn, still)
    digest = weights_digest(training.model.state_dict())
    training.launch(0)
    torch.cuda.synchronize()
    assert weights_digest(training.model.state_dict()) != digest
    assert not torch.equal(training.generator.get_state(), drawn)


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype:UserWarning")
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


@pytest.mark.parametrize(
    "setting", ["sigmoid", "elu", "lr_high", "init_high", "weight_decay", "batch_1024", "relu_norm_after"]
)
def test_settings_with_kernels_or_numbers_unlike_the_others_train(setting):
    cell = make(model="cnn", epochs=1, **SETTINGS[setting])
    assert graph.Graph().supports(cell, DEVICE)
    trained = one(cell)
    assert trained.epochs_run == 1
    assert len(trained.layers["weight_grad.l2"][0]) == len(trained.layers["names"])
    assert trained.outcome == "diverged" or math.isfinite(trained.epochs["data_loss"][1])
    assert sum(trained.test["last"]["predicted"]) == 200
    assert trained.peak_memory > 4 * sum(trained.layers["sizes"])  # more than the weights


def test_bytes_on_the_device_standardize_to_the_very_images():
    data = prepare(make(), 0, COLOUR)
    resident, chosen = Resident(data, DEVICE), torch.randperm(500)
    assert resident.is_bytes
    for channels_last in (False, True):
        assert torch.equal(resident.batch(chosen.to(DEVICE), channels_last).cpu(), data.train_images[chosen])


def test_memory_is_given_back():
    """And no stream more is used, for which cuBLAS would keep a workspace."""
    cell = make(model="cnn", epochs=1)
    engine, held = graph.Graph(), []
    for seed in range(4):
        train(Run(cell, seed), engine=engine)
        torch.cuda.synchronize()
        held.append(torch.cuda.memory_allocated())
    assert held[3] <= held[1] * 1.05
