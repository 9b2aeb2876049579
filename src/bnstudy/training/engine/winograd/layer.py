"""The convolution by a form as a differentiable function, and the layer that takes the place of torch's."""

from typing import Any

import torch
from torch import Tensor, nn

from bnstudy.networks.models.block import Network
from bnstudy.training.engine.winograd.forms import Form, add_up, cut, form, join, split
from bnstudy.training.engine.winograd.table import choose


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

    own      buffers that this layer alone uses: V and U wait in them for the backward pass
    shared   buffers that all layers may use
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, form: Form, own: Buffers, shared: Buffers
    ) -> Tensor:
        tiles, taps = cut(_last(x), form.outputs), _last(weight).flatten(1, 2)
        (n, _, c), (maps, _, _), p = tiles.shape, taps.shape, len(form.G)
        V = torch.bmm(_each(form.B, n), tiles, out=own.take("V", n, p, c, like=x))
        U = torch.bmm(_each(form.G, maps), taps, out=own.take("U", maps, p, c, like=x))
        Z = shared.take("Z", n, p, maps, like=x)
        torch.bmm(V.transpose(0, 1), U.permute(1, 2, 0), out=Z.transpose(0, 1))
        A = _each(form.A, n)
        y = torch.bmm(A, Z) if bias is None else torch.baddbmm(bias, A, Z)
        ctx.save_for_backward(V, U)
        ctx.form, ctx.side, ctx.shared = form, x.shape[2], shared
        return _first(join(y, form.outputs, ctx.side))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        form, (V, U), shared = ctx.form, ctx.saved_tensors, ctx.shared
        (n, p, c), maps = V.shape, len(U)
        dy = split(_last(gradients[0]), form.outputs)
        dZ = torch.bmm(_each(form.A.t(), n), dy, out=shared.take("Z", n, p, maps, like=dy))
        dU = shared.take("dU", maps, p, c, like=dy)
        torch.bmm(dZ.permute(1, 2, 0), V.transpose(0, 1), out=dU.transpose(0, 1))
        dw = _first(torch.bmm(_each(form.G.t(), maps), dU).unflatten(1, (3, 3)))
        db = dy.sum((0, 1)) if ctx.needs_input_grad[2] else None
        dx = None
        if ctx.needs_input_grad[0]:
            dV = shared.take("dV", n, p, c, like=dy)
            torch.bmm(dZ.transpose(0, 1), U.transpose(0, 1), out=dV.transpose(0, 1))
            dx = _first(add_up(torch.bmm(_each(form.B.t(), n), dV), form.outputs, ctx.side))
        return dx, dw, db, None, None, None


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
        own, shared = (self._own, self._shared) if torch.is_grad_enabled() else (Buffers(), Buffers())
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
