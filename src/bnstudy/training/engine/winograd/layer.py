"""The convolution by a form as a differentiable function, and the layer that takes the place of torch's."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from bnstudy.networks.models.block import Network
from bnstudy.training.engine.winograd.forms import Form, add_up, cut, form, join, split
from bnstudy.training.engine.winograd.table import choose

MANY, FEW = 512, 128
"""Up to MANY tiles are one part, which stays in the cache; FEW tiles are enough for a fast product."""


class Buffers:
    """Temporary tensors that are made once: fresh pages for some hundred megabytes a step cost a fifth of its time."""

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}

    def take(self, name: str, *shape: int, like: Tensor) -> Tensor:
        """An uninitialized tensor, which shares its memory with the last one taken by this name."""
        size = torch.Size(shape).numel()
        kept = self._kept.get(name)
        if kept is None or kept.numel() < size:
            kept = self._kept[name] = like.new_empty(size)
        return kept[:size].view(shape)


class Products(torch.autograd.Function):
    """A 3x3 convolution with zero padding 1: x (N, C, side, side), weight (M, C, 3, 3), bias (M,) or None.

    With the form's matrices, tiles x, weights w and blocks of outputs y: V = B x, U = G w, Z = V U^T for each product,
    y = A Z. Backward: dZ = A^T dy, dU = dZ^T V, dw = G^T dU, dV = dZ U, dx = B^T dV.

    Images are taken a few at a time where their tiles would not stay in the cache from one product to the next.

    own      buffers that this layer alone uses: V and U wait in them for the backward pass; None if none follows
    shared   buffers that all layers may use
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, form: Form, own: Buffers | None, shared: Buffers
    ) -> Tensor:
        maps_in, taps, p = _last(x), _last(weight).flatten(1, 2), len(form.G)
        (n, side, _, c), maps = maps_in.shape, len(taps)
        tiles = (side // form.outputs) ** 2
        V = own.take("V", n * tiles, p, c, like=x) if own else None
        U = torch.bmm(_each(form.G, maps), taps, out=(own or shared).take("U", maps, p, c, like=x))
        y = x.new_empty(n, side, side, maps)
        for images, here in _parts(n, tiles, maps):
            x_tiles = cut(maps_in[images], form.outputs)
            room = V[here] if V is not None else shared.take("V", len(x_tiles), p, c, like=x)
            v = torch.bmm(_each(form.B, len(x_tiles)), x_tiles, out=room)
            Z = shared.take("Z", len(v), p, maps, like=x)
            torch.bmm(v.transpose(0, 1), U.permute(1, 2, 0), out=Z.transpose(0, 1))
            A = _each(form.A, len(v))
            join(torch.bmm(A, Z) if bias is None else torch.baddbmm(bias, A, Z), form.outputs, y[images])
        if V is not None:
            ctx.save_for_backward(V, U)
        ctx.form, ctx.side, ctx.shared = form, side, shared
        return _first(y)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        form, side, (V, U), shared = ctx.form, ctx.side, ctx.saved_tensors, ctx.shared
        dy, (maps, p, c) = _last(gradients[0]), U.shape
        dx = dy.new_empty(len(dy), side, side, c) if ctx.needs_input_grad[0] else None
        dU = shared.take("dU", maps, p, c, like=dy).transpose(0, 1)
        db = dy.new_zeros(maps) if ctx.needs_input_grad[2] else None
        for images, here in _parts(len(dy), len(V) // len(dy), maps):
            v, blocks = V[here], split(dy[images], form.outputs)
            if db is not None:
                db += blocks.sum((0, 1))
            dZ = torch.bmm(_each(form.A.t(), len(v)), blocks, out=shared.take("Z", len(v), p, maps, like=dy))
            torch.baddbmm(dU, dZ.permute(1, 2, 0), v.transpose(0, 1), beta=int(here.start > 0), out=dU)
            if dx is not None:
                dV = shared.take("dV", len(v), p, c, like=dy)
                torch.bmm(dZ.transpose(0, 1), U.transpose(0, 1), out=dV.transpose(0, 1))
                add_up(torch.bmm(_each(form.B.t(), len(v)), dV), form.outputs, dx[images])
        dw = _first(torch.bmm(_each(form.G.t(), maps), dU.transpose(0, 1)).unflatten(1, (3, 3)))
        return None if dx is None else _first(dx), dw, db, None, None, None


def _parts(images: int, tiles: int, maps: int) -> Iterator[tuple[slice, slice]]:
    """Yield the images of each part and their tiles: where there are many, as many as take twice the room of the
    weights, of which each part reads all."""
    few = images if images * tiles <= MANY else -(-max(FEW, 2 * maps) // tiles)
    for start in range(0, images, few):
        end = min(start + few, images)
        yield slice(start, end), slice(start * tiles, end * tiles)


def _last(x: Tensor) -> Tensor:
    """(N, C, H, W) as (N, H, W, C)."""
    return x.permute(0, 2, 3, 1)


def _first(x: Tensor) -> Tensor:
    """(N, H, W, C) as (N, C, H, W)."""
    return x.permute(0, 3, 1, 2)


def _each(matrix: Tensor, count: int) -> Tensor:
    """The matrix `count` times, for a batched product."""
    return matrix.expand(count, -1, -1)


class Convolution(nn.Conv2d):
    """A 3x3 convolution of stride 1 and zero padding 1, computed by the form that the table has for its shape.

    It takes over the parameters of the layer that it replaces. Where no step follows, buffers are not kept: an
    evaluation's batches are larger than a step's.
    """

    def __init__(self, layer: nn.Conv2d, shared: Buffers):
        super().__init__(layer.in_channels, layer.out_channels, 3, padding=1, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self._own, self._shared = Buffers(), shared

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # torch's name
        side = input.shape[2]
        name = choose(self.in_channels, self.out_channels, side) if input.shape[3] == side else None
        if name is None:
            return super()._conv_forward(input, weight, bias)
        own, shared = (self._own, self._shared) if torch.is_grad_enabled() else (None, Buffers())
        return Products.apply(input, weight, bias, form(name, side, weight.dtype), own, shared)  # type: ignore[return-value]


def replace_convolutions(model: Network) -> None:
    """Put a `Convolution` in the place of every 3x3 convolution of the model; its parameters stay the same objects."""
    shared = Buffers()
    for block in model.blocks:
        if isinstance(block.layer, nn.Conv2d) and _is_plain(block.layer):
            block.layer = Convolution(block.layer, shared)


def _is_plain(layer: nn.Conv2d) -> bool:
    return (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups, layer.padding_mode) == (
        (3, 3), (1, 1), (1, 1), (1, 1), 1, "zeros",
    )  # fmt: skip
