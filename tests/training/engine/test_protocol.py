"""When the rate falls and when training stops, as tables: validation accuracies in, rates and stops out."""

import math

import pytest

from bnstudy.design.cell import Cell
from bnstudy.training.engine.decay_and_stop import Protocol

UP = [10.0, 20.0, 30.0]


def cell(**fields) -> Cell:
    return Cell(**{"dataset": "toy", "model": "mlp", "norm": "none", **fields})


def run(made: Cell, accuracies, finite=True) -> Protocol:
    protocol = Protocol.of(made)
    for accuracy in accuracies:
        assert not protocol.stopped, "an epoch after the stop"
        protocol.after_epoch(made, accuracy, finite)
    return protocol


def rates(made: Cell, accuracies) -> list[float]:
    """The rate of each epoch, and that of the next."""
    protocol = Protocol.of(made)
    seen = [protocol.lr]
    for accuracy in accuracies:
        protocol.after_epoch(made, accuracy)
        seen.append(protocol.lr)
    return seen


def falls(made: Cell, accuracies) -> list[int]:
    """The epochs after which the rate fell."""
    seen = rates(made, accuracies)
    return [epoch for epoch in range(1, len(seen)) if seen[epoch] < seen[epoch - 1]]


@pytest.mark.parametrize(
    ("fields", "accuracies", "epochs"),
    [
        ({}, UP, []),
        ({}, [*UP, *[0.0] * 4], []),
        ({}, [*UP, *[0.0] * 5], [8]),  # five epochs without a better one
        ({}, [*UP, *[0.0] * 15], [8, 13, 18]),  # the counter restarts on decay
        ({}, [30, 0, 0, 0, 0, 31, 0, 0, 0, 0, 0], [11]),  # and on improvement
        ({}, [30, 0, 0, 0, 0, 0, 0, 31, *[0.0] * 5], [6, 13]),  # the same with a decay in between
        ({}, [30.0] * 6, [6]),  # a tie is no improvement
        ({"improvement": "equal"}, [30.0] * 12, []),
        ({"improvement": "equal"}, [30, *[29.9] * 5], [6]),
        ({"improvement": "previous"}, [30, 10, 11, 12, 13, 14, 15, 16], []),
        ({"improvement": "previous"}, [30, 16, 15, 14, 13, 12], [6]),
        ({"improvement": "previous"}, [30, *[29.0] * 5], [6]),
        ({"decay_counter": "plateau"}, [30, *[0.0] * 12], [7, 13]),  # at the sixth bad epoch
        ({"decay_patience": 2}, [30, *[0.0] * 4], [3, 5]),
        ({"schedule": "constant"}, [30, *[0.0] * 15], []),
    ],
)
def test_when_the_rate_falls(fields, accuracies, epochs):
    assert falls(cell(**fields), accuracies) == epochs


def test_the_first_epoch_is_an_improvement_even_at_zero_percent():
    assert falls(cell(), [0.0] * 6) == [6]
    assert run(cell(), [0.0]).best_epoch == 1


@pytest.mark.parametrize(
    ("fields", "last"),
    [
        ({"lr": 0.01}, [0.01, 0.005, 0.0025]),
        ({"lr": 0.01, "decay_factor": 0.1}, [0.01, 0.001, 0.0001]),
        ({"lr": 3e-4}, [3e-4, 1.5e-4, 1e-4]),  # the floor
        ({"lr": 3e-4, "lr_min": 0.0}, [3e-4, 1.5e-4, 7.5e-5]),
        ({"lr": 5e-5}, [5e-5, 5e-5, 5e-5]),  # a start below the floor is not raised to it
    ],
)
def test_how_far_the_rate_falls(fields, last):
    assert rates(cell(**fields), [30, *[0.0] * 10])[1::5] == pytest.approx(last, rel=1e-12)


@pytest.mark.parametrize(
    ("fields", "accuracies", "stopped"),
    [
        ({}, [30, *[0.0] * 19], ""),
        ({}, [30, *[0.0] * 20], "patience"),
        ({}, [30, *[0.0] * 19, 31, *[0.0] * 19], ""),
        ({}, [30, *[0.0] * 19, 31, *[0.0] * 20], "patience"),
        ({"stop_patience": 0}, [30, *[0.0] * 60], ""),
        ({"stop_patience": 3}, [30, 0, 0, 0], "patience"),
        ({"stop_patience": 3, "improvement": "equal"}, [30, 30, 30, 30, 30], ""),
        ({"epochs": 3}, UP, "epochs"),
        ({"epochs": 4}, UP, ""),
        ({"epochs": 4, "stop_patience": 3}, [30, 0, 0, 0], "patience"),  # both at once: patience
    ],
)
def test_when_training_stops(fields, accuracies, stopped):
    assert run(cell(**fields), accuracies).stopped == stopped


def test_the_stop_rule_counts_through_decays():
    protocol = run(cell(), [30, *[0.0] * 20])
    assert (protocol.bad_epochs, protocol.epoch, protocol.lr) == (20, 21, pytest.approx(0.01 / 16))


def test_the_best_epoch_is_the_first_of_equals():
    protocol = Protocol.of(made := cell(improvement="equal"))
    assert [protocol.after_epoch(made, a) for a in (10.0, 30.0, 30.0, 20.0)] == [True, True, False, False]
    assert (protocol.best, protocol.best_epoch) == (30.0, 2)


def watched(losses: list[float], **fields) -> Protocol:
    """A protocol whose accuracy rises forever, and whose validation losses are these."""
    protocol = Protocol.of(made := cell(decay_watch="loss", **fields))
    for epoch, loss in enumerate(losses):
        protocol.after_epoch(made, float(epoch), validation_loss=loss)
    return protocol


def test_decay_may_watch_the_validation_loss():
    """Equation 2.25: the error stops falling while the accuracy still rises."""
    assert watched([2.0, 1.0, *[1.5] * 4]).lr == 0.01
    found = watched([2.0, 1.0, *[1.5] * 5])
    assert (found.lr, found.bad_epochs, found.best_epoch) == (0.005, 0, 7)
    assert watched([2.0, 1.0, *[1.5] * 4, 0.9, *[1.5] * 4]).lr == 0.01
    assert watched([2.0, *[math.nan] * 5]).lr == 0.005  # NaN is no improvement
    assert watched([2.0, *[math.nan] * 4, 1.0, 1.0]).lr == 0.01
    assert watched([2.0, 1.0, *[1.0] * 5], improvement="equal").lr == 0.01


@pytest.mark.parametrize(("on_nan", "stopped"), [("continue", ""), ("stop", "nan")])
def test_a_loss_that_is_no_number(on_nan, stopped):
    assert run(cell(on_nan=on_nan), [10.0], finite=False).stopped == stopped


def test_a_formula_ignores_the_accuracies():
    made = cell(schedule="exponential", decay_rate=0.05)
    assert rates(made, UP) == rates(made, [0.0] * 3)
    assert len(set(rates(made, UP))) == 4


def test_a_restored_state_goes_on_alike():
    made, accuracies = cell(), [30, *[0.0] * 12, 31, *[0.0] * 9]
    for cut in range(1, len(accuracies)):
        half = run(made, accuracies[:cut])
        rest = Protocol(**half.state())
        for accuracy in accuracies[cut:]:
            rest.after_epoch(made, accuracy)
        assert rest.state() == run(made, accuracies).state()
