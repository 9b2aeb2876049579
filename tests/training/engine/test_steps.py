"""Training by steps: the same batches and bits as by epochs, evaluations that change nothing, and no choice by them."""

import pytest
import torch

from bnstudy.design.cell import Cell, Run
from bnstudy.errors import UsageError
from bnstudy.networks import random_streams
from bnstudy.training.engine import packed, scope
from bnstudy.training.engine.contract import Keeper
from bnstudy.training.engine.reference import Training
from training.engine.test_reference import SMALL, Resumed, bits, train

B = 150 // 41  # batches in a pass over SMALL


def make(**fields) -> Cell:
    small = {"dataset": "toy", "model": "mlp", "norm": "batch", "width": 0.1, "batch_size": 41, "schedule": "constant"}
    return Cell(**small | fields)


def test_steps_of_whole_epochs_are_those_epochs_bit_for_bit():
    by_epochs = train(make(epochs=4, stop_patience=0, dropout=0.3))
    by_steps = train(make(steps=4 * B, eval_every=B, dropout=0.3))
    assert (by_epochs.stopped, by_steps.stopped) == ("epochs", "steps")
    assert bits(by_epochs).replace("'epochs'", "'steps'") == bits(by_steps)


def test_batches_go_through_one_pass_after_another():
    """In the order of the epochs' streams, each without its last, incomplete batch."""
    training = Training(Run(make(steps=10, eval_every=4), 0), SMALL, "cpu")
    seen = []
    for count in (4, 4, 2):
        seen += [labels for _, labels in training._next_batches(count)]
        training.step += count
    whole = [random_streams.order("toy", 0, epoch, 150)[: 41 * B].split(41) for epoch in (1, 2, 3, 4)]
    wanted = [SMALL.train_labels[chosen] for batches in whole for chosen in batches][:10]
    assert len(seen) == 10
    assert all(torch.equal(a, b) for a, b in zip(seen, wanted, strict=True))


def test_how_often_it_is_evaluated_changes_no_weight():
    ends = {every: train(make(steps=10, eval_every=every)) for every in (1, 4, 10)}
    assert [len(ends[every].epochs["epoch"]) for every in (1, 4, 10)] == [11, 4, 2]
    assert len({trained.epochs["weights_digest"][-1] for trained in ends.values()}) == 1
    assert len({trained.test["last"]["loss"] for trained in ends.values()}) == 1
    singles = ends[1].epochs["data_loss"][1:]
    means = [sum(singles[a:b]) / (b - a) for a, b in ((0, 4), (4, 8), (8, 10))]
    assert ends[4].epochs["data_loss"][1:] == pytest.approx(means)


@pytest.mark.parametrize(
    "fields", [{}, {"optimizer": "adam"}, {"schedule": "adaptive", "decay_patience": 1, "lr": 0.1}]
)
def test_a_resume_at_any_evaluation_gives_the_same_bits(fields):
    cell = make(steps=11, eval_every=4, dropout=0.2, **fields)
    whole = bits(train(cell))
    for cut in range(1, cell.periods):
        keeper = Resumed(cut)
        with pytest.raises(KeyboardInterrupt):
            train(cell, keeper)
        assert bits(train(cell, Resumed(state=keeper.state))) == whole


def test_a_schedule_counts_evaluations_as_epochs():
    rates = train(make(steps=10, eval_every=4, schedule="scheduled", decay_at=[1], decay_factor=0.5)).epochs["lr"]
    assert rates[1:] == [0.01, 0.005, 0.005]


def test_where_no_image_is_held_out_nothing_is_chosen():
    """The last weights are ruined on purpose, and still they are what counts as best."""
    cell = make(norm="none", optimizer="sgd", steps=12, eval_every=3, validation_fraction=0.0)
    training = Training(Run(cell, 0), SMALL, "cpu")
    training.epoch(Keeper())
    with torch.no_grad():
        training.model.blocks[-1].layer.bias[3] = 1e4
    while not training.protocol.stopped:
        training.epoch(Keeper())
    trained = training.finish()
    accuracies = trained.epochs["validation_accuracy"][1:]
    assert accuracies[0] > accuracies[-1]
    assert trained.best_epoch == trained.epochs_run == 4
    assert trained.test["best"] == trained.test["last"]


def test_by_epochs_without_held_out_images_no_rule_ends_it():
    trained = train(make(epochs=3, validation_fraction=0.0, lr=1e-6))
    assert (trained.stopped, trained.epochs_run) == ("epochs", 3)
    assert not make(epochs=3, validation_fraction=0.0).stops_early


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"steps": 10, "eval_every": 5, "epochs": 3}, "epochs: has no effect"),
        ({"steps": 10, "eval_every": 5, "stop_patience": 5}, "stop_patience: has no effect"),
        ({"steps": 10, "eval_every": 5, "last_batch": "keep"}, "last_batch: has no effect"),
        ({"steps": 10, "eval_every": 5, "improvement": "equal"}, "improvement: has no effect"),
        ({"eval_every": 5}, "eval_every: has no effect"),
        ({"steps": 10}, "eval_every: 100 is more than all 10 steps"),
        ({"validation_fraction": 0.0, "tested_weights": "best"}, "tested_weights: has no effect"),
        ({"validation_fraction": 0.0, "stop_patience": 3}, "stop_patience: has no effect"),
        ({"validation_fraction": 0.0, "split": "last"}, "split: has no effect"),
        ({"validation_fraction": 0.0, "standardization_from": "train_set"}, "standardization_from: has no effect"),
        ({"validation_fraction": 0.0, "schedule": "adaptive"}, "adaptive needs images held out"),
        ({"schedule": "scheduled"}, "decay_at: missing"),
        ({"schedule": "scheduled", "decay_at": [5, 2]}, "does not rise"),
        ({"decay_at": [5]}, "decay_at: has no effect"),
        ({"negative_slope": 0.2}, "negative_slope: has no effect"),
        ({"hidden": [100, 0], "width": 1.0}, "hidden: 0 is out of range"),
        ({"hidden": [10]}, "width: has no effect"),
        ({"hidden": "10", "width": 1.0}, "hidden: '10' is no list"),
        ({"model": "cnn", "hidden": [10], "width": 1.0}, "hidden: has no effect"),
        ({"model": "cnn", "norm_placement": "pre_linear"}, "norm_placement: has no effect"),
        ({"norm_placement": "pre_linear", "norm_bias": False}, "norm_bias: has no effect"),
        ({"pretrained": True}, "pretrained: has no effect"),
        ({"init": "torch_default", "init_distribution": "uniform"}, "init_distribution: has no effect"),
    ],
)
def test_what_has_no_effect_is_refused(fields, told):
    with pytest.raises(UsageError, match=told):
        make(**fields)


def test_the_fast_engines_leave_these_cells_to_the_reference():
    fields = [
        {"steps": 10, "eval_every": 5}, {"hidden": [10], "width": 1.0}, {"norm_placement": "pre_linear"},
        {"validation_fraction": 0.0}, {"schedule": "scheduled", "decay_at": [3]},
    ]  # fmt: skip
    for each in fields:
        assert not any(scope.is_known(make(**each), engine) for engine in ("packed", "graph"))
        assert not packed.Packed().supports(make(**each), "cpu")
