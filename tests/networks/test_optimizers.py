from itertools import pairwise

import pytest
import torch

from bnstudy.design.cell import Cell
from bnstudy.networks.optimizers import REGISTRY, align_gradients, rescale_velocity, stored_parameters

MU = 0.9
RATES = [0.05] * 7 + [0.025] * 5 + [0.0125] * 5 + [0.1] * 3  # two cuts and a rise


def cell(**values) -> Cell:
    return Cell(dataset="mnist", model="mlp", norm="none", **values)


def gradient(theta: torch.Tensor) -> torch.Tensor:
    """Of a curved, badly scaled valley, so that the look-ahead point matters."""
    return torch.cos(theta) * torch.tensor([1.0, 3.0, 0.2]).double() + 0.1 * theta**3


def start() -> torch.Tensor:
    return torch.tensor([1.0, -0.7, 2.0], dtype=torch.float64)


def equation_2_15(rates: list[float]) -> list[torch.Tensor]:
    """theta after each step of v <- mu v - lr grad(theta + mu v); theta <- theta + v."""
    theta, v, path = start(), torch.zeros(3, dtype=torch.float64), []
    for lr in rates:
        v = MU * v - lr * gradient(theta + MU * v)
        theta = theta + v
        path.append(theta)
    return path


def trained(rates: list[float], rescale: bool = True, **values) -> list[torch.Tensor]:
    """The stored parameters after each step of the registered optimizer."""
    p = torch.nn.Parameter(start())
    optimizer = REGISTRY["nesterov"]([p], cell(lr=rates[0], **values))
    path, before = [], rates[0]
    for lr in rates:
        if rescale:
            rescale_velocity(optimizer, before, lr)
        optimizer.param_groups[0]["lr"] = before = lr
        p.grad = gradient(p.detach())
        optimizer.step()
        with stored_parameters(optimizer):
            path.append(p.detach().clone())
    return path


def test_nesterov_is_equation_2_15_through_changes_of_the_rate():
    for ours, theirs in zip(trained(RATES), equation_2_15(RATES), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_without_the_corrections_it_is_not():
    literal = equation_2_15(RATES)
    assert not torch.allclose(trained(RATES, rescale=False)[-1], literal[-1], atol=1e-3)
    assert not torch.allclose(trained(RATES, nesterov="torch")[0], literal[0], atol=1e-3)


def test_momentum_zero_is_plain_gradient_descent():
    theta = start()
    for lr, ours in zip(RATES, trained(RATES, momentum=0.0), strict=True):
        theta = theta - lr * gradient(theta)
        torch.testing.assert_close(ours, theta)


def stepped(name: str, **values):
    p = torch.nn.Parameter(torch.randn(1000, generator=torch.Generator().manual_seed(0)) * 3)
    optimizer = REGISTRY[name]([p], cell(optimizer=name, **values))
    for _ in range(3):
        p.grad = torch.sin(p.detach())
        optimizer.step()
    return p, optimizer


def stopped_inside(optimizer, p, before):
    with stored_parameters(optimizer):
        assert not torch.equal(p, before)
        raise RuntimeError("stop")


def test_the_look_ahead_point_returns_bit_for_bit_even_after_an_error():
    p, optimizer = stepped("nesterov")
    before = p.detach().clone()
    with pytest.raises(RuntimeError, match="stop"):
        stopped_inside(optimizer, p, before)
    assert torch.equal(p, before)


@pytest.mark.parametrize(
    ("name", "values"),
    [("nesterov", {"nesterov": "torch"}), *((name, {}) for name in REGISTRY if name != "nesterov")],
)
def test_the_corrections_leave_all_others_alone(name, values):
    p, optimizer = stepped(name, **values)
    state = {k: v.clone() for k, v in optimizer.state[p].items() if torch.is_tensor(v)}
    before = p.detach().clone()
    rescale_velocity(optimizer, 0.1, 0.05)
    with stored_parameters(optimizer):
        assert torch.equal(p, before)
    assert all(torch.equal(optimizer.state[p][k], v) for k, v in state.items())


def test_the_corrections_before_the_first_step_do_nothing():
    p = torch.nn.Parameter(torch.ones(3))
    optimizer = REGISTRY["nesterov"]([p], cell())
    rescale_velocity(optimizer, 0.1, 0.05)
    with stored_parameters(optimizer):
        assert torch.equal(p, torch.ones(3))
    assert not optimizer.state


@pytest.mark.parametrize("rates", [[0.01, 0.0], [0.01, 1e-20, 1e-38, 1e-41, 1e-44, 1e-60]], ids=str)
def test_a_vanishing_rate_leaves_the_velocity_finite(rates):
    p, optimizer = stepped("nesterov")
    for before, after in pairwise(rates):
        rescale_velocity(optimizer, before, after)
    assert torch.isfinite(optimizer.state[p]["momentum_buffer"]).all()


def test_the_mark_survives_a_checkpoint():
    p, optimizer = stepped("nesterov")
    fresh = REGISTRY["nesterov"]([p], cell())
    fresh.load_state_dict(optimizer.state_dict())
    before = p.detach().clone()
    with stored_parameters(fresh):
        assert not torch.equal(p, before)


@pytest.mark.parametrize("name", ["nesterov", "momentum", "sgd"])
def test_descent_without_squares_uses_the_fused_kernel(name):
    _, optimizer = stepped(name)
    assert optimizer.param_groups[0]["fused"] is True


def test_gradients_take_the_strides_of_their_parameters():
    """A 1x1 kernel's layout can be written in two ways, of which a fused kernel wants the parameter's."""
    kernel = torch.nn.Parameter(torch.arange(12.0).reshape(4, 3, 1, 1))
    kernel.grad = torch.randn(4, 3, 1, 1).as_strided((4, 3, 1, 1), (3, 1, 3, 3))
    before = kernel.grad.clone()
    optimizer = torch.optim.SGD([kernel], lr=0.5)
    optimizer.register_step_pre_hook(align_gradients)
    optimizer.step()
    assert kernel.grad.stride() == kernel.stride() == (3, 1, 1, 1)
    assert torch.equal(kernel.grad, before)
    assert not kernel.grad.requires_grad
    assert torch.equal(kernel.detach(), torch.arange(12.0).reshape(4, 3, 1, 1) - 0.5 * before)


# equations 2.16 to 2.18


def walked(optimizer: str, steps: int = 6, **values) -> list[torch.Tensor]:
    p = torch.nn.Parameter(start())
    rule = REGISTRY[optimizer]([p], cell(optimizer=optimizer, lr=0.05, **values))
    path = []
    for _ in range(steps):
        p.grad = gradient(p.detach())
        rule.step()
        path.append(p.detach().clone())
    return path


def by_formula(mean: float, old: float, new: float, eps: float, outside: bool = False) -> list[torch.Tensor]:
    """c1 = mean c1 + (1 - mean) g; c2 = old c2 + new g^2; w -= eta c1 / sqrt(c2 + eps), or eps outside the root."""
    w, c1, c2, path = start(), torch.zeros(3).double(), torch.zeros(3).double(), []
    for _ in range(6):
        g = gradient(w)
        c1, c2 = mean * c1 + (1 - mean) * g, old * c2 + new * g**2
        w = w - 0.05 * c1 / (c2.sqrt() + eps if outside else (c2 + eps).sqrt())
        path.append(w)
    return path


@pytest.mark.parametrize(
    ("optimizer", "values", "wanted"),
    [
        ("adagrad_printed", {}, by_formula(0, 1, 1, 1e-10)),
        ("adagrad_printed", {"update_eps": 0.3}, by_formula(0, 1, 1, 0.3)),
        ("adadelta_printed", {}, by_formula(0, 0.9, 0.1, 1e-6)),
        ("adadelta_printed", {"squares_decay": 0.7, "update_eps": 0.2}, by_formula(0, 0.7, 0.3, 0.2)),
        ("adam_printed", {}, by_formula(0.9, 0.999, 0.001, 1e-8)),
        ("adam_printed", {"mean_decay": 0.5, "squares_decay": 0.8}, by_formula(0.5, 0.8, 0.2, 1e-8)),
        ("rmsprop_plain", {}, by_formula(0, 0.9, 0.1, 1e-8, outside=True)),
        ("rmsprop_plain", {"squares_decay": 0.7, "update_eps": 0.2}, by_formula(0, 0.7, 0.3, 0.2, outside=True)),
        ("rmsprop", {"momentum": 0, "squares_decay": 0.7}, by_formula(0, 0.7, 0.3, 1e-8, outside=True)),
        ("adagrad", {"update_eps": 0.3}, by_formula(0, 1, 1, 0.3, outside=True)),
    ],
)
def test_adaptive_rates_are_those_of_equations_2_16_to_2_18(optimizer, values, wanted):
    for ours, theirs in zip(walked(optimizer, **values), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("optimizer", ["adam", "adamax", "adadelta"])
def test_constants_of_torchs_rules_are_settable(optimizer):
    constants = {"squares_decay": 0.5, "update_eps": 0.1} | ({} if optimizer == "adadelta" else {"mean_decay": 0.5})
    default = walked(optimizer)[-1]
    for name, value in constants.items():
        assert not torch.allclose(walked(optimizer, **{name: value})[-1], default, atol=1e-4), name


def test_printed_rules_resume_from_their_state():
    p = torch.nn.Parameter(start())
    one = cell(optimizer="adam_printed", lr=0.05)
    rule = REGISTRY["adam_printed"]([p], one)
    for step in range(6):
        if step == 3:
            state, rule = rule.state_dict(), REGISTRY["adam_printed"]([p], one)
            rule.load_state_dict(state)
        p.grad = gradient(p.detach())
        rule.step()
    torch.testing.assert_close(p.detach(), walked("adam_printed")[-1])
