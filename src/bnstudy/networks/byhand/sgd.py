"""Stochastic gradient descent."""

from collections.abc import Mapping

import numpy as np

from bnstudy.networks.byhand.module import Array


class SGD:
    """b <- momentum b + g; p <- p - lr b, with b = 0 at the start; momentum 0 is plain SGD (thesis 2.7).

    As in torch, b is in units of the gradient, so a change of lr applies at once to the whole buffer.
    """

    def __init__(self, parameters: Mapping[str, Array], lr: float, momentum: float = 0.0):
        self.parameters, self.lr, self.momentum = parameters, float(lr), float(momentum)
        self._buffers = {name: np.zeros_like(p) for name, p in parameters.items()}

    def step(self, gradients: Mapping[str, Array]) -> None:
        """Move every parameter, in place. Raises KeyError if a gradient is missing."""
        for name, parameter in self.parameters.items():
            buffer = self._buffers[name]
            buffer *= self.momentum
            buffer += gradients[name]
            parameter -= self.lr * buffer
