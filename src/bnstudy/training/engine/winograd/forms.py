"""A 3x3 convolution and its gradients as batched matrix products (docs/derivation.md).

A form F(m x m, 3x3) computes m x m outputs from a tile of inputs by fewer multiplications than the 9 m^2 of the
definition (Winograd; Lavin and Gray 2016). With constant matrices B, G and A, a tile x, and weights w, both as columns,

    y = A ((B x) * (G w)),

where * multiplies entry by entry; over channels and tiles that product is one matrix product per entry. Everything
here is linear in x and in w, so the gradients are the same products with transposed matrices.

All tensors are channels last, so that no operand is copied: a tile is a matrix (positions, channels), and the
weights of an output channel are a matrix (taps, channels).
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

Rows = Sequence[Sequence[float]]


class Axis(NamedTuple):
    """A form along one axis: y = A ((B x) * (G w)) for a tile x, three taps w and the outputs y."""

    B: Rows
    G: Rows
    A: Rows


F2 = Axis(
    B=((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
    G=((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)),
    A=((1, 1, 1, 0), (0, 1, -1, -1)),
)
F4 = Axis(
    B=((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0),
       (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1)),
    G=((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6),
       (1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1)),
    A=((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1)),
)  # fmt: skip
TOEPLITZ = Axis(
    B=((0, 1, 1, 0), (0, 0, 1, 0), (0, 1, 0, 0)),
    G=((0, 1, 0), (0, -1, 1), (1, -1, 0)),
    A=((1, 1, 0), (1, 0, 1)),
)
"""On a map of two positions the outer taps meet one input each: three products for two outputs, where F2 needs four."""

AXES = {"f2": F2, "f4": F4, "toeplitz": TOEPLITZ}


class Form(NamedTuple):
    """The matrices of a form for square maps of one size.

    outputs  m: tiles have m x m outputs
    B        (products, positions of a tile); on a map of one tile without the positions that are padding
    G        (products, 9)
    A        (m * m, products)
    """

    outputs: int
    B: Tensor
    G: Tensor
    A: Tensor


@lru_cache
def form(name: str, side: int, dtype: torch.dtype) -> Form:
    """The form of this name for maps of side x side."""
    B, G, A = (torch.tensor(rows, dtype=torch.float64) for rows in AXES[name])
    m = len(A)
    if side == m:
        B = B[:, 1:-1]
    return Form(m, *(torch.kron(matrix, matrix).to(dtype) for matrix in (B, G, A)))


def cut(x: Tensor, m: int) -> Tensor:
    """Maps (N, side, side, C) as tiles (N * tiles, positions, C): those an m x m block of outputs depends on."""
    n, side, _, c = x.shape
    if side == m:
        return x.reshape(n, m * m, c)
    windows = pad(x, (0, 0, 1, 1, 1, 1)).unfold(1, m + 2, m).unfold(2, m + 2, m)  # (N, t, t, C, m + 2, m + 2)
    return windows.permute(0, 1, 2, 4, 5, 3).reshape(-1, (m + 2) ** 2, c)


def add_up(tiles: Tensor, m: int, out: Tensor) -> None:
    """The adjoint of `cut`, into maps (N, side, side, C): where tiles overlap their sum."""
    n, side, _, c = out.shape
    t = side // m
    if t == 1:
        out.copy_(tiles.view(out.shape))
        return
    tiles = tiles.view(n, t, t, m + 2, m + 2, c)
    maps = tiles.new_zeros(n, t + 1, m, t + 1, m, c)
    for i, j in product((0, 1), repeat=2):  # the first m rows of a tile, and the two it shares with the next
        rows, columns = (slice(0, m), slice(m, None))[i], (slice(0, m), slice(m, None))[j]
        part = tiles[:, :, :, rows, columns].transpose(2, 3)
        maps[:, i : t + i, : part.shape[2], j : t + j, : part.shape[4]] += part
    out.copy_(maps.view(n, m * (t + 1), m * (t + 1), c)[:, 1 : side + 1, 1 : side + 1])


def split(y: Tensor, m: int) -> Tensor:
    """Maps (N, side, side, C) as blocks (N * blocks, m * m, C)."""
    n, side, _, c = y.shape
    t = side // m
    return y.reshape(n, t, m, t, m, c).transpose(2, 3).reshape(-1, m * m, c)


def join(blocks: Tensor, m: int, out: Tensor) -> None:
    """The inverse of `split`, into maps (N, side, side, C)."""
    n, side, _, c = out.shape
    t = side // m
    out.view(n, t, m, t, m, c).copy_(blocks.view(n, t, t, m, m, c).transpose(2, 3))
