import math

import pytest
import torch

from bnstudy.design.cell import Cell
from bnstudy.networks.activations import REGISTRY

X = [-3.0, -0.5, 0.0, 0.5, 3.0]
FORMULAS = {
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "relu": lambda x: max(0.0, x),
    "elu": lambda x: x if x > 0 else math.exp(x) - 1,
    "tanh": math.tanh,
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "prelu": lambda x: x if x > 0 else 0.25 * x,
    "softplus": lambda x: math.log(1 + math.exp(x)),
}


def make(name: str, **fields) -> torch.nn.Module:
    return REGISTRY[name](Cell(dataset="toy", model="mlp", norm="none", activation=name, **fields))


@pytest.mark.parametrize("name", FORMULAS)
def test_an_activation_is_its_formula_of_section_2_10(name):
    out = make(name)(torch.tensor(X))
    assert out.tolist() == pytest.approx([FORMULAS[name](x) for x in X], abs=1e-6)


def test_alpha_of_elu_is_that_of_equation_2_35():
    out = make("elu", elu_alpha=0.5)(torch.tensor(X))
    assert out.tolist() == pytest.approx([x if x > 0 else 0.5 * (math.exp(x) - 1) for x in X], abs=1e-6)


def test_prelu_learns_its_own_slope_in_every_layer():
    first, second = make("prelu"), make("prelu")
    assert [p.numel() for p in first.parameters()] == [1]
    assert next(first.parameters()) is not next(second.parameters())


def test_the_slope_of_leaky_relu_is_the_cells():
    assert make("leaky_relu", negative_slope=0.02)(torch.tensor([-3.0])).tolist() == pytest.approx([-0.06])
