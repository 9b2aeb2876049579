"""The nonlinearities: Y = h(X) element by element, so dL/dX = G * h'(X), in any shape.

At 0, where some of them have no derivative, h' is the left derivative, as in torch.
"""

import numpy as np

from bnstudy.networks.byhand.module import Array, Module


class Activation(Module):
    """`value` is h(x); `slope` is h'(x), which may use y = h(x)."""

    def value(self, x: Array) -> Array:
        raise NotImplementedError

    def slope(self, x: Array, y: Array) -> Array:
        raise NotImplementedError

    def forward(self, x: Array) -> Array:
        self._x, self._y = x, self.value(x)
        return self._y

    def backward(self, g: Array) -> Array:
        return g * self.slope(self._x, self._y)


class ReLU(Activation):
    """h(x) = max(x, 0); h'(x) = 1 if x > 0, else 0."""

    def value(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def slope(self, x: Array, y: Array) -> Array:
        return (x > 0).astype(x.dtype)


class LeakyReLU(Activation):
    """h(x) = x if x > 0, else a x; h'(x) = 1 if x > 0, else a, the negative slope."""

    def __init__(self, negative_slope: float = 0.01):
        super().__init__()
        self.negative_slope = float(negative_slope)

    def value(self, x: Array) -> Array:
        return np.where(x > 0, x, self.negative_slope * x)

    def slope(self, x: Array, y: Array) -> Array:
        return np.where(x > 0, x.dtype.type(1), x.dtype.type(self.negative_slope))


class PReLU(Module):
    """A leaky ReLU whose one slope a is learned: dL/da = sum of G * X over all X <= 0."""

    def __init__(self, weight: Array):
        super().__init__(weight=weight)

    def forward(self, x: Array) -> Array:
        self._x = x
        return np.where(x > 0, x, self.parameters["weight"] * x)

    def backward(self, g: Array) -> Array:
        negative = g * np.minimum(self._x, 0)
        self.gradients = {"weight": negative.sum().reshape(1)}
        return np.where(self._x > 0, g, self.parameters["weight"] * g)


class ELU(Activation):
    """h(x) = x if x > 0, else a (exp(x) - 1); h'(x) = 1 if x > 0, else a exp(x). Soons leaves h' general."""

    def __init__(self, alpha: float = 1.0):
        super().__init__()
        self.alpha = float(alpha)

    def value(self, x: Array) -> Array:
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))

    def slope(self, x: Array, y: Array) -> Array:
        return np.where(x > 0, x.dtype.type(1), self.alpha * np.exp(np.minimum(x, 0)))


class Tanh(Activation):
    """h'(x) = 1 - tanh(x)^2."""

    def value(self, x: Array) -> Array:
        return np.tanh(x)

    def slope(self, x: Array, y: Array) -> Array:
        return 1 - y * y


class Sigmoid(Activation):
    """h(x) = 1 / (1 + exp(-x)); h'(x) = h(x) (1 - h(x))."""

    def value(self, x: Array) -> Array:
        e = np.exp(-np.abs(x))  # at most 1: nothing overflows
        return np.where(x >= 0, 1, e) / (1 + e)

    def slope(self, x: Array, y: Array) -> Array:
        return y * (1 - y)


class Softplus(Activation):
    """h(x) = log(1 + exp(x)); h'(x) = 1 / (1 + exp(-x))."""

    def value(self, x: Array) -> Array:
        return np.logaddexp(x, 0)

    def slope(self, x: Array, y: Array) -> Array:
        return Sigmoid().value(x)
