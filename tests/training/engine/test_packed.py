"""The packed engine's promise: the same bits alone and in any pack, after repacking and after a resume."""

import io
import random

import pytest
import torch

from bnstudy.design.cell import Cell, Run
from bnstudy.design.fields import FIELDS
from bnstudy.errors import TryAgain
from bnstudy.networks import optimizers
from bnstudy.training.engine import packed, scope
from bnstudy.training.engine.contract import Keeper, Trained
from bnstudy.training.engine.inputs import Inputs
from bnstudy.training.engine.packed.member import BY_VALUE
from bnstudy.training.engine.reference import Reference


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)


def make(**fields) -> Cell:
    return Cell(**{"dataset": "toy", "model": "mlp", "norm": "none", "batch_size": 41, "epochs": 2, **fields})


def noisy_inputs(n: int = 150, side: int = 16) -> Inputs:
    """Ten patterns under much noise, so that accuracies move."""
    g = torch.Generator().manual_seed(7)
    labels = torch.randint(0, 10, (3, n), generator=g)
    images = torch.randn(10, 1, side, side, generator=g)[labels] + 3 * torch.randn(3, n, 1, side, side, generator=g)
    return Inputs(
        train_images=images[0], train_labels=labels[0], validation_images=images[1], validation_labels=labels[1],
        test_images=images[2], test_labels=labels[2], classes=10, data_digest="", data_source="",
        mean=torch.zeros(()), std=torch.ones(()),
    )  # fmt: skip


DATA = noisy_inputs()


def train(runs, keeper=None, engine=None) -> dict[str, Trained]:
    engine = engine or packed.Packed()
    return {run.id: done for run, done in engine.train(runs, lambda run: DATA, keeper or Keeper(), "cpu")}


def bits(trained: Trained) -> str:
    """All of a training but its durations."""
    rows = {name: column for name, column in trained.epochs.items() if name != "seconds"}
    return repr((rows, {n: getattr(trained, n) for n in trained.__dataclass_fields__ if n != "epochs"}))


def sixteen(**fields) -> list[Run]:
    penalized = {"penalty": "l2", "penalty_strength": 5e-4}
    cells = [make(**fields), make(**fields, lr=0.1), make(**fields, init="xavier"), make(**fields, **penalized)]
    return [Run(cell, seed) for cell in cells for seed in range(4)]


AFTER = {"norm": "batch", "norm_placement": "post_activation"}
MORE = {"dropout": 0.5, "batch_size": 64, "last_batch": "keep"}
SHAPES = [
    {"activation": activation, "norm": norm} for activation in ("relu", "elu", "sigmoid") for norm in ("none", "batch")
]
SHAPES += [AFTER, {**MORE}, {**MORE, "norm": "batch", "activation": "sigmoid"}, {**MORE, **AFTER, "activation": "elu"}]
SHAPES += [{"dropout": 0.5, "dropout_at": "before_norm", "norm": "batch", "normed_layers": "every_second"}]
SHAPES += [{"norm": "layer"}, {"norm": "group", "activation": "elu"}, {**AFTER, "norm": "rms", "activation": "sigmoid"}]
SHAPES += [{"optimizer": "adam"}, {"optimizer": "rmsprop", "norm": "batch"}, {"optimizer": "adadelta", "dropout": 0.5}]
SHAPES += [{"activation": "prelu"}, {**MORE, "norm": "group", "activation": "prelu", "width": 0.25}]


@pytest.mark.parametrize("fields", SHAPES, ids=lambda f: "-".join(map(str, f.values())))
def test_packs_of_1_7_and_16_in_any_order_give_the_same_bits(fields, monkeypatch):
    runs = sixteen(**fields)
    wanted = None
    for size in (1, 7, 16):
        monkeypatch.setattr(packed, "STACK", size)
        random.Random(size).shuffle(runs)
        found = {run_id: bits(done) for run_id, done in train(runs).items()}
        assert len(set(found.values())) == 16
        wanted = wanted or found
        assert found == wanted


def test_a_random_cell_of_a_pack_has_alone_the_same_digest_in_every_epoch(monkeypatch):
    monkeypatch.setattr(packed, "STACK", 16)
    runs = sixteen(norm="batch", epochs=4)
    pack = train(runs)
    chosen = random.Random().choice(runs)
    alone = train([chosen])
    assert alone[chosen.id].epochs["weights_digest"] == pack[chosen.id].epochs["weights_digest"]
    assert len(set(alone[chosen.id].epochs["weights_digest"])) == 5


class Watching(Keeper):
    """Keeps the state of every boundary as a checkpoint would, and the order of the epochs."""

    def __init__(self):
        self.saved: dict[str, list[bytes]] = {}
        self.order: list[tuple[str, int]] = []

    def epoch_done(self, run, row, state):
        buffer = io.BytesIO()
        torch.save(state(), buffer)
        self.saved.setdefault(run.id, []).append(buffer.getvalue())
        self.order.append((run.id, row["epoch"]))


class Resuming(Keeper):
    def __init__(self, saved: dict[str, bytes]):
        self.saved = saved

    def restore(self, run):
        payload = self.saved.get(run.id)
        return payload and torch.load(io.BytesIO(payload), weights_only=True)


def test_runs_enter_and_leave_a_stack_and_keep_their_bits(monkeypatch):
    """Two places for six runs that stop at different epochs: later ones enter while others go on."""
    monkeypatch.setattr(packed, "STACK", 2)
    cells = [make(norm="batch", epochs=12, stop_patience=2, lr=lr) for lr in (0.1, 0.03, 0.001)]
    runs = [Run(cell, seed) for cell in cells for seed in (0, 1)]
    watching = Watching()
    stacked = train(runs, watching)
    assert len({done.epochs_run for done in stacked.values()}) > 1
    places = [{run for run, _ in watching.order[i : i + 2]} for i in range(len(watching.order) - 1)]
    epochs = [{epoch for _, epoch in watching.order[i : i + 2]} for i in range(len(watching.order) - 1)]
    assert any(len(p) == 2 and 1 in e and max(e) > 2 for p, e in zip(places, epochs, strict=True))
    for run in runs:
        assert bits(train([run])[run.id]) == bits(stacked[run.id])


@pytest.mark.parametrize(
    "fields",
    [
        {"dropout": 0.5, "last_batch": "keep"},
        {"norm": "batch", "decay_patience": 1, "stop_patience": 0, "penalty": "l2", "penalty_strength": 0.01},
        {"norm": "batch", "nesterov": "torch", "schedule": "exponential", "shuffle": "once"},
        {"optimizer": "momentum", "tested_weights": "best"},
        {"norm": "group", "activation": "prelu", "tested_weights": "best"},
        *({"optimizer": rule, "decay_patience": 1, "norm": "batch"} for rule in BY_VALUE),
    ],
)
def test_a_resume_at_any_boundary_gives_the_same_bits(fields):
    runs = [Run(make(**fields, epochs=4), seed) for seed in (0, 1)]
    watching = Watching()
    whole = train(runs, watching)
    for boundary in range(4):
        saved = {runs[0].id: watching.saved[runs[0].id][boundary]}  # the other run starts anew beside it
        again = train(runs, Resuming(saved))
        assert {i: bits(t) for i, t in again.items()} == {i: bits(t) for i, t in whole.items()}


def test_statistics_change_no_bits(monkeypatch):
    runs = sixteen(norm="batch", dropout=0.5)[::5]
    measured = train(runs)
    monkeypatch.setattr("bnstudy.training.engine.packed.stack.sampled_steps", lambda batches: frozenset([0]))
    unmeasured = train(runs)
    for run in runs:
        assert measured[run.id].layers != unmeasured[run.id].layers
        assert measured[run.id].epochs["weights_digest"] == unmeasured[run.id].epochs["weights_digest"]


FALLING = {"schedule": "exponential", "decay_rate": 0.5}
AGREEING = [
    {"norm": "batch"},
    {"norm": "batch", "norm_placement": "post_activation", "activation": "elu", "last_batch": "keep"},
    {"dropout": 0.5, "activation": "sigmoid"},
    {"dropout": 0.5, "dropout_at": "last", "activation": "tanh"},
    {"dropout": 0.5, "dropout_at": "before_norm", "norm": "batch"},
    {"dropout": 0.5, "dropout_at": "before_norm", "activation": "elu"},
    {"norm": "layer"},
    {"norm": "group", "normed_layers": "first", "activation": "prelu"},
    {"norm": "group", "width": 0.25, "last_batch": "keep"},
    {"norm": "rms", "activation": "softplus"},
    {
        "norm": "rms",
        "norm_placement": "post_activation",
        "penalty": "l2",
        "penalty_strength": 5e-4,
        "penalty_on": "all",
    },
    {"activation": "prelu", "nesterov": "torch"},
    {"norm": "batch", "normed_layers": "first"},
    {"norm": "batch", "normed_layers": "last", "norm_placement": "post_activation"},
    {"norm": "batch", "penalty": "elastic_net", "penalty_strength": 5e-4},
    {"penalty": "l2", "penalty_strength": 5e-4, "penalty_on": "all", "decay_patience": 1},
    {"nesterov": "torch", "decay_patience": 1},
    {"optimizer": "sgd", "schedule": "exponential", "shuffle": "once"},
    *(
        {"optimizer": rule, "lr": 0.001, "penalty": "elastic_net", "penalty_strength": 5e-4, **FALLING}
        for rule in BY_VALUE
    ),
    {"optimizer": "adam", "norm": "batch", "dropout": 0.5, "decay_patience": 1, "lr": 0.001},
    {
        "optimizer": "adadelta",
        "norm": "batch",
        "lr": 1.0,
        "penalty": "l2",
        "penalty_strength": 5e-4,
        "penalty_on": "all",
    },
    {"width": 0.125, "activation": "leaky_relu"},
    {"folds": 4, "fold": 3},
]


@pytest.mark.parametrize("fields", AGREEING)
def test_records_agree_with_the_reference(fields):
    """The same numbers in every column; a few epochs leave float32's rounding no time to grow."""
    run = Run(make(**{"epochs": 3, **fields}), 1)
    ours, plain = train([run])[run.id], train([run], engine=Reference())[run.id]
    assert ours.epochs["weights_digest"][0] == plain.epochs["weights_digest"][0]
    assert ours.first_batch_loss == pytest.approx(plain.first_batch_loss, rel=1e-5)
    assert (ours.outcome, ours.stopped, ours.epochs_run) == (plain.outcome, plain.stopped, plain.epochs_run)
    assert ours.epochs["lr"] == plain.epochs["lr"]
    for name in ("data_loss", "penalty", "validation_loss"):
        assert ours.epochs[name] == pytest.approx(plain.epochs[name], rel=1e-4), name
    for name in ("train_accuracy", "validation_accuracy"):
        assert ours.epochs[name] == pytest.approx(plain.epochs[name], abs=0.7), name
    assert list(ours.layers) == list(plain.layers)
    assert [ours.layers[n] for n in ("names", "sizes", "epoch")] == [
        plain.layers[n] for n in ("names", "sizes", "epoch")
    ]
    for name in list(ours.layers)[3:]:
        found, wanted = torch.tensor(ours.layers[name]), torch.tensor(plain.layers[name])
        assert torch.equal(found.isnan(), wanted.isnan()), name
        scale = wanted.nan_to_num().abs().max()
        biases = name.startswith("bias_grad") and run.cell.norm == "batch"  # pure rounding before a norm
        assert (found - wanted).nan_to_num()[:, 3 if biases else 0 :].abs().max() <= 1e-3 * scale + 1e-6, name
    assert list(ours.early) == list(plain.early)
    assert ours.early["step"] == plain.early["step"]
    for name in list(ours.early)[1:]:
        found, wanted = torch.tensor(ours.early[name]), torch.tensor(plain.early[name])
        assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-3 * wanted.nan_to_num().max(), equal_nan=True), name
    of_classes = [sum(row) for row in ours.test["confusion"]]
    assert of_classes == [sum(row) for row in plain.test["confusion"]]
    assert [sum(column) for column in zip(*ours.test["confusion"], strict=True)] == ours.test["last"]["predicted"]
    for which in ("last", "best"):
        assert ours.test[which]["loss"] == pytest.approx(plain.test[which]["loss"], rel=1e-4)
        assert sum(ours.test[which]["predicted"]) == ours.test["images"] == 150


def test_divergence_is_told_as_by_the_reference():
    run = Run(make(lr=1e4, epochs=2), 0)
    ours, plain = train([run])[run.id], train([run], engine=Reference())[run.id]
    assert ours.outcome == plain.outcome == "diverged"
    assert ours.diverged_at == plain.diverged_at
    assert ours.test["last"]["predicted"] == [150, *[0] * 9] == plain.test["last"]["predicted"]
    assert ours.test["last"]["accuracy"] == plain.test["last"]["accuracy"] > 0


def test_a_diverged_neighbour_changes_nothing():
    lost, sound = Run(make(lr=1e4), 0), Run(make(lr=0.01), 0)
    assert bits(train([lost, sound])[sound.id]) == bits(train([sound])[sound.id])


def test_a_request_to_stop_ends_at_once():
    class Stopping(Keeper):
        def stopping(self):
            return True

    with pytest.raises(TryAgain):
        train([Run(make(), 0)], Stopping())


def test_a_finished_checkpoint_trains_no_more():
    run, watching = Run(make(), 0), Watching()
    whole = train([run], watching)
    again = Resuming({run.id: watching.saved[run.id][-1]})
    again.epoch_done = lambda *_: pytest.fail("trained on")
    assert bits(train([run], again)[run.id]) == bits(whole[run.id])


def test_every_setting_of_the_thesis_is_supported_and_the_rest_left_to_the_reference():
    from bnstudy.design.labels import SETTINGS

    engine = packed.Packed()
    for name, fields in SETTINGS.items():
        for norm in ("none", "batch"):
            if norm == "batch" or "norm_placement" not in fields:
                assert engine.supports(make(norm=norm, **{"batch_size": 64, **fields}), "cpu"), name
    for fields in ({"activation": "prelu"}, {"norm": "layer"}, {"norm": "group"}, {"norm": "rms"}):
        assert engine.supports(make(**fields), "cpu")
    for rule in optimizers.REGISTRY:
        assert engine.supports(make(optimizer=rule), "cpu")
    assert not engine.supports(make(), "cuda:0")
    for other in (
        {"optimizer": "adam", "squares_decay": 0.99},
        {"grad_clip": 1.0},
        {"precision": "bf16"},
        {"model": "cnn"},
    ):
        assert not engine.supports(make(**other), "cpu")
    for other in ({"population": "exact"}, {"norm_bias": False}, {"output_norm": True}):
        assert not engine.supports(make(norm="batch", **other), "cpu")


def test_a_field_that_the_fast_engines_do_not_know_goes_to_the_reference(monkeypatch):
    cell = make(lr=0.02)
    assert packed.Packed().supports(cell, "cpu")
    monkeypatch.setattr(scope, "KNOWN", scope.KNOWN - {"lr"})
    assert not packed.Packed().supports(cell, "cpu")
    assert not scope.KNOWN - FIELDS.keys(), "names that are no fields"
