"""Update rules (thesis 2.7): name -> (parameters, cell) -> torch optimizer; and Nesterov as equation 2.15.

Equation 2.15 is v <- mu v - lr grad(theta + mu v); theta <- theta + v. torch's SGD keeps b = -v / lr and
the look-ahead point p = theta + mu v, and updates b <- mu b + grad(p); p <- p - lr (grad(p) + mu b). The
two agree while lr is constant, once two things are corrected:

- when lr changes, v stays, so b is scaled by lr_before / lr_after: `rescale_velocity`;
- theta = p + mu lr b is what is validated, tested and kept, not p: `stored_parameters`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from bnstudy.design.cell import Cell
from bnstudy.lazy import torch

Parameters = Iterable["torch.nn.Parameter"]


def nesterov(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    """2.7.1; the entry `lookahead` of its parameter groups turns on the corrections below."""
    groups = [{"params": list(parameters), "lookahead": cell.nesterov == "lookahead"}]
    return torch.optim.SGD(groups, lr=cell.lr, momentum=cell.momentum, nesterov=cell.momentum > 0, fused=True)


def momentum(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=cell.lr, momentum=cell.momentum, fused=True)


def sgd(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=cell.lr, fused=True)


def adam(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=cell.lr)


def rmsprop(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    """Decay 0.9 of the squares, as Hinton gave it; cell.momentum acts on the scaled step (0 is plain RMSprop)."""
    return torch.optim.RMSprop(parameters, lr=cell.lr, alpha=0.9, momentum=cell.momentum)


def adagrad(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    return torch.optim.Adagrad(parameters, lr=cell.lr)


def adadelta(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    return torch.optim.Adadelta(parameters, lr=cell.lr)


def adamax(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    return torch.optim.Adamax(parameters, lr=cell.lr)


REGISTRY: dict[str, Callable[[Parameters, Cell], torch.optim.Optimizer]] = {
    "nesterov": nesterov,
    "momentum": momentum,
    "sgd": sgd,
    "adam": adam,
    "rmsprop": rmsprop,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "adamax": adamax,
}


def rescale_velocity(optimizer: torch.optim.Optimizer, lr_before: float, lr_after: float) -> None:
    """Keep the velocity of equation 2.15 when lr changes: b <- b * lr_before / lr_after, in place.

    Call it where the rate is set. Affects only Nesterov by look-ahead. At a rate of 0 nothing moves any more, so b is
    left unchanged.
    """
    if lr_after in (0, lr_before):
        return
    for _, _, buffer in _lookahead(optimizer):
        buffer.mul_(lr_before / lr_after)


@contextmanager
def stored_parameters(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Within this context the parameters are theta = p + mu lr b of equation 2.15, in place.

    On exit the look-ahead points p are restored bit for bit. Affects only Nesterov by look-ahead. The rate must be that
    of the last step, or the buffers rescaled.
    """
    with torch.no_grad():
        kept = [(parameter, parameter.clone()) for parameter, _, _ in _lookahead(optimizer)]
        for parameter, scale, buffer in _lookahead(optimizer):
            parameter.add_(buffer, alpha=scale)
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, point in kept:
                parameter.copy_(point)


def align_gradients(optimizer: torch.optim.Optimizer, *_: object) -> None:
    """Give gradients the strides of their parameters; a hook before each step.

    The strides of a convolution with one map, or with a 1x1 kernel, are ambiguous, and CUDA's fused kernels refuse a
    gradient whose strides differ from its parameter's.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None and parameter.grad.stride() != parameter.stride():
                parameter.grad = torch.empty_like(parameter).copy_(parameter.grad)


def _lookahead(optimizer: torch.optim.Optimizer) -> Iterator[tuple[torch.Tensor, float, torch.Tensor]]:
    """Yield (p, mu * lr, b) of every parameter that is at a look-ahead point."""
    for group in optimizer.param_groups:
        if not group.get("lookahead"):
            continue
        for parameter in group["params"]:
            buffer = optimizer.state[parameter].get("momentum_buffer") if parameter in optimizer.state else None
            if buffer is not None:
                yield parameter, group["momentum"] * float(group["lr"]), buffer
