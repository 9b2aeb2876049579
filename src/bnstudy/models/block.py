"""What networks are made of: one weight layer with its norm, nonlinearity and dropout."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bnstudy import activations, norms
from bnstudy.cell import Cell
from bnstudy.streams import dropout_generator


def dropout_mask(seed: int, layer: str, step: int, shape: Sequence[int], p: float, kind: str) -> Tensor:
    """The factors of inverted dropout (2.12.3): 0 with probability p, else 1 / (1 - p); float32 on the CPU.

    `shape` is that of the activations; kind `maps` draws one factor for each image and feature map.
    """
    kept = torch.rand(mask_shape(shape, kind), generator=dropout_generator(seed, layer, step)) >= p
    return kept.float().div_(1 - p)


def mask_shape(shape: Sequence[int], kind: str) -> tuple[int, ...]:
    """The shape of the mask for activations of this shape: kind `units`, or `maps`."""
    return (*shape[:2], *(1 for _ in shape[2:])) if kind == "maps" else tuple(shape)


class Dropout(nn.Module):
    """Inverted dropout whose mask is a function of seed, layer and training step, all set by `set_step`."""

    def __init__(self, layer: str, p: float, kind: str):
        super().__init__()
        self.layer, self.p, self.kind = layer, p, kind
        self.seed = self.step = 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        mask = dropout_mask(self.seed, self.layer, self.step, x.shape, self.p, self.kind)
        return x * mask.to(x.device, x.dtype, non_blocking=True)

    def extra_repr(self) -> str:
        return f"p={self.p}, kind={self.kind}"


def set_step(model: "Network", seed: int, step: int) -> None:
    """Tell every dropout of the model which training step comes next (counted over all epochs)."""
    for block in model.blocks:
        if isinstance(block.dropout, Dropout):
            block.dropout.seed, block.dropout.step = seed, step


Weighted = nn.Linear | nn.Conv2d

PLACEMENTS = {
    "pre_activation": ("layer", "norm", "activation"),  # 3.2
    "post_activation": ("layer", "activation", "norm"),  # 7.1.1
    "pre_linear": ("norm", "layer", "activation"),  # Soons 2.1
    "first": ("norm", "activation", "layer"),  # pre-activation residual networks, DenseNet
}


class Block(nn.Module):
    """A weight layer with its norm, nonlinearity and dropout, in the order that `placement` says (PLACEMENTS).

    `name` is the layer's name everywhere: in streams, statistics and records. A block whose weights are `given` keeps
    them when a model is initialized.
    """

    layer: Weighted
    norm: nn.Module
    activation: nn.Module
    dropout: nn.Module

    def __init__(self, name: str, layer: Weighted, norm: nn.Module, activation: nn.Module, dropout: nn.Module,
                 placement: str = "pre_activation", given: bool = False):  # fmt: skip
        super().__init__()
        self.name, self.given = name, given
        self.order = PLACEMENTS[placement]
        self.layer, self.norm, self.activation, self.dropout = layer, norm, activation, dropout

    def forward(self, x: Tensor) -> Tensor:
        for part in self.order:
            x = getattr(self, part)(x)
        return self.dropout(x)


class Network(nn.Module):
    """A module from images (N, C, H, W) to logits (N, classes).

    `blocks` are its weight layers in forward order, kept as a ModuleList; the last is named `output`.
    """

    blocks: Sequence[Block]


class Layer(NamedTuple):
    """A weight layer to be made: `make(bias)`, its inputs, its units or maps, and the dims of its norm (norms.py)."""

    make: Callable[[bool], Weighted]
    inputs: int
    features: int
    dims: int


def dense(inputs: int, units: int) -> Layer:
    return Layer(lambda bias: nn.Linear(inputs, units, bias=bias), inputs, units, 1)


def conv3x3(inputs: int, maps: int) -> Layer:
    """Stride 1, zero padding 1: the image keeps its size (table 6.3)."""
    return Layer(lambda bias: nn.Conv2d(inputs, maps, 3, padding=1, bias=bias), inputs, maps, 2)


def hidden(name: str, layer: Layer, cell: Cell, dropped: bool) -> Block:
    """A hidden layer with the cell's norm and nonlinearity, and with its dropout if `dropped`."""
    bias = cell.norm_bias or cell.norm == "none" or cell.norm_placement != "pre_activation"
    return Block(
        name,
        layer.make(bias),
        _norm(layer, cell, cell.norm),
        activations.REGISTRY[cell.activation](cell),
        Dropout(name, cell.dropout, cell.dropout_kind) if dropped and cell.dropout > 0 else nn.Identity(),
        cell.norm_placement,
    )


def output(layer: Layer, cell: Cell) -> Block:
    """The last layer: no nonlinearity, no dropout, a norm only by cell.output_norm or before every linear layer."""
    placement = "pre_linear" if cell.norm_placement == "pre_linear" else "pre_activation"
    norm = cell.norm if cell.output_norm or placement == "pre_linear" else "none"
    bias = cell.norm_bias or norm == "none"
    return Block("output", layer.make(bias), _norm(layer, cell, norm), nn.Identity(), nn.Identity(), placement)


def _norm(layer: Layer, cell: Cell, norm: str) -> nn.Module:
    """The norm of what comes out of the layer, or with `pre_linear` of what goes in."""
    features = layer.inputs if cell.norm_placement == "pre_linear" else layer.features
    return norms.REGISTRY[norm](features, layer.dims, cell)
