"""Measurements for section 3.3, in double precision: one layer of the MLP of table 6.2 at initialization, on digits.

Scaling: a weight matrix W before a batch norm is scaled by a. By equation 3.4 the output BN(aWu) and the gradient of
the input u do not change, and the gradient of the weights falls as 1/a. This is exact for epsilon 0.
Jacobians: the section quotes Ioffe and Szegedy (2015), who suppose that batch norm brings the singular values of a
layer's Jacobian near one. Their argument needs a linear layer, and uncorrelated inputs and outputs.
"""

from functools import cache

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import batch_norm, linear, relu

from bnstudy import datasets
from bnstudy.design.cell import Cell
from bnstudy.design.labels import SETTINGS
from bnstudy.networks import inits
from bnstudy.networks.models import build
from bnstudy.training.engine.inputs import Inputs, prepare

SCALES = tuple(10.0 ** (k / 2) for k in range(-12, 13))
EPSILON = Cell(dataset="digits", model="mlp", norm="batch").norm_eps
VARIANTS = (("none", 0.0), ("batch", EPSILON), ("batch", 0.0))
"""(norm, epsilon); epsilon 0 is the formula without it."""

HIGH: float = SETTINGS["init_high"]["init_std"]
LOW: float = SETTINGS["init_low"]["init_std"]
STDS = (None, HIGH, 0.1, 0.01, LOW)
"""Standard deviations of the weights whose Jacobians are measured; None: the baseline's, kaiming."""

BATCH, IMAGES = 256, 64
"""Number of images in the batch that a norm sees, and of images at which the Jacobian is computed."""


@cache
def scaling() -> pd.DataFrame:
    """Return columns norm, eps, scale, std, and relative to scale 1: `output` and `input_gradient`, the L2 norm of the
    change; `input_size` and `weight_size`, the L2 norms of both gradients. The loss is a fixed random weighted sum."""
    images, (first, second) = _images(64), _weights(None)
    u = relu(linear(images, first))
    own, rows = float(second.std()), []
    scales = sorted((*SCALES, LOW / own, HIGH / own))
    for norm, eps in VARIANTS:
        z, of_u, of_w = _responses(u, second, norm, eps)
        for scale in scales:
            found = _responses(u, scale * second, norm, eps)
            rows.append(
                {
                    "norm": norm, "eps": eps, "scale": scale, "std": scale * own,
                    "output": _changed(found[0], z), "input_gradient": _changed(found[1], of_u),
                    "input_size": float(found[1].norm() / of_u.norm()),
                    "weight_size": float(found[2].norm() / of_w.norm()),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


@cache
def spectra() -> pd.DataFrame:
    """Return columns norm, layer (`relu` or `linear`), init, std, rank (from 1), value: the singular values, largest
    first, of the Jacobian from the input of the second hidden layer's nonlinearity to that of the third's; median over
    images."""
    images, rows = _images(BATCH), []
    for std in STDS:
        first, second = _weights(std)
        for norm in ("none", "batch"):
            for layer in ("relu", "linear"):
                values = singular_values(images, first, second, norm, layer).quantile(0.5, dim=0)
                facts = {"norm": norm, "layer": layer, "init": _init(std), "std": float(second.std())}
                rows += [facts | {"rank": i, "value": float(value)} for i, value in enumerate(values, 1)]
    return pd.DataFrame(rows)


def singular_values(images: Tensor, first: Tensor, second: Tensor, norm: str, layer: str) -> Tensor:
    """Return the singular values of each image's Jacobian, (IMAGES, units), with a norm's statistics held fixed."""
    nonlinear = relu if layer == "relu" else torch.nn.Identity()
    before = linear(images, first)
    if norm == "batch":
        before = batch_norm(before, None, None, training=True, eps=EPSILON)
    after = linear(nonlinear(before), second)
    mean, variance = after.mean(0), after.var(0, unbiased=False)

    def step(x: Tensor) -> Tensor:
        y = linear(nonlinear(x), second)
        return y if norm == "none" else (y - mean) / torch.sqrt(variance + EPSILON)

    jacobians = torch.func.vmap(torch.func.jacrev(step))(before[:IMAGES])
    return torch.linalg.svdvals(jacobians)


def _responses(u: Tensor, weight: Tensor, norm: str, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the outputs, and the gradients of u and of the weights."""
    u, weight = (values.clone().requires_grad_() for values in (u, weight))
    z = linear(u, weight)
    if norm == "batch":
        centred = z - z.mean(0)
        z = centred / torch.sqrt(centred.square().mean(0) + eps)
    loss = (z * torch.randn(z.shape, generator=torch.Generator().manual_seed(0), dtype=z.dtype)).sum()
    of_u, of_weight = torch.autograd.grad(loss, (u, weight))
    return z.detach(), of_u, of_weight


def _changed(now: Tensor, before: Tensor) -> float:
    return float((now - before).norm() / before.norm())


@cache
def digits() -> Inputs:
    """Return digits as a run of seed 0 sees them."""
    return prepare(Cell(dataset="digits", model="mlp", norm="none"), 0, datasets.load("digits"))


def _images(count: int) -> Tensor:
    """Return the first standardized training images of digits, flattened: (count, 1024)."""
    return digits().train_images[:count].flatten(1).double()


def _weights(std: float | None) -> tuple[Tensor, Tensor]:
    """Return the weights of the first two hidden layers, (100, 1024) and (100, 100), at seed 0; biases are zero."""
    init = {} if std is None else {"init": "normal", "init_std": std}
    cell = Cell(dataset="digits", model="mlp", norm="none", **init)
    network = build(cell, digits().shape)
    inits.initialize(network, cell, 0)
    first, second = (block.layer.weight.detach().double() for block in network.blocks[:2])
    return first, second


def _init(std: float | None) -> str:
    return "kaiming" if std is None else f"{std:g}"
