"""Claims of a single batch norm layer (3.3): G24 and G25, computed in double precision by the hand-written layers.

They are exact for epsilon 0 only, so epsilon is 0 here.
"""

import numpy as np

from bnstudy.claims.catalogue import layer
from bnstudy.networks.byhand import Array, BatchNorm, Linear, Sequential, Tanh

FACTOR = 7.0
ROUNDING = 1e-10


@layer
def g24(ev: dict[str, float]):
    """Random weights W, input x, bias b: the largest difference of BN((7W)x + b) and BN(Wx) is at rounding level."""
    x, weight, bias = _drawn()
    plain, scaled = _normalized(weight).forward(x), _normalized(FACTOR * weight, bias).forward(x)
    ev["largest difference of outputs"] = float(np.abs(plain - scaled).max())
    return ev["largest difference of outputs"] < ROUNDING


@layer
def g25(ev: dict[str, float]):
    """The same with 7W: the gradient of x is equal, and that of the weights is a seventh, within rounding."""
    x, weight, _ = _drawn()
    (of_x, of_weight), (of_x_scaled, of_weight_scaled) = _gradients(x, weight), _gradients(x, FACTOR * weight)
    ev["largest difference of input gradients"] = float(np.abs(of_x - of_x_scaled).max())
    ev["largest difference of weight gradients"] = float(np.abs(of_weight - FACTOR * of_weight_scaled).max())
    return all(difference < ROUNDING for difference in ev.values())


def _drawn() -> list[Array]:
    """Return random x (64, 20), W (10, 20) and b (10,)."""
    stream = np.random.default_rng(0)
    return [stream.standard_normal(shape) for shape in ((64, 20), (10, 20), (10,))]


def _normalized(weight: Array, bias: Array | None = None) -> Sequential:
    """Return a linear layer and batch norm with gamma 1, beta 0."""
    ones, zeros = np.ones(len(weight)), np.zeros(len(weight))
    return Sequential(Linear(weight, bias), BatchNorm(ones, zeros, (zeros.copy(), ones.copy()), eps=0.0))


def _gradients(x: Array, weight: Array) -> tuple[Array, Array]:
    """Return the gradients of x and of the weights, for the loss sum(slopes * tanh(outputs)) with unequal slopes."""
    network = Sequential(_normalized(weight), Tanh())
    outputs = network.forward(x)
    of_x = network.backward(np.linspace(-1, 1, outputs.size).reshape(outputs.shape))
    return of_x, network.gradients["0.0.weight"]
