"""2.11: the nonlinearities of 2.10, evaluated as the networks use them."""

from dataclasses import replace

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Page

from bnstudy.design.cell import Cell
from bnstudy.figures import style
from bnstudy.illustrations import Background
from bnstudy.illustrations.canvas import BLUE, GREEN, ORANGE, PURPLE, crossed, page
from bnstudy.networks import activations

SATURATING = {"sigmoid": (BLUE, "solid"), "tanh": (ORANGE, style.DASHED)}
RECTIFIED = {"relu": (BLUE, "solid"), "leaky_relu": (GREEN, style.DOTTED), "elu": (ORANGE, style.DASHED),
             "softplus": (PURPLE, style.DASH_DOT)}  # fmt: skip
LABELS = {"relu": "ReLU", "leaky_relu": "leaky ReLU", "elu": "ELU"}
SHOWN_SLOPE = 0.1


def functions(one: Background, narrow: bool) -> Page:
    fig, axes = page(one, ["saturating", "rectified"], narrow)
    for ax, group, low in zip(axes, (SATURATING, RECTIFIED), (-1.3, -1.6), strict=True):
        _curves(ax, group)
        ax.set(xlim=(-5, 5), ylim=(low, 1.3 if low == -1.3 else 5))
        ax.legend(loc="upper left", fontsize=9.5)
    return fig


def _curves(ax: Axes, group: dict) -> None:
    x = torch.linspace(-5, 5, 401)
    crossed(ax)
    for name, (color, dash) in group.items():
        cell = Cell(dataset="toy", model="mlp", norm="none", activation=name)
        cell = replace(cell, negative_slope=SHOWN_SLOPE) if name == "leaky_relu" else cell
        function = activations.REGISTRY[name](cell)
        ax.plot(x.numpy(), function(x).detach().numpy(), color=color, linestyle=dash, label=LABELS.get(name, name))
