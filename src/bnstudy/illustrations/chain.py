"""L3: a chain of linear units (equations 3.6 to 3.8), and how far a first-order step misjudges its output."""

from functools import cache

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure as Page
from matplotlib.lines import Line2D
from torch import Tensor
from torch.nn.functional import batch_norm

from bnstudy.illustrations import Background
from bnstudy.illustrations.canvas import BLUE, GREEN, ORANGE, PURPLE, page

DEPTHS = {1: "#222222", 2: BLUE, 4: GREEN, 8: ORANGE, 16: PURPLE}
RATES = tuple(10.0 ** (k / 8) for k in range(-32, 1))
NORMS = {"none": "vanilla", "batch": "batch norm between the units"}
IMAGES = 256


def output(x: Tensor, weights: Tensor, norm: str) -> Tensor:
    """Return y = x w1 w2 ... wl (equation 3.6), (n,); with batch norm, what each unit but the last hands on is
    normalized over the batch, without scale and shift."""
    for i, weight in enumerate(weights):
        x = x * weight
        if norm == "batch" and i < len(weights) - 1:
            x = batch_norm(x[:, None], None, None, training=True, eps=1e-12)[:, 0]
    return x


@cache
def steps() -> pd.DataFrame:
    """Return columns norm, depth, lr, predicted, true: the change of the mean of x y when all weights take a step of
    size lr along its gradient, to first order (lr times the squared gradient, equation 3.7) and as it is (3.8)."""
    x = torch.randn(IMAGES, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    rows = []
    for norm in NORMS:
        for depth in DEPTHS:
            weights = torch.ones(depth, dtype=torch.float64, requires_grad=True)
            before = (x * output(x, weights, norm)).mean()
            (gradient,) = torch.autograd.grad(before, weights)
            for lr in RATES:
                moved = (x * output(x, weights.detach() + lr * gradient, norm)).mean()
                predicted = lr * float(gradient.square().sum())
                rows.append((norm, depth, lr, predicted, float(moved - before.detach())))
    return pd.DataFrame(rows, columns=["norm", "depth", "lr", "predicted", "true"])


def chain(one: Background, narrow: bool) -> Page:
    legend = [Line2D([], [], color=color, label=f"{depth} unit{'s' * (depth > 1)}") for depth, color in DEPTHS.items()]
    footer = "A step uphill on all weights at once; on the pale line the first-order prediction is right."
    fig, axes = page(one, list(NORMS.values()), narrow, legend, footer)
    found = steps()
    for ax, norm in zip(axes, NORMS, strict=True):
        ax.axhline(1, color="#CFCFCF", linewidth=5, zorder=0)
        for width, (depth, color) in zip(np.linspace(4.2, 1.4, len(DEPTHS)), DEPTHS.items(), strict=True):
            own = found[(found["norm"] == norm) & (found["depth"] == depth)]
            ax.plot(own["lr"], own["true"] / own["predicted"], color=color, linewidth=width)
        ax.set(xscale="log", yscale="log", xlabel="step size", ylim=(0.5, 1e4), xlim=(RATES[0], RATES[-1]))
        ax.set_ylabel("true / predicted change" if narrow or ax is axes[0] else "")
        ax.grid(axis="y", color="#E4E4E4", linewidth=0.7)
    return fig
