"""PCA whitening (thesis 2.3.2, equations 2.7 to 2.9): images in the axes of their covariance, scaled to variance 1; and
ZCA whitening, which turns them back into pixels.

Takes about 46 s of one core for CIFAR10, whose covariance is 3,072 x 3,072, once per process.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

EPSILON = 1e-3  # of the mean variance of a pixel, added to every variance so that noise is not scaled up
CHUNK = 256  # images at once: float32 holds integers up to 256 * 255 * 255, so sums of products are exact


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """`mean` and `std`, float64 (channels, height, width): the mean of pixel values, and the deviations along the axes,
    largest first, with epsilon; `axes` float64 (values, values), one per column. `zca`: turned back into pixels."""

    mean: Tensor
    std: Tensor
    axes: Tensor
    zca: bool = False

    def __call__(self, pixels: np.ndarray) -> Tensor:
        """Whiten uint8 images; return float32 of the same shape (n, channels, height, width)."""
        scaled = self.axes / self.std.flatten()
        matrix = (scaled @ self.axes.T if self.zca else scaled).float()
        chunks = [self._centred(pixels[i : i + CHUNK]).float() @ matrix for i in range(0, len(pixels), CHUNK)]
        return torch.cat(chunks).reshape(pixels.shape)

    def _centred(self, pixels: np.ndarray) -> Tensor:
        return torch.from_numpy(pixels).double().flatten(1) - self.mean.flatten()


def whitening(blocks: list[np.ndarray], mean: Tensor, zca: bool = False) -> Whitening:
    """Return the whitening of uint8 images, each block (n, channels, height, width), whose mean image is `mean`.

    The largest entry of an axis is positive, so that it has the same direction on every machine.
    """
    center, products = mean.flatten(), torch.zeros(mean.numel(), mean.numel(), dtype=torch.float64)
    for block in blocks:
        for start in range(0, len(block), CHUNK):
            values = torch.from_numpy(block[start : start + CHUNK]).float().flatten(1)
            products += values.T @ values
    covariance = products / sum(map(len, blocks)) - torch.outer(center, center)
    variances, axes = (found.flip(-1) for found in torch.linalg.eigh(covariance))
    signs = torch.gather(axes, 0, axes.abs().argmax(0, keepdim=True)).sign()
    least = EPSILON * variances.mean().clamp(min=1e-12)
    return Whitening(mean, (variances.clamp(min=0) + least).sqrt().reshape(mean.shape), axes * signs, zca)
