"""The measures of curves, on curves whose answer is known."""

import numpy as np
import pytest

from bnstudy.claims.history import History
from bnstudy.claims.terms import NotGiven, chance, never_rising, rank_correlation

AT = ("mlp", "relu", "mnist", "none")


class One:
    """A source that holds one run."""

    def __init__(self, **columns):
        epochs = len(columns.get("validation_accuracy", columns.get("data_loss", [0] * 6)))
        blank = {
            "validation_accuracy": [0.0] * epochs,
            "data_loss": [1.0] * epochs,
            "penalty": [0.0] * epochs,
            "lr": [0.1] * epochs,
        }
        self._epochs = {
            k: np.array(v, float) for k, v in (blank | columns).items() if k not in ("gradient", "dead", "early")
        }
        gradient = np.array(columns.get("gradient", [[1.0, 1.0]]), float)
        dead = np.array(columns.get("dead", np.full(gradient.shape, np.nan)))
        self._early = np.array(columns.get("early", []), float)
        self._layers = {"weight_grad.mean_abs": gradient, "size": np.array([3, 1]), "dead_share": dead}

    def epochs(self, slot, seed):
        return {AT: self._epochs}[slot]

    def layers(self, slot, seed):
        return {AT: self._layers}[slot]

    def early(self, slot, seed):
        if not len(self._early):
            raise KeyError(slot)
        return {AT: {"weight_grad.mean_abs": self._early, "size": self._layers["size"]}}[slot]


def history(**columns) -> History:
    return History([("mlp", "mnist")], One(**columns), seed=0)


def test_epochs_count_from_one_and_epoch_0_does_not_count():
    ev = history(validation_accuracy=[99, 50, 80, 90, 85])
    assert ev.best_accuracy(*AT) == 90
    assert ev.epochs_to(*AT, 80.0) == 2
    assert ev.epochs_to(*AT, 95.0) == np.inf
    assert ev.last_accuracy(*AT) == 85


def test_a_level_is_reached_between_epochs():
    ev = history(validation_accuracy=[10, 50, 90, 80, 95])
    assert ev.epochs_to(*AT, 70.0) == 1.5
    assert ev.epochs_to(*AT, 20.0) == 0.4  # from 0, not from the 10 of the untrained network
    assert ev.epochs_to(*AT, 94.0) == pytest.approx(4 - 1 / 15)
    assert history(validation_accuracy=[60, 40, 80]).epochs_to(*AT, 50.0) == 1.25  # not before training
    losses = history(data_loss=[9, 4, 2, 1], penalty=[0, 1, 1, 1])
    assert losses.epochs_to_loss(*AT, 4.0) == 1.5  # 5, 3, 2 with the penalty
    assert losses.epochs_to_loss(*AT, 6.0) == 1.0
    assert losses.epochs_to_loss(*AT, 1.0) == np.inf
    assert history(data_loss=[11, 1, 1]).epochs_to_flat(*AT) == pytest.approx(0.95)


def test_loss_includes_the_penalty_and_no_number_is_infinite():
    ev = history(data_loss=[2, 1, np.nan], penalty=[0, 0.5, 0.5])
    assert ev.loss(*AT).tolist() == [1.5, np.inf]
    assert ev.last_data_loss(*AT) == np.inf


def test_the_gradient_weighs_layers_by_their_size():
    ev = history(gradient=[[4.0, 0.0], [8.0, 0.0], [np.nan, 0.0]])
    assert ev.gradient(*AT).tolist() == [3.0, 6.0, np.inf]


def test_the_largest_early_gradient_is_that_of_a_step_where_steps_were_recorded():
    """Claims M21, M22, K15: an epoch's mean hides what happened within it."""
    epochs = [[2.0, 2.0], [4.0, 4.0], *[[1.0, 1.0]] * 9, [99.0, 99.0]]
    assert history(gradient=epochs).peak_gradients(AT) == [4.0]
    assert history(gradient=epochs, early=[[1.0, 1.0], [8.0, 4.0]]).peak_gradients(AT) == [7.0]
    assert history(gradient=epochs, early=[[1.0, 1.0], [np.nan, 4.0]]).peak_gradients(AT) == [np.inf]
    calm = history(gradient=epochs, early=[[1.0, 1.0]])
    assert calm.peak_gradients(AT) == [4.0]
    assert calm.used == {("peak_step_gradient", *AT): 4.0}
    other = ("mlp", "relu", "svhn", "none")
    with pytest.raises(NotGiven):  # one of the two has no steps: both are judged by epochs, and the other was not run
        calm.peak_gradients(AT, other)


def test_drops_at_cuts_compare_with_the_epoch_before():
    steps = history(data_loss=[9, 1.0, 1.0, 0.5, 0.5], lr=[0.1, 0.1, 0.1, 0.05, 0.05])
    smooth = history(data_loss=[9, 1.0, 0.5, 0.25, 0.125], lr=[0.1, 0.1, 0.1, 0.05, 0.05])
    uncut = history(data_loss=[9, 1.0, 1.0, 0.5, 0.5])
    assert [h.drop_at_cuts(*AT) for h in (steps, smooth, uncut)] == [0.5, 0.0, 0.0]


def test_correlation_of_changes():
    loss = [9, 1.0, 2.0, 1.0, 3.0]
    along, against = ([[v, v] for v in values] for values in ([1, 2, 1, 3], [3, 2, 3, 1]))
    assert history(data_loss=loss, gradient=along).gradient_follows_loss(*AT) == pytest.approx(1)
    assert history(data_loss=loss, gradient=against).gradient_follows_loss(*AT) == pytest.approx(-1)
    assert history(data_loss=[9, 1, 1, 1, 1], gradient=along).gradient_follows_loss(*AT) == 0


def test_dead_units_are_those_of_the_last_epoch_without_the_output_layer():
    assert history(gradient=[[1, 1], [1, 1]], dead=[[0.1, 0.9], [0.8, 0.9]]).dead(*AT) == pytest.approx(0.8)
    with pytest.raises(NotGiven):
        history().dead(*AT)


def test_a_run_that_is_not_there_is_not_given_at_its_place():
    with pytest.raises(NotGiven) as lack:
        history().best_accuracy("mlp", "relu", "svhn", "none")
    assert lack.value.place == ("mlp", "svhn")


def test_numbers_asked_for_are_kept_as_evidence():
    ev = history(validation_accuracy=[0, 50, 80])
    ev.epochs_to(*AT, 80.0)
    assert ev.used == {("epochs_to", *AT): 2.0}
    ev = history(gradient=[[1.0, 2.0, 0.0]], dead=[[0.5, 0.5, 0.0]])
    for column in ("weight_grad.mean_abs", "dead_share"):
        ev.trend_with_depth(*AT, column)
    assert set(ev.used) == {(f"trend_with_depth {c}", *AT) for c in ("weight_grad.mean_abs", "dead_share")}


@pytest.mark.parametrize(
    ("value", "dataset", "expected"),
    [(10.4, "mnist", True), (12.4, "mnist", False), (20.6, "svhn", True), (2.1, "cifar100", False)],
)
def test_chance(value, dataset, expected):
    assert bool(chance(value, dataset)) is expected
    assert chance(np.array([value, 99.0]), dataset).tolist() == [expected, False]


def test_words_work_on_arrays_of_redraws():
    values = [np.array([3.0, 1.0]), np.array([2.0, 1.0]), np.array([1.0, 5.0])]
    assert never_rising(values).tolist() == [True, False]
    assert rank_correlation(values)[0] == pytest.approx(-1)
    assert rank_correlation(values)[1] == pytest.approx(0.8660254)
