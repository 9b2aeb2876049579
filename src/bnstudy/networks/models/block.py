"""The parts of networks: a weight layer with its norm, nonlinearity and dropout."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bnstudy.design.cell import Cell
from bnstudy.errors import UsageError
from bnstudy.networks import activations, norms
from bnstudy.networks.random_streams import dropconnect_generator, dropout_generator


def dropout_mask(seed: int, layer: str, step: int, shape: Sequence[int], p: float, kind: str) -> Tensor:
    """Return the factors of inverted dropout (2.12.3): 0 with probability p, else 1 / (1 - p); float32 on the CPU.

    `shape` is that of the activations; kind `maps` draws one factor for each image and feature map.
    """
    kept = torch.rand(mask_shape(shape, kind), generator=dropout_generator(seed, layer, step)) >= p
    return kept.float().div_(1 - p)


def mask_shape(shape: Sequence[int], kind: str) -> tuple[int, ...]:
    """Return the shape of the mask for activations of this shape; kind is `units` or `maps`."""
    return (*shape[:2], *(1 for _ in shape[2:])) if kind == "maps" else tuple(shape)


class Dropped(nn.Module):
    """Drops with probability p, by a mask that depends on seed, layer and step; `set_step` sets seed and step."""

    def __init__(self, layer: str, p: float):
        super().__init__()
        self.layer, self.p = layer, p
        self.seed = self.step = 0


class Dropout(Dropped):
    """Inverted dropout (2.12.3) of single activations (`units`) or of whole feature maps (`maps`)."""

    def __init__(self, layer: str, p: float, kind: str):
        super().__init__(layer, p)
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        mask = dropout_mask(self.seed, self.layer, self.step, x.shape, self.p, self.kind)
        return x * mask.to(x.device, x.dtype, non_blocking=True)

    def extra_repr(self) -> str:
        return f"p={self.p}, kind={self.kind}"


Weighted = nn.Linear | nn.Conv2d


class DropConnect(Dropped):
    """Dropconnect (2.12.3), inverted like dropout: in training a layer's weights are multiplied by a mask, the same for
    all images of a step; biases are kept."""

    def forward(self, layer: Weighted, x: Tensor) -> Tensor:
        if not self.training:
            return layer(x)
        mask = self.mask(layer.weight.shape).to(layer.weight.device, non_blocking=True)
        return functional_call(layer, {"weight": layer.weight * mask}, x)

    def mask(self, shape: Sequence[int]) -> Tensor:
        """Return the mask: 0 with probability p, else 1 / (1 - p); float32 on the CPU."""
        generator = dropconnect_generator(self.seed, self.layer, self.step)
        return (torch.rand(tuple(shape), generator=generator) >= self.p).float().div_(1 - self.p)


def set_step(model: "Network", seed: int, step: int) -> None:
    """Set the seed and the number of the next training step (counted over all epochs) in all parts that drop."""
    for part in _dropping(model):
        part.seed, part.step = seed, step


def without_dropout(model: "Network") -> None:
    """Switch dropout and dropconnect off until `model.train()`."""
    for part in _dropping(model):
        part.eval()


def _dropping(model: "Network") -> Iterator[Dropped]:
    parts = (part for block in model.blocks for part in (block.dropout, block.dropconnect))
    return (part for part in parts if isinstance(part, Dropped))


PLACEMENTS = {
    "pre_activation": ("layer", "norm", "activation"),  # 3.2
    "post_activation": ("layer", "activation", "norm"),  # 7.1.1
    "pre_linear": ("norm", "layer", "activation"),  # Soons 2.1
    "first": ("norm", "activation", "layer"),  # pre-activation residual networks, DenseNet
}


def order(placement: str, dropout_at: str) -> tuple[str, ...]:
    """Return the parts of a block in the order in which they act: dropout is the last, or with `before_norm` it acts on
    what enters the norm (8.1.4)."""
    parts = PLACEMENTS[placement]
    place = parts.index("norm") if dropout_at == "before_norm" else len(parts)
    return (*parts[:place], "dropout", *parts[place:])


def is_normed(cell: Cell, index: int, count: int) -> bool:
    """Return True if hidden layer `index`, from 0, of `count` has the cell's norm (8.1.6)."""
    return {
        "all": True,
        "first": index == 0,
        "last": index == count - 1,
        "every_second": index % 2 == 0,
    }[cell.normed_layers]


class Block(nn.Module):
    """A weight layer with its norm, nonlinearity and dropout, in the `order` of its `placement` and `dropout_at`.

    `name` is the layer's name everywhere: in streams, statistics and records. The parts listed in
    `given` ("layer", "norm") keep their weights when a model is initialized.
    """

    layer: Weighted
    norm: nn.Module
    activation: nn.Module
    dropout: nn.Module

    def __init__(
        self,
        name: str,
        layer: Weighted,
        norm: nn.Module | None = None,
        activation: nn.Module | None = None,
        dropout: nn.Module | None = None,
        placement: str = "pre_activation",
        given: Sequence[str] = (),
        dropconnect: float = 0.0,
        dropout_at: str = "default",
    ):
        super().__init__()
        self.name, self.given = name, given
        self.order = order(placement, dropout_at)
        self.layer = layer
        self.norm, self.activation, self.dropout = (part or nn.Identity() for part in (norm, activation, dropout))
        self.dropconnect = DropConnect(name, dropconnect) if dropconnect else None

    def forward(self, x: Tensor) -> Tensor:
        for part in self.order:
            if part == "layer" and self.dropconnect:
                x = self.dropconnect(self.layer, x)
            else:
                x = getattr(self, part)(x)
        return x


class Network(nn.Module):
    """A module from images (N, C, H, W) to logits (N, classes): weight layers, and a function that applies them.

    `blocks` are its weight layers in forward order; the last is named `output`. `parts`, if given, are the named
    modules that own the weights; the blocks are then views of them.
    """

    blocks: Sequence[Block]

    def __init__(self, blocks: Sequence[Block], forward: "Callable[[Network, Tensor], Tensor]", **parts: nn.Module):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.blocks = tuple(blocks) if parts else cast(Sequence[Block], nn.ModuleList(blocks))
        self._compute = forward

    def forward(self, images: Tensor) -> Tensor:
        return self._compute(self, images)


class Layer(NamedTuple):
    """The plan of a weight layer: `make(bias)`, its inputs, its units or maps, and the dims of its norm (`norms`)."""

    make: Callable[[bool], Weighted]
    inputs: int
    features: int
    dims: int


def dense(inputs: int, units: int) -> Layer:
    return Layer(lambda bias: nn.Linear(inputs, units, bias=bias), inputs, units, 1)


def conv3x3(inputs: int, maps: int) -> Layer:
    """Stride 1, zero padding 1: the image keeps its size (table 6.3)."""
    return Layer(lambda bias: nn.Conv2d(inputs, maps, 3, padding=1, bias=bias), inputs, maps, 2)


def hidden(name: str, layer: Layer, cell: Cell, dropped: bool, normed: bool = True) -> Block:
    """Make a hidden layer with the cell's nonlinearity, its norm if `normed`, and its dropout if `dropped`."""
    norm = cell.norm if normed else "none"
    bias = cell.norm_bias or norm == "none" or cell.norm_placement != "pre_activation"
    return Block(
        name,
        layer.make(bias),
        _norm(layer, cell, norm),
        activations.REGISTRY[cell.activation](cell),
        Dropout(name, cell.dropout, cell.dropout_kind) if dropped and cell.dropout > 0 else None,
        cell.norm_placement,
        dropconnect=cell.dropconnect,
        dropout_at=cell.dropout_at,
    )


def output(layer: Layer, cell: Cell) -> Block:
    """Make the last layer: no nonlinearity, no dropout; a norm only with `output_norm` or `pre_linear`."""
    placement = "pre_linear" if cell.norm_placement == "pre_linear" else "pre_activation"
    norm = cell.norm if cell.output_norm or placement == "pre_linear" else "none"
    bias = cell.norm_bias or norm == "none"
    made = _norm(layer, cell, norm)
    return Block("output", layer.make(bias), made, placement=placement, dropconnect=cell.dropconnect)


def _norm(layer: Layer, cell: Cell, norm: str) -> nn.Module:
    """Make the norm of the layer's output, or with `pre_linear` of its input."""
    features = layer.inputs if cell.norm_placement == "pre_linear" else layer.features
    made = norms.REGISTRY[norm](features, layer.dims, cell)
    if made is None and norm != "none":
        raise UsageError(f"norm {norm}: its function returned nothing", "Let it return a module.")
    return made
