import pytest
import torch

from bnstudy.design.cell import Cell
from bnstudy.networks.models import ImageShape, build
from bnstudy.networks.penalties import REGISTRY, penalized

W = [[1.0, -2.0], [3.0]]


def cell(penalty: str, **values) -> Cell:
    strength = {} if penalty == "none" else {"penalty_strength": 0.1}
    return Cell(dataset="mnist", model="mlp", norm="batch", penalty=penalty, **strength, **values)


def weights() -> list[torch.Tensor]:
    return [torch.tensor(w, requires_grad=True) for w in W]


@pytest.mark.parametrize(
    ("penalty", "factor", "value", "gradient"),
    [  # sum |w| = 6, sum w^2 = 14
        ("l1", 1.0, 0.6, [0.1, -0.1, 0.1]),
        ("l2", 1.0, 1.4, [0.2, -0.4, 0.6]),
        ("l2", 0.5, 0.7, [0.1, -0.2, 0.3]),
        ("elastic_net", 1.0, 2.0, [0.3, -0.5, 0.7]),
        ("elastic_net", 0.5, 1.3, [0.2, -0.3, 0.4]),
    ],
)
def test_a_penalty_and_its_gradient_are_those_of_2_12_2(penalty, factor, value, gradient):
    tensors = weights()
    total = REGISTRY[penalty](tensors, cell(penalty, penalty_factor=factor))
    total.backward()
    assert total.item() == pytest.approx(value)
    assert torch.cat([t.grad for t in tensors]).tolist() == pytest.approx(gradient)


@pytest.mark.parametrize(
    ("alpha", "factor", "value"), [(0.25, 1.0, 1.2), (0.25, 0.5, 0.675), (0.0, 1.0, 1.4), (1.0, 1.0, 0.6)]
)
def test_elastic_net_weighs_both_by_alpha(alpha, factor, value):
    """Equation 2.44: alpha sum |w| + (1 - alpha) sum w^2."""
    one = cell("elastic_net", elastic_alpha=alpha, penalty_factor=factor)
    assert REGISTRY["elastic_net"](weights(), one).item() == pytest.approx(value)


def test_no_penalty_is_zero():
    assert REGISTRY["none"](weights(), cell("none")).item() == 0
    assert REGISTRY["none"]([], cell("none")).shape == ()


def test_weights_alone_or_all_parameters_are_penalized():
    shape = ImageShape(1, 32, 32, 10)
    some, every = cell("l2"), cell("l2", penalty_on="all")
    model = build(some, shape)
    assert [t.shape for t in penalized(model, some)] == [(100, 1024), (100, 100), (100, 100), (10, 100)]
    assert sum(t.numel() for t in penalized(model, every)) == 123_710 + 600
