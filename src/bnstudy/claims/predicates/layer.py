"""Claims of a single batch norm layer (3.3): G24 and G25, computed in double precision.

They are exact for epsilon 0 only, so epsilon is far below rounding here.
"""

from typing import Any

from bnstudy.claims.catalogue import layer
from bnstudy.lazy import torch

FACTOR = 7.0
ROUNDING = 1e-10
EPSILON = 1e-30


@layer
def g24(ev: dict[str, float]):
    """Random weights W, input x, bias b: the largest difference of BN((7W)x + b) and BN(Wx) is at rounding level."""
    x, weight, bias = _drawn()
    plain, scaled = _normalized(x, weight), _normalized(x, FACTOR * weight, bias)
    ev["largest difference of outputs"] = float((plain - scaled).abs().max())
    return ev["largest difference of outputs"] < ROUNDING


@layer
def g25(ev: dict[str, float]):
    """The same with 7W: the gradient of x is equal, and that of the weights is a seventh, within rounding."""
    x, weight, _ = _drawn()
    (of_x, of_weight), (of_x_scaled, of_weight_scaled) = _gradients(x, weight), _gradients(x, FACTOR * weight)
    ev["largest difference of input gradients"] = float((of_x - of_x_scaled).abs().max())
    ev["largest difference of weight gradients"] = float((of_weight - FACTOR * of_weight_scaled).abs().max())
    return all(difference < ROUNDING for difference in ev.values())


def _drawn() -> tuple[Any, Any, Any]:
    """Return random x (64, 20), W (10, 20) and b (10,)."""
    stream = torch.Generator().manual_seed(0)
    return tuple(torch.randn(*shape, generator=stream, dtype=torch.float64) for shape in ((64, 20), (10, 20), (10,)))  # type: ignore[return-value]


def _normalized(x: Any, weight: Any, bias: Any = None) -> Any:
    outputs = torch.nn.functional.linear(x, weight, bias)
    return torch.nn.functional.batch_norm(outputs, None, None, training=True, eps=EPSILON)


def _gradients(x: Any, weight: Any) -> tuple[Any, Any]:
    """Return the gradients of x and of the weights, for a loss that weights the outputs unequally."""
    x, weight = (values.clone().requires_grad_() for values in (x, weight))
    outputs = _normalized(x, weight)
    slopes = torch.linspace(-1, 1, outputs.numel(), dtype=torch.float64).reshape(outputs.shape)
    of_x, of_weight = torch.autograd.grad((slopes * outputs.tanh()).sum(), (x, weight))
    return of_x, of_weight
