import math

import pytest

from bnstudy.design.cell import Cell
from bnstudy.networks.schedules import REGISTRY


def cell(schedule: str, **values) -> Cell:
    values = {"decay_at": [1, 10]} | values if schedule == "scheduled" else values
    return Cell(dataset="mnist", model="mlp", norm="none", schedule=schedule, **values)


FORMULAS = {
    "adaptive": lambda t: 0.01,
    "constant": lambda t: 0.01,
    "linear": lambda t: 0.01 * (1 - 0.05 * t),
    "exponential": lambda t: 0.01 * math.exp(-0.05 * t),
    "power": lambda t: 0.01 / (1 + 0.05 * t),
    "scheduled": lambda t: 0.01 * 0.5 ** ((t >= 1) + (t >= 10)),  # falls after epochs 1 and 10
}


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("epoch", [1, 2, 11])
def test_a_schedule_is_its_formula(name, epoch):
    assert REGISTRY[name](cell(name), epoch) == pytest.approx(FORMULAS[name](epoch - 1))


@pytest.mark.parametrize("name", REGISTRY)
def test_every_schedule_starts_at_lr_never_rises_and_keeps_the_floor(name):
    rates = [REGISTRY[name](cell(name), epoch) for epoch in range(1, 2000)]
    assert rates[0] == 0.01
    assert rates == sorted(rates, reverse=True)
    assert min(rates) >= 1e-4


@pytest.mark.parametrize("name", ["linear", "exponential", "power"])
def test_a_formula_falls_faster_with_its_rate_and_a_rate_below_the_floor_is_not_raised(name):
    assert REGISTRY[name](cell(name, decay_rate=0.1), 5) < REGISTRY[name](cell(name), 5)
    assert REGISTRY[name](cell(name, lr=1e-5), 1) == REGISTRY[name](cell(name, lr=1e-5), 500) == 1e-5


def test_linear_decay_reaches_eta_min_at_t_sat():
    """Equation 2.22: eta(t + 1) = eta0 - t (eta0 - eta_min) / t_sat, constant from t_sat on."""
    one = cell("linear", decay_until=20, lr_min=0.002)
    assert [REGISTRY["linear"](one, epoch) for epoch in (1, 6, 21, 22, 500)] == pytest.approx(
        [0.01, 0.01 - 5 * 0.008 / 20, 0.002, 0.002, 0.002]
    )
    below = cell("linear", decay_until=20, lr=1e-5)
    assert {REGISTRY["linear"](below, epoch) for epoch in (1, 10, 100)} == {1e-5}


def test_without_a_floor_linear_ends_at_zero():
    assert REGISTRY["linear"](cell("linear", lr_min=0.0), 500) == 0
