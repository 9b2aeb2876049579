"""The nonlinearities of the packed engine: forward and backward as lists of torch calls (docs/derivation.md)."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from bnstudy.training.engine.packed.layout import Call, Plane, padded

aten = torch.ops.aten


def _elu(z: Tensor, a: Tensor) -> list[Call]:
    # exp(z) - 1 by expm1 costs five times as much and gains nothing above 1e-7
    return [partial(torch.clamp_max, z, 0, out=a), a.exp_, partial(a.sub_, 1), partial(torch.maximum, a, z, out=a)]


ACTIVATIONS: dict[str, tuple[Callable[[Tensor, Tensor], list[Call]], Callable[[Tensor, Tensor, Tensor], Call]]] = {
    "relu": (
        lambda z, a: [partial(torch.clamp_min, z, 0, out=a)],
        lambda d, z, a: partial(aten.threshold_backward.grad_input, d, a, 0, grad_input=d),
    ),
    "elu": (_elu, lambda d, z, a: partial(aten.elu_backward.grad_input, d, 1.0, 1.0, 1.0, True, a, grad_input=d)),
    "sigmoid": (
        lambda z, a: [partial(torch.sigmoid, z, out=a)],
        lambda d, z, a: partial(aten.sigmoid_backward.grad_input, d, a, grad_input=d),
    ),
    "tanh": (
        lambda z, a: [partial(torch.tanh, z, out=a)],
        lambda d, z, a: partial(aten.tanh_backward.grad_input, d, a, grad_input=d),
    ),
    "leaky_relu": (
        lambda z, a: [partial(aten.leaky_relu.out, z, 0.01, out=a)],
        lambda d, z, a: partial(aten.leaky_relu_backward.grad_input, d, z, 0.01, False, grad_input=d),
    ),
    "softplus": (
        lambda z, a: [partial(aten.softplus.out, z, out=a)],
        lambda d, z, a: partial(aten.softplus_backward.grad_input, d, z, 1.0, 20.0, grad_input=d),
    ),
}
"""Name -> (calls that put f(z) into a, call that multiplies d by f'(z) in place)."""

NAMES = (*ACTIVATIONS, "prelu")
"""The nonlinearities that this engine implements."""


class PReLU:
    """f(z) = z where z > 0, else slope z, into `a`; `slope` (cells, 1) is a parameter of the layer."""

    def __init__(self, z: Plane, a: Plane, work: Plane, slope: Tensor):
        cells, units, batch = z.view.shape
        self.z, self.a, self.work, self.slope = z.flat, a.flat, work, slope
        self.positive, self.zero = torch.zeros_like(z.flat, dtype=torch.bool), z.flat.new_zeros(())
        self.ones = z.flat.new_ones(batch, 1).expand(cells, -1, -1)
        self.by_unit = z.flat.new_zeros(cells, padded(units))[:, :units]

    def forward(self) -> list[Call]:
        return [
            partial(torch.gt, self.z, self.zero, out=self.positive),
            partial(torch.mul, self.z, self.slope, out=self.a),
            partial(torch.where, self.positive, self.z, self.a, out=self.a),
        ]

    def backward(self, d: Plane, to_slope: Tensor) -> list[Call]:
        """Return calls that turn d from dJ/da into dJ/dz and write the slope's gradient, the sum of d min(z, 0)."""
        work = self.work.flat
        return [
            partial(torch.clamp_max, self.z, 0, out=work),
            partial(work.mul_, d.flat),
            # one product of all values, 1 x n x 1, would be rounded otherwise for a cell alone than in a stack
            partial(torch.bmm, self.work.view, self.ones, out=self.by_unit.unsqueeze(2)),
            partial(torch.sum, self.by_unit, 1, keepdim=True, out=to_slope),
            partial(torch.mul, d.flat, self.slope, out=work),
            partial(torch.where, self.positive, d.flat, work, out=d.flat),
        ]
