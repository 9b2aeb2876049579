"""Learning rate schedules (thesis 2.8): name -> (cell, epoch from 1) -> lr. Imports no torch.

With `schedule_by: step` an epoch is a training step, of which there are many more.

All rules start at cell.lr in epoch 1 and never fall below cell.lr_min, unless they start below it.
"""

import math
from collections.abc import Callable

from bnstudy.design.cell import Cell


def adaptive(cell: Cell, epoch: int) -> float:
    """Return the initial rate; training/engine/decay_and_stop.py cuts it after stagnation (2.8.2, equation 2.25)."""
    return cell.lr


def constant(cell: Cell, epoch: int) -> float:
    """lr(t) = lr."""
    return cell.lr


def linear(cell: Cell, epoch: int) -> float:
    """Equation 2.22: lr(t) = lr - t (lr - lr_min) / decay_until up to t = decay_until, t = epoch - 1; without
    `decay_until`, lr(t) = lr * (1 - rate * t) (2.8.2)."""
    if cell.decay_until is not None:
        return cell.lr - min((epoch - 1) / cell.decay_until, 1.0) * (cell.lr - min(cell.lr_min, cell.lr))
    return _floored(cell, cell.lr * (1 - cell.decay_rate * (epoch - 1)))


def exponential(cell: Cell, epoch: int) -> float:
    """lr(t) = lr * exp(-rate * t), t = epoch - 1 (2.8.2)."""
    return _floored(cell, cell.lr * math.exp(-cell.decay_rate * (epoch - 1)))


def power(cell: Cell, epoch: int) -> float:
    """lr(t) = lr / (1 + rate * t), t = epoch - 1 (2.8.2); the exponent is 1, as in Torch7's learningRateDecay."""
    return _floored(cell, cell.lr / (1 + cell.decay_rate * (epoch - 1)))


def scheduled(cell: Cell, epoch: int) -> float:
    """lr(t) = lr * decay_factor^(number of epochs of decay_at that have passed) (2.8.2, scheduled decay)."""
    return _floored(cell, cell.lr * cell.decay_factor ** sum(end < epoch for end in cell.decay_at))


def _floored(cell: Cell, lr: float) -> float:
    return max(lr, min(cell.lr_min, cell.lr))


REGISTRY: dict[str, Callable[[Cell, int], float]] = {
    "adaptive": adaptive,
    "constant": constant,
    "linear": linear,
    "exponential": exponential,
    "power": power,
    "scheduled": scheduled,
}
