"""Networks: one file each, which defines `build(cell, shape)`. A new file is a new model.

A model is a module from images (N, C, H, W) to logits (N, classes); its `blocks` is the ordered list of its
weight layers (models/block.py), the last of them named `output`. Importing this package imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from bnstudy.cell import Cell

if TYPE_CHECKING:
    from bnstudy.models.block import Network


@dataclass(frozen=True, slots=True)
class ImageShape:
    """What a network must know of a data set: the size of its images and the number of classes."""

    channels: int
    height: int
    width: int
    classes: int

    @property
    def inputs(self) -> int:
        """Values in one image."""
        return self.channels * self.height * self.width


def _builder(module: str) -> Callable[[Cell, ImageShape], Network]:
    return lambda cell, shape: import_module(f"{__name__}.{module}").build(cell, shape)


REGISTRY: dict[str, Callable[[Cell, ImageShape], Network]] = {
    found.name: _builder(found.name) for found in iter_modules(__path__) if found.name != "block"
}


def obtain(cell: Cell) -> None:
    """Make sure of the weights that the cell's network starts from. Raises DataError where they cannot be had."""
    if cell.pretrained:
        import_module(f"{__name__}.{cell.model}").obtain()


def build(cell: Cell, shape: ImageShape) -> Network:
    """The cell's network in training mode, its weights not yet those of a seed (`inits.initialize`).

    Raises UsageError where images of this shape do not fit the network.
    """
    return REGISTRY[cell.model](cell, shape)
