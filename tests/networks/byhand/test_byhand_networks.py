"""What gradients alone do not show: the worked example, running averages, and whole networks in training."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bnstudy.networks import byhand


def test_the_worked_example_of_soons():
    """X 3x3, K 2x2; distinct primes, so that no wrong index gives a right number."""
    x = np.array([[2.0, 3, 5], [7, 11, 13], [17, 19, 23]])
    k = np.array([[29.0, 31], [37, 41]])
    g = np.array([[43.0, 47], [53, 59]])
    layer = byhand.Conv2d(k[None, None])
    y = layer.forward(x[None, None])[0, 0]
    dx = layer.backward(g[None, None])[0, 0]
    dk = layer.gradients["weight"][0, 0]
    assert y.shape == (2, 2)
    assert y[1, 0] == x[1, 0] * k[0, 0] + x[1, 1] * k[0, 1] + x[2, 0] * k[1, 0] + x[2, 1] * k[1, 1]
    assert dk[0, 0] == (g * x[:2, :2]).sum()
    assert dx[0, 1] == g[0, 0] * k[0, 1] + g[0, 1] * k[0, 0]
    assert dx[0, 1] != (g[0] * k[0]).sum()  # his short form
    assert dx[0, 0] == g[0, 0] * k[0, 0]
    assert dx[2, 2] == g[1, 1] * k[1, 1]


@pytest.mark.parametrize("momentum", [0.1, 0.3])
def test_running_averages_are_torchs(momentum):
    g = np.random.default_rng(0)
    own = byhand.BatchNorm(np.ones(5), np.zeros(5), (np.zeros(5), np.ones(5)), 1e-3, momentum)
    oracle = torch.nn.BatchNorm1d(5, 1e-3, momentum).double()
    for size in (7, 2, 30):
        x = 3 + 2 * g.standard_normal((size, 5))
        np.testing.assert_allclose(own.forward(x), oracle(torch.from_numpy(x)).detach(), rtol=1e-12)
    np.testing.assert_allclose(own.running_mean, oracle.running_mean, rtol=1e-12)
    np.testing.assert_allclose(own.running_var, oracle.running_var, rtol=1e-12)
    own.train(False)
    before, x = own.running_mean.copy(), g.standard_normal((4, 5))
    np.testing.assert_allclose(own.forward(x), oracle.eval()(torch.from_numpy(x)).detach(), rtol=1e-12)
    assert np.array_equal(own.running_mean, before)


def test_one_sample_cannot_be_batch_normalized():
    norm = byhand.BatchNorm(np.ones(5), np.zeros(5), (np.zeros(5), np.ones(5)))
    with pytest.raises(ValueError, match="two samples"):
        norm.forward(np.ones((1, 5)))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_is_torchs(momentum):
    g = np.random.default_rng(0)
    own = {"a": g.standard_normal((4, 3)), "b": g.standard_normal(3)}
    parameters = {name: torch.nn.Parameter(torch.from_numpy(array.copy())) for name, array in own.items()}
    sgd = byhand.SGD(own, 0.1, momentum)
    oracle = torch.optim.SGD(parameters.values(), lr=0.1, momentum=momentum)
    for step in range(20):
        gradients = {name: g.standard_normal(array.shape) for name, array in own.items()}
        for name, parameter in parameters.items():
            parameter.grad = torch.from_numpy(gradients[name])
        if step == 10:
            sgd.lr = oracle.param_groups[0]["lr"] = 0.01
        sgd.step(gradients)
        oracle.step()
    for name, parameter in parameters.items():
        np.testing.assert_allclose(own[name], parameter.detach(), rtol=1e-12)


def network(g: np.random.Generator) -> byhand.Sequential:
    def norm(kind, *running):
        return kind(1 + 0.1 * g.standard_normal(8), 0.1 * g.standard_normal(8), *running)

    return byhand.Sequential(
        byhand.linear(12, 8, g, std=0.3), norm(byhand.BatchNorm, (np.zeros(8), np.ones(8))), byhand.ELU(),
        byhand.linear(8, 8, g, std=0.3), norm(byhand.LayerNorm), byhand.LeakyReLU(0.02),
        byhand.linear(8, 4, g, std=0.3),
    )  # fmt: skip


def twin(own: byhand.Sequential) -> torch.nn.Sequential:
    oracle = torch.nn.Sequential(
        torch.nn.Linear(12, 8), torch.nn.BatchNorm1d(8), torch.nn.ELU(),
        torch.nn.Linear(8, 8), torch.nn.LayerNorm(8), torch.nn.LeakyReLU(0.02), torch.nn.Linear(8, 4),
    ).double()  # fmt: skip
    oracle.load_state_dict({n: torch.from_numpy(p.copy()) for n, p in own.parameters.items()}, strict=False)
    return oracle


def test_a_network_trains_as_its_torch_twin():
    """Loss by loss over 200 steps of numpy alone: by-hand modules, by-hand loss, by-hand SGD."""
    g = np.random.default_rng(0)
    own = network(g)
    oracle = twin(own)
    loss, sgd = byhand.SoftmaxCrossEntropy(), byhand.SGD(own.parameters, lr=0.05, momentum=0.9)
    optimizer = torch.optim.SGD(oracle.parameters(), lr=0.05, momentum=0.9)
    x, classes = g.standard_normal((20, 16, 12)), g.integers(4, size=(20, 16))
    ours, theirs = [], []
    for step in range(200):
        images, labels = x[step % 20], classes[step % 20]
        ours.append(loss.forward(own.forward(images), np.eye(4)[labels]))
        own.backward(loss.backward())
        sgd.step(own.gradients)
        value = F.cross_entropy(oracle(torch.from_numpy(images)), torch.from_numpy(labels))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        theirs.append(value.item())
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    assert np.mean(ours[-20:]) < 0.9 * np.mean(ours[:20])
    own.train(False)
    np.testing.assert_allclose(own.forward(x[0]), oracle.eval()(torch.from_numpy(x[0])).detach(), atol=1e-6)


def test_the_courses_start():
    layer = byhand.linear(3072, 100, np.random.default_rng(0), dtype=np.float32)
    weight, bias = layer.parameters["weight"], layer.parameters["bias"]
    assert weight.shape == (100, 3072)
    assert weight.dtype == bias.dtype == np.float32
    assert weight.std() == pytest.approx(1e-4, rel=0.02)
    assert not bias.any()


def test_the_loss_apart_is_the_loss_together():
    g = np.random.default_rng(0)
    x, targets = g.standard_normal((6, 5)), np.eye(5)[g.integers(5, size=6)]
    softmax, apart, together = byhand.Softmax(), byhand.CrossEntropy(), byhand.SoftmaxCrossEntropy()
    assert apart.forward(softmax.forward(x), targets) == pytest.approx(together.forward(x, targets), rel=1e-12)
    np.testing.assert_allclose(softmax.backward(apart.backward()), together.backward(), rtol=1e-10)


def test_nothing_overflows():
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        x = np.array([[800.0, -800.0, 0.0]])
        for module in (byhand.Softmax(), byhand.Sigmoid(), byhand.Softplus(), byhand.ELU(), byhand.Tanh()):
            assert np.isfinite(module.forward(x)).all()
            assert np.isfinite(module.backward(np.ones_like(x))).all()
        loss = byhand.SoftmaxCrossEntropy()
        assert loss.forward(x, np.array([[0.0, 1.0, 0.0]])) == 1600
        assert loss.backward().tolist() == [[1, -1, 0]]
