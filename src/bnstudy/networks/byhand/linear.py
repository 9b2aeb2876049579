"""The linear layer."""

import numpy as np

from bnstudy.networks.byhand.module import Array, Module


class Linear(Module):
    """Y = X W^T + 1 b^T, with X (S, M), W (N, M), b (N,) or none, Y (S, N).

        dL/dW = G^T X        dL/db = 1^T G        dL/dX = G W

    One sample, as Knigge and Lindt derive it (G = g a row vector): dL/dW = g^T x^T, dL/db = g, dL/dx = g W. Knigge then
    averages the first two over the batch; here, as with Soons, the 1/S is part of the loss.
    """

    def __init__(self, weight: Array, bias: Array | None = None):
        super().__init__(weight=weight, bias=bias)

    def forward(self, x: Array) -> Array:
        self._x = x
        y = x @ self.parameters["weight"].T
        return y + self.parameters["bias"] if "bias" in self.parameters else y

    def backward(self, g: Array) -> Array:
        self.gradients = {"weight": g.T @ self._x}
        if "bias" in self.parameters:
            self.gradients["bias"] = g.sum(0)
        return g @ self.parameters["weight"]


def linear(
    inputs: int, units: int, generator: np.random.Generator, std: float = 1e-4, dtype: type[np.floating] = np.float64
) -> Linear:
    """Return a linear layer initialized as in the course: weights from N(0, std^2), biases 0."""
    weight = std * generator.standard_normal((units, inputs))
    return Linear(weight.astype(dtype), np.zeros(units, dtype))
