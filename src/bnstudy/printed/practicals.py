"""The three course reports, row by row, with the cell of each row: what the report states, and the course's defaults.

Knigge (Deep Learning Fall 2019 - practical 1), Lindt (Assignment 1: MLPs, CNNs and Backpropagation) and Soons (Deep
Learning practical 1, 2020), all on CIFAR10. A row is a system with settings, numbers or words; the systems without
settings (K8, K9, L4, L5, S3, S4: norms and their derivations) are `networks.norms` and `networks.byhand`.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import sqrt
from typing import Any

import pandas as pd

from bnstudy.design.cell import Cell, make_cell
from bnstudy.design.words import fields_of

COURSE: dict[str, Any] = {
    "dataset": "cifar10",
    "validation_fraction": 0.0,  # all images are trained on; the test images are evaluated during training
    "standardization": "mean_image",
    "schedule": "constant",
}
"""The course's defaults, where a report is silent: fixed steps at a constant rate; the last weights are tested."""

NUMPY: dict[str, Any] = {"init": "normal", "init_std": 0.0001}
"""The numpy networks: weights N(0, 0.0001), where 0.0001 is read as the standard deviation, and biases 0."""

TORCH: dict[str, Any] = {"init": "torch_default"}
"""The PyTorch networks: torch's default initialization; the scales of a norm start at 1."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a report. `printed` is a test accuracy in percent, or None if the report has only `words`.

    rounded    rounding error of the printed number in points, if the report writes `about`; else 0
    images     number of test images it was measured on; None: all
    stated     fields of the cell that the report gives
    assumed    fields that neither the report gives for this row nor the course's defaults decide
    """

    id: str
    report: str
    section: str
    what: str
    printed: float | None
    rounded: float
    images: int | None
    words: str
    stated: dict[str, Any]
    assumed: dict[str, Any]

    @property
    def standard_error(self) -> float:
        """The printed number's standard error from testing few images, points: sqrt(p (1 - p) / images); else 0."""
        if self.printed is None or self.images is None:
            return 0.0
        share = self.printed / 100
        return 100 * sqrt(share * (1 - share) / self.images)

    @property
    def cell(self) -> Cell:
        """The cell that this row trained."""
        own = NUMPY if self.stated["model"] == "numpy_mlp" else TORCH
        given = own | self.assumed | self.stated
        scales = {"gamma_init": "ones"} if given["norm"] != "none" and not given.get("pretrained") else {}
        widths = {"hidden": given.pop("hidden", ())}  # omitted where they are the model's defaults
        return make_cell(COURSE | scales | given, widths)


@cache
def rows() -> tuple[Row, ...]:
    """Return the 42 rows, in the order of the reports."""
    with files("bnstudy.printed").joinpath("practicals.csv").open(encoding="utf-8") as file:
        return tuple(_row(line) for line in csv.DictReader(file))


def _row(line: dict[str, str]) -> Row:
    printed = float(line["printed"]) if line["printed"] else None
    stated, assumed = (fields_of(line[column].split()) for column in ("stated", "assumed"))
    rounded, images = float(line["rounded"] or 0), int(line["images"]) if line["images"] else None
    return Row(
        id=line["row"],
        report=line["report"],
        section=line["section"],
        what=line["what"],
        printed=printed,
        rounded=rounded,
        images=images,
        words=line["words"],
        stated=stated,
        assumed=assumed,
    )


def cells(chosen: Iterable[Row] | None = None) -> tuple[Cell, ...]:
    """Return the distinct cells of these rows: 41 for all 42 rows, because K10 and L6 are the same system."""
    return tuple(dict.fromkeys(row.cell for row in (rows() if chosen is None else chosen)))


@cache
def homes() -> dict[str, str]:
    """Return the id of the row of each cell, by the cell's key; the first one if two rows share a cell."""
    found: dict[str, str] = {}
    for row in rows():
        found.setdefault(row.cell.key, row.id)
    return found


def pool(cell: Cell) -> str:
    """Return a label: rows of a model with equal labels share the deviation of a run. It reflects the last step's size.

    A constant rate is never reduced, so the weights fluctuate to the end, as much as optimizer and rate allow. Inputs
    from 0 to 255, which only a norm rescales, make steps of the same rate larger (docs/verdicts.md).
    """
    return f"{cell.optimizer} {cell.lr:g} {'without' if cell.norm == 'none' else 'with'} norm"


@cache
def _pools() -> dict[str, str]:
    return {cell.key: pool(cell) for cell in cells()}


def holds_any(cells: Iterable[Cell]) -> bool:
    """Return True if any of these is a cell of the reports."""
    return any(cell.key in homes() for cell in cells)


def placed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a frame (with a column `key`) that belong to these cells. `setting` becomes the id of the
    report's row and `reading` the default, so verdicts address them like rows of tables B.1 and B.2. `pool` labels the
    rows that share a deviation (see `pool`)."""
    mine = frame[frame["key"].isin(list(homes()))]
    setting, pools = (mine["key"].map(names).astype("str") for names in (homes(), _pools()))
    return mine.assign(setting=setting, reading="default", pool=pools)
