"""The two-dimensional convolution of Soons's worked example, with several channels and samples, stride and padding; and
max pooling (thesis 2.9.3)."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from bnstudy.networks.byhand.module import Array, Module


class Conv2d(Module):
    """Cross-correlation with stride s and p zeros around each image: X (S, C, H, W), K (O, C, h, w), b (O,) or none,
    Y (S, O, (H+2p-h) // s + 1, (W+2p-w) // s + 1).

    Indices count from 1, as in the example, which has s = 1 and p = 0; X is 0 outside its range. Samples and channels
    are omitted; each side sums over those it lacks:

        Y_mn = sum_ab K_ab X_{s(m-1)+a-p, s(n-1)+b-p} + b        dL/db = sum_mn G_mn
        dL/dK_ab = sum_mn G_mn X_{s(m-1)+a-p, s(n-1)+b-p}
        dL/dX_ab = sum_mn G_mn K_{a+p-s(m-1), b+p-s(n-1)}, with K = 0 outside its range

    The last is a cross-correlation too, of K rotated by 180 degrees with G spread out, s - 1 zeros between its entries,
    and padded. Soons's example: X 3x3, K 2x2, dX_12 = G_11 K_12 + G_12 K_11 as he expands it. His short form
    sum_n G_1n K_1n has the wrong index of K: it must be K_{1, 3-n}.
    """

    def __init__(self, weight: Array, bias: Array | None = None, stride: int = 1, padding: int = 0):
        super().__init__(weight=weight, bias=bias)
        self.stride, self.padding = stride, padding

    def forward(self, x: Array) -> Array:
        kernel = self.parameters["weight"]
        padded = _padded(x, self.padding, self.padding)
        self._shape = padded.shape
        self._windows = _windows(padded, kernel.shape[2:])[:, :, :: self.stride, :: self.stride]
        y = np.einsum("scmnab,ocab->somn", self._windows, kernel, optimize=True)
        return y + self.parameters["bias"][:, None, None] if "bias" in self.parameters else y

    def backward(self, g: Array) -> Array:
        kernel = self.parameters["weight"]
        self.gradients = {"weight": np.einsum("somn,scmnab->ocab", g, self._windows, optimize=True)}
        if "bias" in self.parameters:
            self.gradients["bias"] = g.sum((0, 2, 3))
        height, width = kernel.shape[2:]
        rows, columns = self._shape[2] - height + 1, self._shape[3] - width + 1  # of Y with stride 1
        spread = np.zeros((*g.shape[:2], rows, columns), g.dtype)
        spread[:, :, :: self.stride, :: self.stride] = g
        framed = _windows(_padded(spread, height - 1, width - 1), (height, width))
        dx = np.einsum("somnab,ocab->scmn", framed, kernel[:, :, ::-1, ::-1], optimize=True)
        return _cropped(dx, self.padding)


class MaxPool2d(Module):
    """Y_mn = max_ab X_{s(m-1)+a, s(n-1)+b} over windows of k x k, in each map (equation 2.30), without padding.

    dL/dX_ab is the sum of G_mn over the windows whose largest value is X_ab; of equal values the first counts, row by
    row, as in torch. X (S, C, H, W), Y (S, C, (H-k) // s + 1, (W-k) // s + 1).
    """

    def __init__(self, size: int = 2, stride: int | None = None):
        super().__init__()
        self.size, self.stride = size, stride or size

    def forward(self, x: Array) -> Array:
        windows = _windows(x, (self.size, self.size))[:, :, :: self.stride, :: self.stride]
        flat = windows.reshape(*windows.shape[:4], -1)
        self._shape, self._largest = x.shape, flat.argmax(-1)
        return np.take_along_axis(flat, self._largest[..., None], -1)[..., 0]

    def backward(self, g: Array) -> Array:
        dx = np.zeros(self._shape, g.dtype)
        sample, channel, row, column = np.indices(g.shape)
        down, right = np.divmod(self._largest, self.size)
        np.add.at(dx, (sample, channel, row * self.stride + down, column * self.stride + right), g)
        return dx


def _padded(x: Array, rows: int, columns: int) -> Array:
    """Return the images with so many rows and columns of zeros on each side."""
    return np.pad(x, ((0, 0), (0, 0), (rows, rows), (columns, columns)))


def _cropped(x: Array, frame: int) -> Array:
    """Return the images without so many rows and columns at each side."""
    return x[:, :, frame : x.shape[2] - frame, frame : x.shape[3] - frame]


def _windows(x: Array, size: tuple[int, ...]) -> Array:
    """Return every window of this size: (S, C, H, W) -> (S, C, H-h+1, W-w+1, h, w), a view."""
    return sliding_window_view(x, size, axis=(2, 3))  # type: ignore[call-overload]
