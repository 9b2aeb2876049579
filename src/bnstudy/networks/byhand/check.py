"""Deviation of the by-hand gradients from torch's autograd and from central differences, in float64.

    python -m bnstudy.networks.byhand.check

prints one row for each module of this package and for each formula norm (`networks.norms`). A row's error
is the largest over the output and all gradients, each relative to the largest entry of the reference array. The
objective is sum(R * Y) with a random R, so every entry of the output matters.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from bnstudy.design.cell import Cell
from bnstudy.networks import byhand, norms
from bnstudy.networks.byhand import Array

SAMPLES, FEATURES, UNITS = 7, 5, 4
STEP = 1e-5  # of the central differences; their error is of the order of its square

Arrays = dict[str, Array]
Pass = Callable[[Arrays, Array], Arrays]
"""From arrays (`x` and the parameters) and R to the `output` and, for each array, the gradient of sum(R * output)."""


def module_pass(make: Callable[..., byhand.Module]) -> Pass:
    """Return the pass of a by-hand module, which `make` builds from its parameters."""

    def run(arrays: Arrays, r: Array) -> Arrays:
        module = make(**{n: a for n, a in arrays.items() if n != "x"})
        output = module.forward(arrays["x"])
        return {"output": output, "x": module.backward(r), **module.gradients}

    return run


def torch_pass(function: Callable[..., torch.Tensor]) -> Pass:
    """Return the pass of `function(x, **parameters)` by autograd."""

    def run(arrays: Arrays, r: Array) -> Arrays:
        tensors = {n: torch.from_numpy(a.copy()).requires_grad_() for n, a in arrays.items()}
        output = function(tensors["x"], **{n: t for n, t in tensors.items() if n != "x"})
        (output * torch.from_numpy(r)).sum().backward()
        gradients = {n: t.grad.numpy() for n, t in tensors.items() if t.grad is not None}
        return {"output": output.detach().numpy(), **gradients}

    return run


def loss_pass(make: Callable[[], Any], targets: Array) -> Pass:
    """Return the pass of a loss, whose output and R are scalars."""

    def run(arrays: Arrays, r: Array) -> Arrays:
        loss = make()
        value = np.asarray(loss.forward(arrays["x"], targets))
        return {"output": value, "x": r * loss.backward()}

    return run


def differences(function: Pass, arrays: Arrays, r: Array) -> Arrays:
    """Return the gradients of sum(R * output) by central differences of `function`'s output."""

    def objective(name: str, place: tuple[int, ...], step: float) -> float:
        moved = arrays[name].copy()
        moved[place] += step
        return float((r * function(arrays | {name: moved}, r)["output"]).sum())

    gradients = {}
    for name, array in arrays.items():
        gradients[name] = np.empty_like(array)
        for place in np.ndindex(array.shape):
            difference = objective(name, place, STEP) - objective(name, place, -STEP)
            gradients[name][place] = difference / (2 * STEP)
    return gradients


def error(found: Mapping[str, Array], right: Mapping[str, Array]) -> float:
    """Return the largest deviation of `found` from the arrays of `right`, each relative to its largest entry."""
    return max(float(np.abs(found[n] - a).max() / np.abs(a).max()) for n, a in right.items())


def cases() -> dict[str, tuple[Pass, Pass, Arrays, Array]]:
    """Return, by name, the pass to check, torch's pass, the arrays to check at, and R."""
    return {**dict(_activations()), **dict(_layers()), **dict(_losses()), **dict(_norms())}


Case = tuple[str, tuple[Pass, Pass, Arrays, Array]]


def _activations() -> Iterator[Case]:
    g = np.random.default_rng(0)
    x, r = g.standard_normal((2, SAMPLES, FEATURES))
    x[0, :2] = 40.0, -40.0
    pairs: dict[str, tuple[Callable[..., byhand.Module], Callable[..., torch.Tensor]]] = {
        "ReLU": (byhand.ReLU, F.relu),
        "LeakyReLU": (lambda: byhand.LeakyReLU(0.02), lambda x: F.leaky_relu(x, 0.02)),
        "ELU": (byhand.ELU, F.elu),
        "Tanh": (byhand.Tanh, torch.tanh),
        "Sigmoid": (byhand.Sigmoid, torch.sigmoid),
        "Softplus": (byhand.Softplus, F.softplus),
        "Softmax": (byhand.Softmax, lambda x: torch.softmax(x, 1)),
    }
    for name, (own, oracle) in pairs.items():
        yield name, (module_pass(own), torch_pass(oracle), {"x": x}, r)
    yield "PReLU", (module_pass(byhand.PReLU), torch_pass(F.prelu), {"x": x, "weight": np.array([0.25])}, r)


def _layers() -> Iterator[Case]:
    g = np.random.default_rng(1)

    def draw(*shape: int) -> Array:
        return g.standard_normal(shape)

    x, r = 3 + 2 * draw(SAMPLES, FEATURES), draw(SAMPLES, FEATURES)
    linear = {"x": x, "weight": draw(UNITS, FEATURES), "bias": draw(UNITS)}
    yield "Linear", (module_pass(byhand.Linear), torch_pass(F.linear), linear, draw(SAMPLES, UNITS))
    images = {"x": draw(3, 2, 6, 5), "weight": draw(4, 2, 3, 2), "bias": draw(4)}
    yield "Conv2d", (module_pass(byhand.Conv2d), torch_pass(F.conv2d), images, draw(3, 4, 4, 4))
    strided = module_pass(lambda **p: byhand.Conv2d(**p, stride=2, padding=1))
    oracle = torch_pass(lambda x, weight, bias: F.conv2d(x, weight, bias, stride=2, padding=1))
    yield "Conv2d, stride 2, padding 1", (strided, oracle, images, draw(3, 4, 3, 3))
    maps = {"x": draw(3, 2, 7, 6)}
    for size, stride, shape in ((2, 2, (3, 2, 3, 3)), (3, 2, (3, 2, 3, 2))):
        pooled = module_pass(partial(byhand.MaxPool2d, size, stride))
        oracle = torch_pass(partial(F.max_pool2d, kernel_size=size, stride=stride))
        yield f"MaxPool2d, size {size}, stride {stride}", (pooled, oracle, maps, draw(*shape))
    normed = {"x": x, "weight": draw(FEATURES), "bias": draw(FEATURES)}
    mean, var = draw(FEATURES), 1 + draw(FEATURES) ** 2
    for name, training in (("BatchNorm, training", True), ("BatchNorm, evaluation", False)):
        oracle = torch_pass(_torch_batch_norm(mean, var, training))
        yield name, (_batch_norm_pass(mean, var, training), oracle, normed, r)
    layer = torch_pass(lambda x, weight, bias: F.layer_norm(x, (FEATURES,), weight, bias))
    yield "LayerNorm", (module_pass(byhand.LayerNorm), layer, normed, r)
    shapes = {"0.weight": (UNITS, FEATURES), "0.bias": (UNITS,), "2.weight": (3, UNITS), "2.bias": (3,)}
    network = {"x": x} | {name: draw(*shape) for name, shape in shapes.items()}
    yield "Sequential", (_network_pass, _torch_network_pass, network, draw(SAMPLES, 3))


def _batch_norm_pass(mean: Array, var: Array, training: bool) -> Pass:
    def make(weight: Array, bias: Array) -> byhand.Module:
        module = byhand.BatchNorm(weight, bias, (mean.copy(), var.copy()))
        module.train(training)
        return module

    return module_pass(make)


def _torch_batch_norm(mean: Array, var: Array, training: bool) -> Callable[..., torch.Tensor]:
    running = torch.from_numpy(mean.copy()), torch.from_numpy(var.copy())
    return lambda x, weight, bias: F.batch_norm(x, running[0], running[1], weight, bias, training)


def _network_pass(arrays: Arrays, r: Array) -> Arrays:
    def make(**p: Array) -> byhand.Module:
        first, last = (byhand.Linear(p[f"{i}.weight"], p[f"{i}.bias"]) for i in (0, 2))
        return byhand.Sequential(first, byhand.Tanh(), last)

    return module_pass(make)(arrays, r)


def _torch_network_pass(arrays: Arrays, r: Array) -> Arrays:
    def network(x: torch.Tensor, **p: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(F.linear(x, p["0.weight"], p["0.bias"]))
        return F.linear(hidden, p["2.weight"], p["2.bias"])

    return torch_pass(network)(arrays, r)


def _losses() -> Iterator[Case]:
    g = np.random.default_rng(2)
    x = g.standard_normal((SAMPLES, FEATURES))
    classes = g.integers(FEATURES, size=SAMPLES)
    targets, r = np.eye(FEATURES)[classes], np.asarray(1.7)
    of_probabilities = torch_pass(lambda x: F.nll_loss(x.log(), torch.from_numpy(classes)))
    probabilities = {"x": byhand.Softmax().forward(x)}
    yield "CrossEntropy", (loss_pass(byhand.CrossEntropy, targets), of_probabilities, probabilities, r)
    of_logits = torch_pass(lambda x: F.cross_entropy(x, torch.from_numpy(classes)))
    yield "SoftmaxCrossEntropy", (loss_pass(byhand.SoftmaxCrossEntropy, targets), of_logits, {"x": x}, r)


def _norms() -> Iterator[Case]:
    """Yield the formula norms, checked against torch's in the same registry."""
    g = np.random.default_rng(3)
    for name in ("batch_autograd", "batch_manual", "layer_autograd", "layer_manual"):
        for dims, shape in ((1, (SAMPLES, FEATURES)), (2, (3, FEATURES, 2, 3))):
            own, oracle = (torch_pass(_norm_function(kind, dims, FEATURES)) for kind in (name, name.partition("_")[0]))
            x, r = 3 + 2 * g.standard_normal((2, *shape))
            weight, bias = g.standard_normal((2, FEATURES))
            yield f"norm {name}, {dims}-D", (own, oracle, {"x": x, "weight": weight, "bias": bias}, r)


def _norm_function(name: str, dims: int, features: int) -> Callable[..., torch.Tensor]:
    norm = norms.REGISTRY[name](features, dims, Cell(dataset="toy", model="mlp", norm=name)).double()

    def function(x: torch.Tensor, **parameters: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(norm, parameters, (x,))

    return function


def rows() -> Iterator[tuple[str, float, float]]:
    """Yield (name, error against torch's autograd, error against central differences) of every case."""
    for name, (own, oracle, arrays, r) in cases().items():
        found = own(arrays, r)
        yield name, error(found, oracle(arrays, r)), error(found, differences(own, arrays, r))


def main() -> None:
    print("| module | against autograd | against central differences |\n|---|---|---|")
    for name, autograd, central in rows():
        print(f"| {name} | {autograd:.1e} | {central:.1e} |")


if __name__ == "__main__":
    main()
