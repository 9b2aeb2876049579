"""The mean gradient of a network, from the statistics of its layers (7.1.2, 7.2.1)."""

import numpy as np


def mean_gradient(layers: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the mean over all weight entries, one value per epoch: (epochs,).

    layers  a mean over the weight entries of each layer, signed or absolute: (epochs, layers)
    sizes   weights of each layer: (layers,)
    NaN in an epoch if the gradient of any layer is not finite: the mean over the remaining layers would be another
    quantity. Figures omit such an epoch; claims count it as infinite, like a loss that is not finite.
    """
    return np.average(np.where(np.isfinite(layers), layers, np.nan).astype(float), axis=1, weights=sizes)
