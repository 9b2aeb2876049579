"""The graph engine on a CPU: the very steps that a GPU captures, called. It must train as the reference does."""

import math

import pytest
import torch

from bnstudy import datasets
from bnstudy.design.cell import Cell, Run
from bnstudy.errors import TryAgain
from bnstudy.networks import models, optimizers
from bnstudy.networks.models.block import Dropout
from bnstudy.training.engine import graph
from bnstudy.training.engine.contract import Keeper, Trained
from bnstudy.training.engine.graph.capture import unchanged
from bnstudy.training.engine.graph.dropout import DrawnDropout, draw_on_device
from bnstudy.training.engine.graph.optimizer import make_capturable, state_tensors
from bnstudy.training.engine.graph.resident import Resident
from bnstudy.training.engine.inputs import prepare
from bnstudy.training.engine.reference import Reference
from bnstudy.training.engine.reference import Training as ReferenceTraining
from training.engine.keepers import Saving

ARRAYS = datasets.load("toy", None)
LR = 2**-6  # the same number in float32 and float64, so that a rate in a tensor changes no bit


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make(**fields) -> Cell:
    small = {"train_size": 300, "epochs": 2, "batch_size": 64, "lr": LR}
    return Cell(**{"dataset": "toy", "model": "mlp", "norm": "batch", **small, **fields})


def inputs(run: Run):
    return prepare(run.cell, run.seed, ARRAYS)


def train(*runs: Run, engine=None, keeper=None) -> dict[str, Trained]:
    engine = engine or graph.Graph()
    return {run.id: done for run, done in engine.train(runs, inputs, keeper or Keeper(), "cpu")}


def bits(trained: Trained) -> str:
    """All of a training but its durations."""
    rows = {name: column for name, column in trained.epochs.items() if name != "seconds"}
    return repr((rows, {n: getattr(trained, n) for n in trained.__dataclass_fields__ if n != "epochs"}))


def one(cell: Cell, **options) -> Trained:
    (trained,) = train(Run(cell, 0), **options).values()
    return trained


L2 = {"penalty": "l2", "penalty_strength": 5e-4}
VARIANTS = [
    {"norm": "none"},
    {"norm_placement": "post_activation", "activation": "elu"},
    {"norm": "none", "activation": "sigmoid", "init": "xavier", **L2},
    {"penalty": "elastic_net", "penalty_strength": 1e-4, "penalty_on": "all"},
    {"norm": "none", "grad_clip": 0.25},
    {"last_batch": "keep", "batch_size": 41},
    {"decay_patience": 1, "epochs": 6},
    {"norm": "none", "schedule": "power", "lr_min": 0.0, "decay_rate": 1.0},
    {"nesterov": "torch"},
    {"optimizer": "adam", "norm": "none"},
    {"optimizer": "rmsprop", "norm": "none", "lr": 2**-10},
    {"optimizer": "sgd"},
    {"population": "exact", "shuffle": "once"},
    {"output_norm": True, "gamma_init": "ones", "norm_bias": False},
    {"normed_layers": "every_second"},
    {"norm": "layer", "activation": "prelu"},
    {"norm": "group"},
    {"norm": "rms"},
    {"standardization": "dimension"},
    {"lr": 1024.0, "norm": "none", "epochs": 3},
    {"precision": "bf16"},
]


@pytest.mark.parametrize("fields", VARIANTS, ids=lambda f: "-".join(map(str, f.values())))
def test_an_mlp_trains_bit_for_bit_as_by_the_reference(fields):
    cell = make(**fields)
    assert bits(one(cell)) == bits(one(cell, engine=Reference()))


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_cnn_trains_as_by_the_reference_in_float64(norm):
    """Only the memory layout differs, so only rounding does."""
    run = Run(make(model="cnn", norm=norm, width=1 / 16, batch_size=16, **L2), 0)
    data = inputs(run)
    torch.set_default_dtype(torch.float64)
    try:
        double = data.__class__(**{n: _double(getattr(data, n)) for n in data.__dataclass_fields__})
        ours, plain = graph.Training(run, Resident(double, "cpu"), "cpu"), ReferenceTraining(run, double, "cpu")
        assert ours.channels_last
        graph.advance([ours], Keeper())
        row = plain.epoch(Keeper())
    finally:
        torch.set_default_dtype(torch.float32)
    assert ours.history.epochs()["data_loss"][1] == pytest.approx(row["data_loss"], rel=1e-9)
    for (name, a), b in zip(ours.model.named_parameters(), plain.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9, msg=name)
        assert a.is_contiguous(memory_format=torch.channels_last) or a.dim() < 4


def _double(value):
    return value.double() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


@pytest.mark.parametrize(
    "fields",
    [
        {"dropout": 0.5, "decay_patience": 1},
        {"optimizer": "adam", "norm": "none", "dropout": 0.2, "last_batch": "keep"},
        {"dropout": 0.5, "dropout_at": "before_norm"},
    ],
    ids=["nesterov", "adam", "before_norm"],
)
def test_a_run_resumed_at_any_epoch_has_the_same_bits(fields):
    cell, keeper = make(epochs=4, **fields), Saving()
    whole = bits(one(cell, keeper=keeper))
    assert len(keeper.saved) == 4
    for state in keeper.saved:
        assert bits(one(cell, keeper=Saving(state))) == whole


def test_measuring_changes_no_bit(monkeypatch):
    cell = make(dropout=0.5, grad_clip=1.0, **L2)
    measured = one(cell)
    monkeypatch.setattr("bnstudy.training.engine.graph.training.sampled_steps", lambda batches: frozenset())
    plain = one(cell)
    assert plain.epochs["weights_digest"] == measured.epochs["weights_digest"]
    assert plain.epochs["data_loss"] == measured.epochs["data_loss"]
    assert math.isnan(plain.layers["weight.l2"][0][0])
    assert measured.layers["weight.l2"][0][0] > 0


def test_the_warm_up_of_a_capture_changes_no_bit(monkeypatch):
    """What a step changes is put back: parameters, running averages, optimizer, totals, statistics, dropout."""
    cell = make(dropout=0.5, last_batch="keep", batch_size=41, epochs=3)
    cold = bits(one(cell))
    warmed = []

    def rehearsed(step, kept, generator, stream, pool):
        with unchanged(kept, generator):
            step()
            step()
        warmed.append(step)
        return step

    monkeypatch.setattr("bnstudy.training.engine.graph.training.capture", rehearsed)
    assert bits(one(cell)) == cold
    assert len(warmed) == 2  # 270 images: 6 full batches and one of 24, all measured


def test_runs_side_by_side_have_the_bits_of_runs_alone():
    cells = [make(dropout=0.5), make(norm="none", batch_size=32, epochs=3), make(epochs=1, last_batch="keep")]
    runs = [Run(cell, seed) for cell in cells for seed in range(2)]
    alone = {run.id: one_bits for run in runs for one_bits in [bits(next(iter(train(run).values())))]}
    packed = train(*runs, engine=graph.Graph(side_by_side=4))
    assert {name: bits(done) for name, done in packed.items()} == alone
    assert len(packed) == 6


# memory


def test_a_run_without_room_is_trained_again_alone(monkeypatch):
    runs = [Run(make(epochs=2), seed) for seed in range(3)]
    calm = {name: bits(done) for name, done in train(*runs).items()}
    advance, widths = graph.advance, []

    def cramped(trainings, keeper):
        widths.append(len(trainings))
        if len(trainings) > 1:
            raise torch.OutOfMemoryError
        advance(trainings, keeper)

    monkeypatch.setattr(graph, "advance", cramped)
    assert {name: bits(done) for name, done in train(*runs, engine=graph.Graph(2)).items()} == calm
    assert widths == [2, 1, 1, 1, 1, 1, 1]


def test_a_run_that_never_fits_is_named(monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(graph.Training, "launch", full)
    run = Run(make(), 0)
    with pytest.raises(TryAgain, match=f"{run.id}: does not fit into the memory of cpu, even alone"):
        train(run)


def test_a_request_to_stop_ends_the_epoch():
    class Impatient(Keeper):
        asked = 0

        def stopping(self):
            self.asked += 1
            return self.asked > 5

    with pytest.raises(TryAgain):
        train(Run(make(), 0), keeper=Impatient())


# the parts


@pytest.mark.parametrize("standardization", ["scalar", "channel", "dimension"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_bytes_standardize_to_the_very_images(standardization, channels_last):
    data = inputs(Run(make(standardization=standardization), 0))
    resident = Resident(data, "cpu")
    chosen = torch.randperm(100)
    batch = resident.batch(chosen, channels_last)
    assert resident.is_bytes
    assert torch.equal(batch, data.train_images[chosen])
    assert batch.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def test_images_that_are_no_bytes_stay_as_they_are():
    data = inputs(Run(make(), 0))
    half = data.__class__(
        **{n: getattr(data, n) for n in data.__dataclass_fields__} | {"train_images": data.train_images / 2}
    )
    resident = Resident(half, "cpu")
    assert not resident.is_bytes
    assert torch.equal(resident.batch(torch.arange(9), False), half.train_images[:9])


def test_masks_depend_on_the_seed_and_the_shapes_of_masks_alone():
    """Cells of one seed that differ in anything else drop the same units; a higher `p` drops more of them."""
    masks = drawn(0)
    for fields in ({"norm": "none"}, {"activation": "elu"}, {"optimizer": "sgd", "lr": 1.0}):
        assert torch.equal(drawn(0, **fields), masks)
    assert not torch.equal(drawn(1), masks)
    assert not torch.equal(drawn(0, images=32)[:, :, :32], masks[:, :, :32])
    more = drawn(0, dropout=0.5)
    assert set(more[masks == 0].tolist()) == {0.0}
    assert (more == 0).sum() > 2 * (masks == 0).sum()


def test_masks_are_inverted_and_differ_by_step_and_layer():
    masks = drawn(0).flatten(0, 1)
    assert not any(torch.equal(a, b) for i, a in enumerate(masks) for b in masks[:i])
    assert set(masks.unique().tolist()) == {0.0, 1.25}
    assert masks.mean().item() == pytest.approx(1, abs=0.02)


def drawn(seed: int, images: int = 64, **fields) -> torch.Tensor:
    """Masks of a network's three dropouts in its first five steps: (steps, layers, images, units)."""
    model = models.build(make(**{"dropout": 0.2, **fields}), models.ImageShape(1, 32, 32, 10))
    draw_on_device(model, seed, "cpu")
    blocks, ones = model.train().blocks[:-1], torch.ones(images, 100)
    return torch.stack([torch.stack([block.dropout(ones) for block in blocks]) for _ in range(5)])


def test_whole_maps_are_dropped():
    dropout = DrawnDropout(Dropout("a", 0.5, "maps"), torch.Generator().manual_seed(0))
    dropped = dropout(torch.ones(8, 6, 4, 4)).flatten(2)
    assert torch.equal(dropped.amin(2), dropped.amax(2))
    assert 0 < (dropped == 0).float().mean() < 1
    assert torch.equal(dropout.eval()(torch.ones(2, 3, 4, 4)), torch.ones(2, 3, 4, 4))


def test_only_the_dropouts_of_a_network_are_replaced():
    training = graph.Training(Run(make(dropout=0.5), 3), Resident(inputs(Run(make(), 3)), "cpu"), "cpu")
    kinds = [type(block.dropout) for block in training.model.blocks]
    assert kinds == [DrawnDropout] * 3 + [torch.nn.Identity]
    other = draw_on_device(training.model, 4, "cpu")
    assert other.initial_seed() != training.generator.initial_seed()


@pytest.mark.parametrize("name", optimizers.REGISTRY)
def test_a_primed_optimizer_makes_the_steps_of_a_fresh_one(name):
    cell, gradients = make(optimizer=name), torch.randn(3, 4, generator=torch.Generator().manual_seed(0))

    def stepped(prepare_optimizer: bool) -> torch.Tensor:
        parameter = torch.nn.Parameter(torch.linspace(-1, 1, 4))
        optimizer = optimizers.REGISTRY[name]([parameter], cell)
        if prepare_optimizer:
            make_capturable(optimizer, "cpu")
            assert state_tensors(optimizer) or name == "sgd"
        for gradient in gradients:
            parameter.grad = gradient.clone()
            optimizer.step()
        return parameter.detach()

    assert torch.equal(stepped(True), stepped(False))


def test_it_supports_what_can_be_captured_and_only_gpus():
    engine = graph.Graph()
    assert engine.supports(make(), "cuda:0")
    assert engine.supports(make(model="cnn", optimizer="adam", precision="bf16", dropout=0.5), "cuda:1")
    assert not engine.supports(make(optimizer="adagrad"), "cuda:0")
    assert not engine.supports(make(), "cpu")
