"""The two-dimensional convolution of Soons's worked example, with several channels and samples."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from bnstudy.networks.byhand.module import Array, Module


class Conv2d(Module):
    """Cross-correlation, stride 1, no padding: X (S, C, H, W), K (O, C, h, w), b (O,) or none, Y (S, O, H-h+1, W-w+1).

    Indices count from 1, as in the example. Samples and channels are omitted; each side sums over those it lacks:

        Y_mn = sum_ab K_ab X_{m+a-1, n+b-1} + b        dL/db = sum_mn G_mn
        dL/dK_ab = sum_mn G_mn X_{m+a-1, n+b-1}
        dL/dX_ab = sum_mn G_mn K_{a-m+1, b-n+1}, with K = 0 outside its range

    The last is a cross-correlation too, of zero-padded G with K rotated by 180 degrees. Soons's example: X 3x3,
    K 2x2, dX_12 = G_11 K_12 + G_12 K_11 as he expands it. His short form sum_n G_1n K_1n has the wrong index of K:
    it must be K_{1, 3-n}.
    """

    def __init__(self, weight: Array, bias: Array | None = None):
        super().__init__(weight=weight, bias=bias)

    def forward(self, x: Array) -> Array:
        kernel = self.parameters["weight"]
        self._windows = _windows(x, kernel.shape[2:])
        y = np.einsum("scmnab,ocab->somn", self._windows, kernel, optimize=True)
        return y + self.parameters["bias"][:, None, None] if "bias" in self.parameters else y

    def backward(self, g: Array) -> Array:
        kernel = self.parameters["weight"]
        self.gradients = {"weight": np.einsum("somn,scmnab->ocab", g, self._windows, optimize=True)}
        if "bias" in self.parameters:
            self.gradients["bias"] = g.sum((0, 2, 3))
        height, width = kernel.shape[2:]
        framed = np.pad(g, ((0, 0), (0, 0), (height - 1, height - 1), (width - 1, width - 1)))
        return np.einsum(
            "somnab,ocab->scmn", _windows(framed, (height, width)), kernel[:, :, ::-1, ::-1], optimize=True
        )


def _windows(x: Array, size: tuple[int, ...]) -> Array:
    """Return every window of this size: (S, C, H, W) -> (S, C, H-h+1, W-w+1, h, w), a view."""
    return sliding_window_view(x, size, axis=(2, 3))  # type: ignore[call-overload]
