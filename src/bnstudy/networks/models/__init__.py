"""Networks: one file each, which holds its `FACTS` and defines `build(cell, shape)`. A new file is a new model.

A model is a module from images (N, C, H, W) to logits (N, classes); its `blocks` is the ordered list of its
weight layers (models/block.py), the last of them named `output`. Importing this package imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from bnstudy.design.model_facts import MODELS
from bnstudy.errors import UsageError

if TYPE_CHECKING:
    from bnstudy.design.cell import Cell
    from bnstudy.networks.models.block import Network


@dataclass(frozen=True, slots=True)
class ImageShape:
    """The size of a data set's images and the number of its classes."""

    channels: int
    height: int
    width: int
    classes: int

    @property
    def inputs(self) -> int:
        """Values in one image."""
        return self.channels * self.height * self.width


_FILES = {
    found.name: import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__) if found.name != "block"
}

REGISTRY: dict[str, Callable[[Cell, ImageShape], Network]] = {name: file.build for name, file in _FILES.items()}

MODELS.update({name: file.FACTS for name, file in _FILES.items()})


def obtain(cell: Cell) -> None:
    """Fetch the weights that the cell's network starts from, if absent. Raises DataError if they are unavailable."""
    if cell.pretrained:
        _FILES[cell.model].obtain()


def build(cell: Cell, shape: ImageShape) -> Network:
    """Return the cell's network in training mode, its weights not yet those of a seed (`inits.initialize`).

    Raises UsageError if images of this shape do not fit the network, or if what was built is no `Network`.
    """
    from bnstudy.networks.models.block import Network

    built = REGISTRY[cell.model](cell, shape)
    if not isinstance(built, Network) or not built.blocks or built.blocks[-1].name != "output":
        raise UsageError(
            f"model {cell.model}: its build returns {type(built).__name__}, not a Network whose last block is `output`",
            "Return Network(blocks, forward), as under 'A network' in docs/guide/extend.md.",
        )
    return built
