"""The reference engine: what it does to a network is pinned here; that it does it fast is not its business."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from bnstudy.design.cell import Cell, Run
from bnstudy.errors import TryAgain
from bnstudy.networks import activations, losses, models, random_streams
from bnstudy.results.record import EARLY_COLUMNS, EPOCH_COLUMNS, LAYER_COLUMNS
from bnstudy.training.engine import observation, population, reference
from bnstudy.training.engine.contract import Keeper
from bnstudy.training.engine.inputs import Inputs
from bnstudy.training.engine.memory import PeakMemory
from bnstudy.training.engine.observation import dead_share, evaluate, graded, is_lost
from bnstudy.training.engine.reference import Reference, Training
from bnstudy.training.engine.statistics import SAMPLES


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def inputs(n: int, side: int) -> Inputs:
    """Ten patterns under noise; n training images, as many for validation and test."""
    g = torch.Generator().manual_seed(3)
    labels = torch.randint(0, 10, (3, n), generator=g)
    images = torch.randn(10, 1, side, side, generator=g)[labels] + 2 * torch.randn(3, n, 1, side, side, generator=g)
    return Inputs(
        train_images=images[0], train_labels=labels[0], validation_images=images[1], validation_labels=labels[1],
        test_images=images[2], test_labels=labels[2], classes=10, data_digest="", data_source="",
        mean=torch.zeros(()), std=torch.ones(()),
    )  # fmt: skip


SMALL, FULL = inputs(150, 8), inputs(70, 32)


def make(**fields) -> Cell:
    return Cell(
        **{"dataset": "toy", "model": "mlp", "norm": "none", "width": 0.1, "batch_size": 41, "epochs": 3} | fields
    )


def cnn(**fields) -> Cell:
    return make(**{"model": "cnn", "width": 1 / 32, "batch_size": 32, "epochs": 2} | fields)


def data(cell: Cell) -> Inputs:
    return FULL if cell.model == "cnn" else SMALL


def train(cell: Cell, keeper: Keeper | None = None, seed: int = 0):
    [(_, trained)] = Reference().train([Run(cell, seed)], lambda run: data(run.cell), keeper or Keeper(), "cpu")
    return trained


def bits(trained) -> str:
    """All of a training but its durations."""
    rows = {name: column for name, column in trained.epochs.items() if name != "seconds"}
    return repr((rows, {n: getattr(trained, n) for n in trained.__dataclass_fields__ if n != "epochs"}))


CELLS = {
    "plain": make(),
    "batch": make(norm="batch"),
    "dropout": make(dropout=0.5, penalty="l2", penalty_strength=1e-3),
    "adam": make(optimizer="adam"),
    "keep": make(last_batch="keep"),
    "exact": make(norm="batch", population="exact"),
    "cnn": cnn(),
    "cnn-batch-dropout": cnn(norm="batch", dropout=0.5),
}


@pytest.fixture(scope="module")
def whole():
    """Each cell trained without interruption, once."""
    done: dict[str, object] = {}
    return lambda name: done.setdefault(name, train(CELLS[name]))


@pytest.mark.parametrize("name", CELLS)
def test_a_training_has_every_column_of_a_record(name, whole):
    trained = whole(name)
    n, layers = CELLS[name].epochs, len(trained.layers["names"])
    assert trained.epochs.keys() == set(EPOCH_COLUMNS)
    assert trained.epochs["epoch"] == list(range(n + 1))
    assert trained.layers["epoch"] == list(range(1, n + 1))
    for column in set(LAYER_COLUMNS) - {"saturated_share"}:
        assert [len(row) for row in trained.layers[column]] == [layers] * n
    assert "saturated_share" not in trained.layers
    assert (trained.outcome, trained.stopped, trained.epochs_run) == ("finished", "epochs", n)
    for which in ("last", "best"):
        assert sum(trained.test[which]["predicted"]) == trained.test["images"]
    assert trained.early.keys() == {"step", "data_loss", *EARLY_COLUMNS}
    assert all(len(column) == len(trained.early["step"]) for column in trained.early.values())
    assert trained.peak_memory is None  # of a GPU


def by_step(monkeypatch, cell: Cell) -> tuple[object, list[float], list[list[torch.Tensor]]]:
    """A training, with the data loss of each step and the weight gradients that the optimizer got."""
    losses, gradients, update = [], [], Training._update

    def spied(self, *args):
        found = update(self, *args)
        losses.append(found[0].item())
        gradients.append([block.layer.weight.grad.clone() for block in self.model.blocks])
        return found

    monkeypatch.setattr(Training, "_update", spied)
    return train(cell), losses, gradients


@pytest.mark.parametrize(
    "fields", [{}, {"norm": "batch", "penalty": "l2", "penalty_strength": 0.1}], ids=["none", "l2"]
)
def test_the_first_steps_are_kept_apart(monkeypatch, fields):
    trained, losses, gradients = by_step(monkeypatch, make(batch_size=4, epochs=2, **fields))
    assert trained.early["step"] == [*range(1, 21), 30]  # of 37 batches
    for row, step in enumerate(trained.early["step"]):
        assert trained.early["data_loss"][row] == losses[step - 1]
        each = [g.abs() for g in gradients[step - 1]]
        assert trained.early["weight_grad.mean_abs"][row] == pytest.approx([g.mean().item() for g in each], rel=1e-5)
        assert trained.early["weight_grad.max_abs"][row] == pytest.approx([g.max().item() for g in each], rel=1e-6)
    assert math.isnan(trained.early["zero_share"][0][-1])
    assert all(0 < share < 1 for share in trained.early["zero_share"][0][:-1])


def test_a_period_of_steps_has_early_steps_of_its_first(monkeypatch):
    trained, losses, _ = by_step(monkeypatch, make(batch_size=4, steps=60, eval_every=25, epochs=100))
    assert trained.early["step"] == list(range(1, 21))
    assert trained.early["data_loss"] == losses[:20]


@pytest.mark.parametrize(
    "fields", [{"lr": 1e4}, {"lr": 30.0, "norm": "none", "batch_size": 4}], ids=["at once", "later"]
)
def test_the_step_of_a_divergence_is_told(monkeypatch, fields):
    trained, losses, _ = by_step(monkeypatch, make(epochs=2, **fields))
    first = next(step for step, loss in enumerate(losses, 1) if not math.isfinite(loss))
    assert trained.diverged_at["step"] == first > 1


def test_the_test_report_counts_each_class_and_answer():
    labels, last = torch.tensor([0, 0, 1, 2, 2, 2]), torch.tensor([0, 1, 1, 1, 2, 2])
    found = {"last": (last, 0.5), "best": (labels, 0.25)}
    report = graded(make(), labels, 4, found)
    assert report["confusion"] == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 1, 2, 0], [0, 0, 0, 0]]
    assert report["last"] == {"accuracy": 100 * 4 / 6, "loss": 0.5, "predicted": [1, 3, 2, 0]}
    assert (report["best"]["accuracy"], report["images"]) == (100.0, 6)
    best = graded(make(tested_weights="best"), labels, 4, found)["confusion"]
    assert [best[c][c] for c in range(4)] == [2, 1, 3, 0]


def test_memory_is_what_a_training_adds(monkeypatch):
    """What the GPU held before, as the data set, is no part of it; an earlier attempt's counts."""
    assert PeakMemory("cpu").bytes is None
    given = {"memory_allocated": 1000, "max_memory_allocated": 1000, "reset_peak_memory_stats": None}
    for name in given:
        monkeypatch.setattr(torch.cuda, name, lambda device, name=name: given[name])
    memory = PeakMemory("cuda:0")
    given["max_memory_allocated"] = 5000
    assert memory.bytes == 4000
    memory.put_back(7000)
    assert memory.bytes == 7000


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_it_learns(norm):
    trained = train(make(norm=norm, width=1.0, epochs=5, batch_size=15))
    assert trained.epochs["data_loss"][-1] < 0.5 * trained.epochs["data_loss"][1]
    assert trained.epochs["train_accuracy"][-1] > 80


class Resumed(Keeper):
    """Gives back a state as a checkpoint file would: a copy, and no object of the training that made it."""

    def __init__(self, cut: int = 0, state=None):
        self.cut, self.state = cut, state

    def restore(self, run):
        return copy.deepcopy(self.state)

    def epoch_done(self, run, row, state):
        if row["epoch"] == self.cut:
            self.state = copy.deepcopy(state())
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", CELLS)
def test_a_resume_at_any_epoch_boundary_gives_the_same_bits(name, whole):
    for cut in range(1, CELLS[name].epochs):
        keeper = Resumed(cut)
        with pytest.raises(KeyboardInterrupt):
            train(CELLS[name], keeper)
        assert bits(train(CELLS[name], Resumed(state=keeper.state))) == bits(whole(name))


def test_seeds_differ_and_repeat(whole):
    assert bits(train(CELLS["plain"])) == bits(whole("plain"))
    assert train(CELLS["plain"], seed=1).epochs["weights_digest"] != whole("plain").epochs["weights_digest"]


@pytest.mark.parametrize("name", ["batch", "dropout", "cnn-batch-dropout"])
def test_statistics_change_no_bits(name, whole, monkeypatch):
    monkeypatch.setattr(reference, "sampled_steps", lambda batches: frozenset([0]))
    few = train(CELLS[name])
    assert few.epochs["weights_digest"] == whole(name).epochs["weights_digest"]
    assert few.epochs["validation_accuracy"] == whole(name).epochs["validation_accuracy"]
    assert few.test == whole(name).test
    assert few.layers["weight.mean"] != whole(name).layers["weight.mean"]


def test_the_epochs_of_one_step_by_hand():
    """One batch an epoch, full size, plain gradient descent: the loss and the weights by autograd alone."""
    cell = make(batch_size=150, optimizer="sgd", epochs=1, lr=0.1)
    training = Training(Run(cell, 0), SMALL, "cpu")
    model = copy.deepcopy(training.model)
    order = random_streams.order("toy", 0, 1, 150)
    loss = F.cross_entropy(model(SMALL.train_images[order]), SMALL.train_labels[order])
    loss.backward()
    row = training.epoch(Keeper())
    assert row["data_loss"] == pytest.approx(loss.item(), rel=1e-6)
    assert training.first_batch_loss == pytest.approx(loss.item(), rel=1e-6)
    for mine, its in zip(model.parameters(), training.model.parameters(), strict=True):
        torch.testing.assert_close(mine - 0.1 * mine.grad, its)
    grads = [block.layer.weight.grad for block in model.blocks]
    noted = training.history.layers()
    assert noted["weight_grad.mean_abs"][0] == pytest.approx([g.abs().mean().item() for g in grads], rel=1e-5)
    assert noted["weight_grad.mean"][0] == pytest.approx([g.mean().item() for g in grads], rel=1e-3, abs=1e-9)


def test_the_penalty_is_a_term_of_its_own():
    """Its gradient is 2 lambda w, and the data loss is reported without it (7.1.4)."""
    plain = Training(Run(make(batch_size=150, optimizer="sgd", epochs=1), 0), SMALL, "cpu")
    weighed = make(batch_size=150, optimizer="sgd", epochs=1, penalty="l2", penalty_strength=0.25)
    decayed = Training(Run(weighed, 0), SMALL, "cpu")
    before = [block.layer.weight.detach().clone() for block in plain.model.blocks]
    rows = [t.epoch(Keeper()) for t in (plain, decayed)]
    assert rows[0]["data_loss"] == rows[1]["data_loss"]
    assert (rows[0]["penalty"], rows[1]["penalty"]) == (
        0.0, pytest.approx(0.25 * sum((w**2).sum().item() for w in before), rel=1e-5),
    )  # fmt: skip
    for w, a, b in zip(before, plain.model.blocks, decayed.model.blocks, strict=True):
        torch.testing.assert_close(b.layer.weight, a.layer.weight - 0.01 * 2 * 0.25 * w)
        torch.testing.assert_close(b.layer.bias, a.layer.bias)


def test_the_last_batch_is_dropped_or_kept():
    assert (Training(Run(make(), 0), SMALL, "cpu").batches, 150 // 41) == (3, 3)
    kept = Training(Run(make(last_batch="keep"), 0), SMALL, "cpu")
    assert [len(labels) for _, labels in kept._batches(1)] == [41, 41, 41, 27]


def test_shuffling_once_or_every_epoch():
    every, once = (Training(Run(make(shuffle=s), 0), SMALL, "cpu") for s in ("epoch", "once"))

    def labels(t, epoch):
        return torch.cat([y for _, y in t._batches(epoch)])

    assert torch.equal(labels(once, 2), labels(once, 1))
    assert not torch.equal(labels(every, 2), labels(every, 1))
    assert torch.equal(labels(every, 1), labels(once, 1))


def test_epoch_0_leaves_no_trace():
    """What is measured before training moves neither weights nor running statistics nor any random stream."""
    training = Training(Run(make(norm="batch", dropout=0.5), 0), SMALL, "cpu")
    before = {k: v.clone() for k, v in training.model.state_dict().items()}
    row = training._untrained()
    assert all(torch.equal(before[k], v) for k, v in training.model.state_dict().items())
    assert math.log(10) * 0.7 < row["data_loss"] < math.log(10) * 2
    assert row["epoch"] == 0


# numbers that are none


@pytest.fixture(scope="module")
def diverged():
    return train(make(lr=1e6, epochs=30, stop_patience=4))


def test_divergence_is_an_outcome_with_its_place(diverged):
    assert diverged.outcome == "diverged"
    assert diverged.diverged_at["epoch"] == 1
    assert diverged.diverged_at["layer"] in diverged.layers["names"]


def test_training_goes_on_until_the_stop_rule(diverged):
    assert diverged.stopped == "patience"
    assert diverged.epochs_run == diverged.best_epoch + 4
    assert len(diverged.epochs["epoch"]) == diverged.epochs_run + 1
    assert math.isnan(diverged.epochs["data_loss"][-1])


def test_a_network_of_nan_answers_class_0(diverged):
    assert diverged.test["last"]["predicted"] == [150] + [0] * 9
    zeros = 100 * (SMALL.test_labels == 0).float().mean().item()
    assert diverged.test["last"]["accuracy"] == pytest.approx(zeros)
    assert math.isnan(diverged.test["last"]["loss"])


def fill(model: torch.nn.Module, value: float) -> None:
    for values in model.parameters():
        values.data.fill_(value)


@pytest.mark.parametrize("fields", [
    {"last_batch": "keep"}, {"optimizer": "adam", "penalty": "l2", "penalty_strength": 0.01},
    {"dropout": 0.5}, {"grad_clip": 1.0}, *({"activation": name} for name in activations.REGISTRY),
    *({"loss": name} for name in losses.REGISTRY),
], ids=str)  # fmt: skip
def test_a_network_of_nan_is_spared_steps_that_change_nothing(monkeypatch, fields):
    cell = make(batch_size=7, epochs=3, **fields)
    steps, update = [], Training._update
    monkeypatch.setattr(reference.inits, "initialize", lambda model, cell, seed: fill(model, math.nan))
    monkeypatch.setattr(Training, "_update", lambda self, *args: steps.append(self.step) or update(self, *args))
    spared = train(cell)
    assert len(steps) == 3 * SAMPLES
    for module in reference, observation:
        monkeypatch.setattr(module, "is_lost", lambda model: False)
    computed = train(cell)
    for trained in spared, computed:
        del trained.epochs["seconds"], trained.epochs["weights_digest"]  # a NaN has a sign, which steps may turn
    assert repr(spared) == repr(computed)
    assert len(steps) == 3 * SAMPLES + 3 * (22 if cell.last_batch == "keep" else 21)


def test_a_network_is_lost_from_the_first_measured_step_after_its_last_number(monkeypatch):
    steps, update = [], Training._update
    monkeypatch.setattr(Training, "_update", lambda self, *args: steps.append(self.step) or update(self, *args))
    cell = make(init="normal", init_std=1e30, batch_size=3, epochs=2)  # 50 batches: measured are 1, 4, 7, 10, 14, ...
    diverged = train(cell)
    assert diverged.diverged_at == {"epoch": 1, "layer": diverged.layers["names"][0], "step": 1}
    assert steps[:7] == [0, 1, 2, 3, 4, 7, 10]
    assert len(steps) == 3 + 2 * SAMPLES


def test_one_number_left_or_a_norms_count_is_not_lost():
    plain, normed = (Training(Run(make(norm=norm), 0), SMALL, "cpu").model for norm in ("none", "batch"))
    assert not is_lost(plain)
    for model in plain, normed:
        fill(model, math.nan)
    assert is_lost(plain)
    assert not is_lost(normed)
    plain.blocks[-1].layer.bias.data[-1] = 0.0
    assert not is_lost(plain)


def test_training_may_stop_at_the_first_nan():
    trained = train(make(lr=1e6, epochs=30, on_nan="stop"))
    assert (trained.outcome, trained.stopped, trained.epochs_run) == ("diverged", "nan", trained.diverged_at["epoch"])


def test_a_dead_network_is_finished_not_diverged():
    """Tiny weights and ReLU: nothing passes, one class is answered, and every number is finite."""
    trained = train(make(init="normal", init_std=1e-4, epochs=2))
    assert (trained.outcome, trained.diverged_at) == ("finished", None)
    assert max(trained.test["last"]["predicted"]) == 150
    assert trained.first_batch_loss == pytest.approx(math.log(10), rel=1e-4)


def test_evaluation_counts_every_image_and_answers_the_first_nan():
    class Fixed(torch.nn.Module):
        def forward(self, x):
            return x

    logits = torch.tensor([[0.0, 2.0, 1.0], [float("nan")] * 3, [5.0, 0.0, 0.0], [1.0, 0.0, float("nan")]])
    accuracy, loss, counts = evaluate(Fixed(), logits, torch.tensor([1, 0, 2, 2]))
    assert (accuracy, counts) == (75.0, [2, 1, 1])  # a single NaN logit is the answer
    assert math.isnan(loss)
    many = torch.eye(3)[torch.arange(1201) % 3]
    accuracy, loss, counts = evaluate(Fixed(), many, torch.zeros(1201, dtype=torch.long))
    assert counts == [401, 400, 400]
    assert accuracy == pytest.approx(100 * 401 / 1201)
    assert loss == pytest.approx(F.cross_entropy(many, torch.zeros(1201, dtype=torch.long)).item(), rel=1e-5)


# readings and precision


def test_best_weights_are_those_of_the_best_epoch():
    """The last weights are ruined on purpose; the best ones are kept from before."""
    cell = make(optimizer="sgd", epochs=4)
    training = Training(Run(cell, 0), SMALL, "cpu")
    training.epoch(Keeper())
    with torch.no_grad():
        good = {k: v.clone() for k, v in training.model.state_dict().items()}
        training.model.blocks[-1].layer.bias[3] = 1e4
    for _ in range(3):
        training.protocol.lr = 1e-12  # no more learning
        training.epoch(Keeper())
    assert training.protocol.best_epoch == 1
    trained = training.finish()
    assert trained.test["last"]["predicted"][3] == 150
    assert all(torch.equal(v, good[k]) for k, v in training.model.state_dict().items())
    assert trained.test["best"]["accuracy"] > trained.test["last"]["accuracy"]


def exact_population(training):
    population.estimate(training.model, training._images, len(training.train_labels), "cpu")


@pytest.mark.parametrize(
    ("model", "kind"),
    [("mlp", "batch"), ("cnn", "batch"), ("mlp", "batch_manual"), ("cnn", "batch_autograd"), ("numpy_mlp", "batch")],
)
def test_exact_population_statistics_are_those_of_the_training_part(model, kind):
    """Equation 3.2: mean of the first norm's inputs over the whole training part, and it is what is validated with."""
    cell = (cnn if model == "cnn" else make)(model=model, norm=kind, population="exact", epochs=1)
    training = Training(Run(cell, 0), data(cell), "cpu")
    training.epoch(Keeper())
    seen = []
    norm = training.model.blocks[0].norm
    hook = norm.register_forward_hook(lambda m, x, y: seen.append(x[0].detach()))
    with torch.no_grad():
        training.model.train()
        training.model(data(cell).train_images)
    hook.remove()
    over = (0, 2, 3) if model == "cnn" else (0,)
    reset = Training(Run(cell, 0), data(cell), "cpu")
    reset.model.load_state_dict(training.model.state_dict())
    exact_population(reset)
    again = reset.model.blocks[0].norm
    torch.testing.assert_close(again.running_mean, seen[0].mean(over), rtol=1e-4, atol=1e-5)
    assert norm.momentum == 0.1  # as it was


@pytest.mark.parametrize("images", [501, 1001])
def test_exact_population_has_no_batch_of_one_image(images):
    cell = make(norm="batch", population="exact", epochs=1)
    training = Training(Run(cell, 0), data(cell), "cpu")
    rows = torch.arange(images) % len(training.train_labels)
    training.train_images, training.train_labels = training.train_images[rows], training.train_labels[rows]
    exact_population(training)
    assert all(values.isfinite().all() for values in training.model.state_dict().values())


@pytest.mark.parametrize("place", ["default", "before_norm"])
def test_exact_population_statistics_are_those_without_dropout(place):
    """As in tests, where no unit is dropped; the running averages are those of dropped units (8.1.4)."""
    bare = make(norm="batch", population="exact", epochs=1)
    both = [Training(Run(c, 0), data(c), "cpu") for c in (bare, replace(bare, dropout=0.5, dropout_at=place))]
    for training in both:
        exact_population(training)
    one, other = (training.model.state_dict() for training in both)
    assert all(torch.equal(one[name], other[name]) for name in one)
    for training in both:
        training.model.train()(training.train_images)
    one, other = (training.model.blocks[1].norm.running_var for training in both)
    assert not torch.allclose(one, other, rtol=0.1)


def test_exact_population_differs_from_running_averages(whole):
    assert whole("exact").epochs["data_loss"] == whole("batch").epochs["data_loss"]
    assert whole("exact").epochs["validation_loss"] != whole("batch").epochs["validation_loss"]


def test_bf16_is_close_to_fp32_and_not_equal(whole):
    half = train(make(precision="bf16"))
    assert half.epochs["data_loss"] != whole("plain").epochs["data_loss"]
    assert half.epochs["data_loss"] == pytest.approx(whole("plain").epochs["data_loss"], rel=0.05)


def test_gradients_are_clipped_by_their_norm():
    cell = make(batch_size=150, optimizer="sgd", epochs=1, lr=1.0, grad_clip=0.01)
    training = Training(Run(cell, 0), SMALL, "cpu")
    before = [p.detach().clone() for p in training.model.parameters()]
    training.epoch(Keeper())
    moved = torch.cat([(p - b).flatten() for p, b in zip(training.model.parameters(), before, strict=True)])
    assert moved.norm().item() == pytest.approx(0.01, rel=1e-3)


def test_sigmoids_tell_how_many_are_saturated():
    trained = train(make(activation="sigmoid", init="normal", init_std=1.0, epochs=1))
    assert trained.layers["saturated_share"][0][0] > 0.5


def test_dead_units_are_seen():
    """A layer whose biases are far below zero: every ReLU of it is dead."""
    training = Training(Run(make(), 0), SMALL, "cpu")
    with torch.no_grad():
        training.model.blocks[1].layer.bias[:] = -1e4
    shares = dead_share(training.model, training.validation[0])[0].tolist()
    assert shares[1] == 1.0
    assert shares[0] < 0.5
    assert math.isnan(shares[-1])  # the output layer has no nonlinearity


# asked to stop


def test_a_request_to_stop_ends_within_the_epoch():
    class Stopping(Keeper):
        asked = 0

        def stopping(self):
            Stopping.asked += 1
            return Stopping.asked > 4

    cell = make(epochs=50)
    with pytest.raises(TryAgain, match=f"{cell.key}/0: stopped in epoch 2") as told:
        train(cell, Stopping())
    assert told.value.exit_code == 75
    assert Stopping.asked == 5


def test_it_supports_every_model():
    assert all(Reference().supports(make(model=name, norm="batch", width=1.0), "cpu") for name in models.REGISTRY)
