"""The base of by-hand modules: a forward pass, and a backward pass for the latest forward pass."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


class Module:
    """`forward` keeps what `backward` needs; `backward` takes dL/dY, returns dL/dX and sets `gradients`.

    `parameters` and `gradients` hold arrays of equal shape under equal names. All arrays of a network have one dtype,
    float32 or float64, and every result has it too. Only `SGD.step` changes parameters, and it does so in place.
    """

    training = True

    def __init__(self, **parameters: Array | None):
        self.parameters: dict[str, Array] = {name: p for name, p in parameters.items() if p is not None}
        self.gradients: dict[str, Array] = {}

    def forward(self, x: Array) -> Array:
        raise NotImplementedError

    def backward(self, g: Array) -> Array:
        raise NotImplementedError

    def train(self, mode: bool = True) -> None:
        """Choose between training and evaluation; they differ only for batch normalization."""
        self.training = mode
