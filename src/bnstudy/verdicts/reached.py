"""When a curve reaches a level: the measure of convergence speed."""

import numpy as np


def reached(values: np.ndarray, level: float) -> float:
    """Return the epoch after 0 at which a curve (one value per epoch from 0) first reaches `level`; infinity if never.
    Interpolated linearly, because whole epochs would tie on MNIST."""
    above = np.flatnonzero(values[1:] >= level)
    if not above.size:
        return np.inf
    epoch = int(above[0]) + 1
    before, now = values[epoch - 1], values[epoch]
    return epoch - (now - level) / (now - before) if -np.inf < before < level else float(epoch)
