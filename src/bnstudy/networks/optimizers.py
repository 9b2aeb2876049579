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
from typing import Any

from bnstudy.design.cell import Cell
from bnstudy.lazy import torch

Parameters = Iterable["torch.nn.Parameter"]
VANISHED = 2.0**-126
"""The smallest normal number of float32: a rate below it moves nothing."""


def nesterov(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    """2.7.1; the entry `lookahead` of its parameter groups turns on the corrections below."""
    groups = [{"params": list(parameters), "lookahead": cell.nesterov == "lookahead"}]
    return torch.optim.SGD(groups, lr=cell.lr, momentum=cell.momentum, nesterov=cell.momentum > 0, fused=True)


def momentum(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=cell.lr, momentum=cell.momentum, fused=True)


def sgd(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=cell.lr, fused=True)


def adam(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    """Equation 2.18 with corrected bias, epsilon outside the root."""
    return torch.optim.Adam(parameters, lr=cell.lr, betas=_decays(cell), eps=_or(cell.update_eps, 1e-8))


def rmsprop(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    """Decay 0.9 of the squares, as Hinton gave it; cell.momentum acts on the scaled step (0 is plain RMSprop)."""
    return _rmsprop(parameters, cell, cell.momentum)


def rmsprop_plain(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    """Equation 2.17 with epsilon outside the root, as torch has it; no momentum."""
    return _rmsprop(parameters, cell, 0.0)


def _rmsprop(parameters: Parameters, cell: Cell, momentum: float) -> torch.optim.Optimizer:
    decay, eps = _or(cell.squares_decay, 0.9), _or(cell.update_eps, 1e-8)
    return torch.optim.RMSprop(parameters, lr=cell.lr, alpha=decay, momentum=momentum, eps=eps)


def adagrad(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    """Equation 2.16, epsilon outside the root."""
    return torch.optim.Adagrad(parameters, lr=cell.lr, eps=_or(cell.update_eps, 1e-10))


def adadelta(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    """Zeiler's rule, which also scales by the root mean square of past steps; equation 2.17 does not."""
    decay, eps = _or(cell.squares_decay, 0.9), _or(cell.update_eps, 1e-6)
    return torch.optim.Adadelta(parameters, lr=cell.lr, rho=decay, eps=eps)


def adamax(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    """Equation 2.18 with the infinity norm in place of the squares."""
    return torch.optim.Adamax(parameters, lr=cell.lr, betas=_decays(cell), eps=_or(cell.update_eps, 1e-8))


def adagrad_printed(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    """Equation 2.16 as printed: c += g^2; w -= eta g / sqrt(c + eps)."""
    return _printed(parameters, cell, None, 1.0, 1.0, 1e-10)


def adadelta_printed(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    """Equation 2.17 as printed: c = lambda c + (1 - lambda) g^2; w -= eta g / sqrt(c + eps)."""
    decay = _or(cell.squares_decay, 0.9)
    return _printed(parameters, cell, None, decay, 1 - decay, 1e-6)


def adam_printed(parameters: Parameters, cell: Cell) -> torch.optim.Optimizer:
    """Equation 2.18 as printed, its bias uncorrected: c1 = alpha c1 + (1 - alpha) g; c2 = beta c2 + (1 - beta) g^2;
    w -= eta c1 / sqrt(c2 + eps)."""
    mean, squares = _decays(cell)
    return _printed(parameters, cell, mean, squares, 1 - squares, 1e-8)


def _printed(
    parameters: Parameters, cell: Cell, mean: float | None, old: float, new: float, eps: float
) -> torch.optim.Optimizer:
    """Return the rule of equations 2.16 to 2.18: squares = old squares + new g^2; w -= lr m / sqrt(squares + eps),
    where m is the gradient, or its mean with decay `mean`."""

    class Printed(torch.optim.Optimizer):
        @torch.no_grad()
        def step(self, closure: None = None) -> None:
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self._move(parameter, parameter.grad, group)

        def _move(self, parameter: torch.Tensor, gradient: torch.Tensor, group: dict[str, Any]) -> None:
            state = self.state[parameter]
            squares = state.setdefault("squares", torch.zeros_like(parameter))
            squares.mul_(group["old"]).addcmul_(gradient, gradient, value=group["new"])
            if group["mean"] is not None:
                kept = state.setdefault("mean", torch.zeros_like(parameter))
                gradient = kept.lerp_(gradient, 1 - group["mean"])
            parameter.addcdiv_(gradient, (squares + group["eps"]).sqrt_(), value=-group["lr"])

    return Printed(parameters, {"lr": cell.lr, "mean": mean, "old": old, "new": new, "eps": _or(cell.update_eps, eps)})


def _decays(cell: Cell) -> tuple[float, float]:
    return _or(cell.mean_decay, 0.9), _or(cell.squares_decay, 0.999)


def _or(value: float | None, own: float) -> float:
    return own if value is None else value


REGISTRY: dict[str, Callable[[Parameters, Cell], torch.optim.Optimizer]] = {
    "nesterov": nesterov,
    "momentum": momentum,
    "sgd": sgd,
    "adam": adam,
    "rmsprop": rmsprop,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "adamax": adamax,
    "rmsprop_plain": rmsprop_plain,
    "adagrad_printed": adagrad_printed,
    "adadelta_printed": adadelta_printed,
    "adam_printed": adam_printed,
}


def rescale_velocity(optimizer: torch.optim.Optimizer, lr_before: float, lr_after: float) -> None:
    """Keep the velocity of equation 2.15 when lr changes: b <- b * lr_before / lr_after, in place.

    Call it where the rate is set. Affects only Nesterov by look-ahead. From a rate below VANISHED on, b stays as it is:
    the network stops, where equation 2.15 would let it glide on, and b cannot overflow.
    """
    if lr_after < VANISHED or lr_after == lr_before:
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
