"""The engines: `train(runs) -> trained`, and the choice of one for a cell. Importing this imports no torch."""

from importlib import import_module

from bnstudy.design.cell import Cell
from bnstudy.errors import UsageError, nearest

ENGINES = {
    "packed": "bnstudy.training.engine.packed:Packed",
    "graph": "bnstudy.training.engine.graph:Graph",
    "winograd": "bnstudy.training.engine.winograd:Winograd",
    "reference": "bnstudy.training.engine.reference:Reference",
}
"""Name -> class, in the order in which `auto` tries them; the last supports every cell."""


def engine(name: str):
    module, _, kind = ENGINES[name].partition(":")
    return getattr(import_module(module), kind)()


def choose(cell: Cell, wanted: str, device: str):
    """Return the engine for a cell: the one wanted, or with `auto` the first that supports it. Raises UsageError."""
    if wanted != "auto" and wanted not in ENGINES:
        raise UsageError(
            f"--engine {wanted}: no such engine{nearest(wanted, ENGINES)}", f"Engines: auto, {', '.join(ENGINES)}."
        )
    for name in ENGINES if wanted == "auto" else (wanted,):
        candidate = engine(name)
        if candidate.supports(cell, device):
            return candidate
    raise UsageError(f"--engine {wanted}: does not support {cell.key} on {device}", "Leave --engine out.")
