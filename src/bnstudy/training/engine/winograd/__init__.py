"""The Winograd engine: the reference engine's training on a CPU core, its 3x3 convolutions by matrix products.

Convolutions are nine tenths of a step of the CNN, and torch computes them by the definition. Here layers whose shape is
in the table are computed by fewer multiplications (forms.py); all else, and every layer that the table leaves to torch,
is the reference engine's.
"""

from bnstudy.design.cell import Cell, Run
from bnstudy.training.engine import reference, scope
from bnstudy.training.engine.inputs import Inputs
from bnstudy.training.engine.winograd.layer import replace_convolutions
from bnstudy.training.engine.winograd.table import is_measured


class Winograd(reference.Reference):
    name = "winograd"

    def supports(self, cell: Cell, device: str) -> bool:
        return (
            device == "cpu"
            and scope.is_known(cell, self.name)
            and cell.precision in ("default", "fp32")
            and is_measured()
        )

    def start(self, run: Run, data: Inputs, device: str) -> "Training":
        return Training(run, data, device)


class Training(reference.Training):
    """One run of the reference engine, with other convolutions."""

    def __init__(self, run: Run, data: Inputs, device: str):
        super().__init__(run, data, device)
        replace_convolutions(self.model)
