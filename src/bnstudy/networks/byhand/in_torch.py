"""By-hand layers as parts of a torch network: torch keeps the parameters and passes gradients from part to part.

Parts compute forward and backward by the numpy formulas, on the CPU and in the precision of their parameters, on
whatever device these are.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bnstudy.networks import byhand


class ByHand(torch.autograd.Function):
    """A by-hand module in torch's graph; its inputs are `x` and the module's parameters, in their order."""

    @staticmethod
    def forward(ctx: Any, module: byhand.Module, x: Tensor, *_parameters: Tensor) -> Tensor:
        ctx.module = module
        with np.errstate(all="ignore"):  # divergence is a result, not a warning
            return tensor(module.forward(array(x)), x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        g, module = gradients[0], ctx.module
        with np.errstate(all="ignore"):
            dx = tensor(module.backward(array(g)), g)
        return None, dx, *(tensor(module.gradients[name], g) for name in module.parameters)


def array(values: Tensor) -> byhand.Array:
    """Return the values as a numpy array, uncopied on a CPU; zeros on the meta device (networks.model_summary)."""
    if values.is_meta:
        return np.zeros(values.shape, np.float32)
    return values.detach().cpu().numpy()


def tensor(values: byhand.Array, like: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(values)).to(like.device)


# Each part is a torch module that holds parameters under torch's names and makes a by-hand module for each pass.


class Linear(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        parameters = [self.weight] if self.bias is None else [self.weight, self.bias]
        return ByHand.apply(byhand.Linear(*map(array, parameters)), input, *parameters)  # type: ignore[return-value]


class BatchNorm(_BatchNorm):
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, input: Tensor) -> Tensor:
        if self.training:
            self.num_batches_tracked += 1
        rate = self.momentum if self.momentum is not None else 1 / max(1, int(self.num_batches_tracked))
        mean, var = running = array(self.running_mean), array(self.running_var)
        module = byhand.BatchNorm(array(self.weight), array(self.bias), running, self.eps, rate)
        module.train(self.training)
        output = ByHand.apply(module, input, self.weight, self.bias)
        if self.training:
            self.running_mean.copy_(tensor(mean, input))
            self.running_var.copy_(tensor(var, input))
        return output  # type: ignore[return-value]

    def _check_input_dim(self, input: Tensor) -> None:
        """torch calls this in its own forward pass."""


class LayerNorm(nn.LayerNorm):
    def forward(self, input: Tensor) -> Tensor:
        module = byhand.LayerNorm(array(self.weight), array(self.bias), self.eps)
        return ByHand.apply(module, input, self.weight, self.bias)  # type: ignore[return-value]


class PReLU(nn.PReLU):
    def forward(self, input: Tensor) -> Tensor:
        return ByHand.apply(byhand.PReLU(array(self.weight)), input, self.weight)  # type: ignore[return-value]


class Activation(nn.Module):
    """A nonlinearity without parameters."""

    def __init__(self, kind: type[byhand.Module], *options: float):
        super().__init__()
        self.kind, self.options = kind, options

    def forward(self, x: Tensor) -> Tensor:
        return ByHand.apply(self.kind(*self.options), x)  # type: ignore[return-value]

    def extra_repr(self) -> str:
        return ", ".join([self.kind.__name__, *map(str, self.options)])


PLAIN = {
    nn.ReLU: byhand.ReLU, nn.Tanh: byhand.Tanh, nn.Sigmoid: byhand.Sigmoid, nn.Softplus: byhand.Softplus,
}  # fmt: skip


def by_hand(part: nn.Module) -> nn.Module:
    """Return the by-hand twin of a part, with new parameters; a part without a twin is returned as it is.

    Parts without a twin are the identity, group and RMS norm, and the `_autograd` and `_manual` norms, which compute
    what the twins of batch and layer norm compute.
    """
    match part:
        case nn.Linear():
            return Linear(part.in_features, part.out_features, bias=part.bias is not None)
        case nn.BatchNorm1d():
            return BatchNorm(part.num_features, part.eps, part.momentum)
        case nn.LayerNorm():
            return LayerNorm(list(part.normalized_shape), part.eps)
        case nn.PReLU():
            return PReLU()
        case nn.LeakyReLU():
            return Activation(byhand.LeakyReLU, part.negative_slope)
        case nn.ELU():
            return Activation(byhand.ELU, part.alpha)
        case _:
            return Activation(PLAIN[type(part)]) if type(part) in PLAIN else part
