"""Summary of a network: its layers, their output shapes and parameters, the cost of one image, and the memory of a
training step.

The model is run on torch's meta device (shapes without values), so nothing is computed.
"""

from dataclasses import dataclass, replace
from typing import Any

from bnstudy import datasets
from bnstudy.design.cell import Cell
from bnstudy.design.labels import BATCH_SIZES
from bnstudy.lazy import torch
from bnstudy.networks import models

KEPT_BY_OPTIMIZER = {"sgd": 0, "adam": 2, "adamax": 2, "adam_printed": 2, "adadelta": 2, "rmsprop": 2}
"""Numbers that an optimizer keeps per parameter; others keep one."""


@dataclass(slots=True)
class Layer:
    """A weight layer with its norm, nonlinearity and dropout, or a part of the network outside any weight layer.

    output          shape of the output for one image, without the batch
    multiply_adds   of the matrix products or convolutions in the forward pass of one image; FLOPs are twice that.
                    Element-wise work (norm, nonlinearity, bias) is left out, as usual: it is well below 1 %
    """

    name: str
    modules: list[str]
    output: tuple[int, ...] = ()
    parameters: int = 0
    multiply_adds: int = 0


def image_shape(cell: Cell) -> models.ImageShape:
    """Return the shape of the images that the cell's network gets."""
    spec = datasets.REGISTRY[cell.dataset]
    side = 28 if cell.mnist_size == "native" else datasets.SIDE
    return models.ImageShape(spec.channels, side, side, spec.classes)


def layers(cell: Cell) -> list[Layer]:
    """Return the layers of the cell's network in forward order. Raises UsageError if its images do not fit."""
    shape = image_shape(cell)
    with torch.device("meta"):
        model = models.build(_untrained(cell), shape).eval()
        image = torch.empty(1, shape.channels, shape.height, shape.width)
    names = {id(module): name for name, module in model.named_modules()}
    names |= {id(module): block.name for block in model.blocks for module in block.modules()}
    found: dict[str, Layer] = {}
    seen: set[int] = set()

    def note(module: Any, _inputs: Any, output: Any) -> None:
        if isinstance(module, torch.nn.Identity):
            return
        layer = found.setdefault(name := names[id(module)], Layer(name, []))
        layer.modules.append(_title(module))
        layer.output = tuple(output.shape[1:])
        layer.multiply_adds += _multiply_adds(module, output)
        if id(module) not in seen:
            layer.parameters += sum(p.numel() for p in module.parameters(recurse=False))
        seen.add(id(module))

    for module in model.modules():
        if not any(True for _ in module.children()) or any(True for _ in module.parameters(recurse=False)):
            module.register_forward_hook(note)
    model(image)
    return list(found.values())


def _untrained(cell: Cell) -> Cell:
    """Return the cell without pretrained weights, which shapes do not need."""
    return replace(cell, pretrained=False)


def _title(module: Any) -> str:
    """Return PyTorch's name of the module, with the window of a convolution or a pooling."""
    window = getattr(module, "kernel_size", None)
    if window is None:
        return type(module).__name__
    height, width = window if isinstance(window, tuple) else (window, window)
    return f"{type(module).__name__} {height}x{width}"


def _multiply_adds(module: Any, output: Any) -> int:
    """Return the multiply-adds: every weight is used once for every position of the output."""
    if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
        return module.weight.numel() * (output[0].numel() // output.shape[1])
    return 0


def step_memory(cell: Cell, batch_size: int) -> int | None:
    """Return an estimate of the bytes that a training step allocates at its peak, without the data set.

    Counted are the batch, what the forward pass keeps for the backward pass, and per parameter the weight, its
    gradient, what the optimizer keeps, and the best weight so far. The largest tensor that is kept counts once more,
    for the gradient that flows back. The workspace of convolutions is left out. None if what is kept cannot be seen, as
    with a backward pass by hand.
    """
    shape = image_shape(cell)
    kept: dict[int, Any] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage  # held, so that no later storage gets its address
        return tensor

    with torch.device("meta"):
        model = models.build(_untrained(cell), shape)
        images = torch.empty(batch_size, shape.channels, shape.height, shape.width)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            model(images)
    weights = {p.untyped_storage()._cdata: p.nbytes for p in model.parameters()}
    forward = [storage.nbytes() for at, storage in kept.items() if at not in weights]
    if not forward:
        return None
    per_weight = 2 + KEPT_BY_OPTIMIZER.get(cell.optimizer, 1) + 1
    return sum(forward) + max(forward) + per_weight * sum(weights.values())


def rows(cell: Cell) -> list[dict[str, Any]]:
    """Return a row per layer and a last row `total`: layer, modules, output, parameters, multiply_adds, flops; `total`
    has `step_memory` too, if it is known: bytes by batch size."""
    found = layers(cell)
    total = Layer("total", [], (), sum(n.parameters for n in found), sum(n.multiply_adds for n in found))
    listed: list[dict[str, Any]] = [
        {
            "layer": layer.name, "modules": layer.modules, "output": list(layer.output),
            "parameters": layer.parameters, "multiply_adds": layer.multiply_adds, "flops": 2 * layer.multiply_adds,
        }
        for layer in [*found, total]
    ]  # fmt: skip
    sizes = {size: step_memory(cell, size) for size in sorted({*BATCH_SIZES, cell.batch_size})}
    return listed if None in sizes.values() else [*listed[:-1], listed[-1] | {"step_memory": sizes}]
