"""2.5, 2.6, 2.12, 2.13: iterates of the update rules, and penalties, on losses of one or two weights."""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure as Page
from matplotlib.lines import Line2D
from scipy.optimize import minimize
from torch import Tensor

from bnstudy.design.cell import Cell
from bnstudy.figures import style
from bnstudy.illustrations import Background
from bnstudy.illustrations.canvas import BLUE, GREEN, ORANGE, page, square, surface
from bnstudy.networks import optimizers
from bnstudy.networks import penalties as terms

Loss = Callable[[Tensor], Tensor]


@cache
def iterates(loss: Loss, start: tuple[float, ...], steps: int, rule: str, lr: float, **fields: float) -> np.ndarray:
    """Return the iterates of one of this project's update rules from `start` on `loss`: (steps + 1, weights)."""
    cell = Cell(dataset="digits", model="mlp", norm="none", optimizer=rule, lr=lr, **fields)  # type: ignore[arg-type]
    weights = torch.nn.Parameter(torch.tensor(start))
    optimizer = optimizers.REGISTRY[rule]([weights], cell)
    path = [weights.detach().clone()]
    for _ in range(steps):
        optimizer.zero_grad()
        loss(weights).backward()
        optimizer.step()
        with optimizers.stored_parameters(optimizer):
            path.append(weights.detach().clone())
    return torch.stack(path).numpy()


def valley(w: Tensor) -> Tensor:
    """Return a quadratic loss that is twenty times as steep across the valley as along it."""
    return 0.5 * (w[0] ** 2 + 20 * w[1] ** 2)


def momentum(one: Background, narrow: bool) -> Page:
    rules = {"momentum": (BLUE, "momentum"), "nesterov": (ORANGE, "Nesterov momentum")}
    fig, axes = page(one, [label for _, label in rules.values()], narrow, footer="40 steps, rate 0.02, momentum 0.9.")
    for ax, (rule, (color, _)) in zip(axes, rules.items(), strict=True):
        ax.set(xlim=(-4.4, 2.2), ylim=(-1.6, 1.6))
        x, y, z = surface(lambda a, b: 0.5 * (a**2 + 20 * b**2), ax)
        ax.contour(x, y, z, levels=np.geomspace(0.05, 40, 9), colors="#BBBBBB", linewidths=0.8)
        path = iterates(valley, (-4.0, 1.2), 40, rule, 0.02)
        ax.plot(*path.T, "-o", color=color, markersize=3.2, linewidth=1.2)
        ax.plot(0, 0, "+", color=style.INK, markersize=9)
    return fig


def bowl(w: Tensor) -> Tensor:
    """Return half the squared distance from zero, for which the best rate is 1."""
    return 0.5 * w.square().sum()


def rates(one: Background, narrow: bool) -> Page:
    fig, axes = page(one, ["too high", "too low"], narrow)
    chosen = ((2.1, 1.9, 1.0), (0.002, 0.02, 0.2))
    for ax, group in zip(axes, chosen, strict=True):
        for lr, color, dash in zip(group, (ORANGE, BLUE, GREEN), ("solid", style.DASHED, style.DOTTED), strict=True):
            path = iterates(bowl, (2.0,), 30, "sgd", lr)
            ax.plot(0.5 * path[:, 0] ** 2, color=color, linestyle=dash, label=f"rate {lr:g}")
        ax.set(ylim=(0, 6), xlim=(0, 30), xlabel="step")
        ax.legend(loc="upper right", fontsize=9.5)
    axes[0].set_ylabel("loss")
    return fig


def hills(x, y):
    """Return a loss with several valleys; takes numbers, arrays or tensors."""
    return (x**2 + y - 11) ** 2 / 40 + (x + y**2 - 7) ** 2 / 40


def hilly(w: Tensor) -> Tensor:
    return hills(w[0], w[1])


def landscape(one: Background, narrow: bool) -> Page:
    fig, (ax,) = page(one, ["loss of two weights"], narrow)
    ax.set(xlim=(-6, 6), ylim=(-5, 5))
    x, y, z = surface(hills, ax)
    shown = ax.contourf(
        x, y, z + 0.05, levels=np.geomspace(0.05, 40, 22), cmap="RdYlBu_r", norm=LogNorm(), extend="both"
    )
    for start in ((-0.6, -1.2), (0.6, -0.6), (-0.4, 0.6), (0.6, 0.6)):
        path = iterates(hilly, start, 200, "sgd", 0.1)
        ax.plot(*path.T, color=style.INK, linewidth=1.3)
        ax.plot(*path[-1], "o", color=style.INK, markersize=5)
        ax.plot(*path[0], "o", markerfacecolor="white", markeredgecolor=style.INK, markersize=5)
    bar = fig.colorbar(shown, ax=ax, ticks=[0.1, 1, 10], fraction=0.05, pad=0.02)
    bar.ax.set_yticklabels(["0.1", "1", "10"])
    return fig


PENALTIES = {"l1": "L1", "l2": "L2", "elastic_net": "elastic net"}
CENTRE, STEEPNESS = np.array([1.5, 0.25]), np.array([1.0, 1.6])


def penalties(one: Background, narrow: bool) -> Page:
    legend = [
        Line2D([], [], color=BLUE, linewidth=6, alpha=0.35, label="penalty at most 1"),
        Line2D([], [], color="#999999", label="equal loss"),
        Line2D([], [], color=ORANGE, marker="o", linestyle="none", label="least loss within"),
    ]
    fig, axes = page(one, list(PENALTIES.values()), narrow, legend)
    for ax, name in zip(axes, PENALTIES, strict=True):
        square(ax, 1.7, (0.35, 0.2))
        x, y, z = surface(lambda a, b: STEEPNESS[0] * (a - CENTRE[0]) ** 2 + STEEPNESS[1] * (b - CENTRE[1]) ** 2, ax)
        points = torch.from_numpy(np.stack([x[::2, ::2], y[::2, ::2]], axis=-1)).flatten(0, 1)
        ball = torch.vmap(partial(_penalty, name))(points).numpy().reshape(x[::2, ::2].shape)
        ax.contourf(x[::2, ::2], y[::2, ::2], ball, levels=[-1, 1], colors=[BLUE], alpha=0.3)
        best = constrained(name)
        ax.contour(x, y, z, levels=sorted({0.05, 0.15, _loss(best), 1.4, 3.0}), colors="#999999", linewidths=1)
        ax.plot(*best, "o", color=ORANGE, markersize=7)
        ax.axhline(0, color=style.INK, linewidth=0.8)
        ax.axvline(0, color=style.INK, linewidth=0.8)
        ax.text(0.03, 0.04, f"({best[0]:.2f}, {best[1]:.2f})", transform=ax.transAxes, size=10)
    return fig


def _penalty(name: str, weights: Tensor) -> Tensor:
    """Return this project's penalty with strength 1."""
    return terms.REGISTRY[name]([weights], _penalized(name))


@cache
def _penalized(name: str) -> Cell:
    return Cell(dataset="digits", model="mlp", norm="none", penalty=name, penalty_strength=1.0)


def _loss(point: np.ndarray) -> float:
    return float((STEEPNESS * (point - CENTRE) ** 2).sum())


@cache
def constrained(name: str) -> np.ndarray:
    """Return the weights, (2,), with the least loss among those whose penalty is at most 1."""
    within = {"type": "ineq", "fun": lambda point: 1 - float(_penalty(name, torch.from_numpy(point)))}
    found = minimize(_loss, [0.5, 0.1], method="SLSQP", constraints=[within], bounds=[(0, None), (0, None)])
    return np.round(found.x, 6) + 0.0
