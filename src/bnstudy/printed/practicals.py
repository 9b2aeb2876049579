"""The three course reports, row by row, with the cell of each: what a report states, and what its course filled in.

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
    "validation_fraction": 0.0,  # all training images; the test images are watched
    "standardization": "mean_image",
    "schedule": "constant",
}
"""The course's setting, where a report is silent: fixed steps at a constant rate, the last weights tested."""

NUMPY: dict[str, Any] = {"init": "normal", "init_std": 0.0001}
"""The numpy networks': weights N(0, 0.0001), of which 0.0001 is read as the deviation, and biases 0."""

TORCH: dict[str, Any] = {"init": "torch_default"}
"""The PyTorch networks': torch's own initialization; scales of a norm start at 1."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a report. `published` is a test accuracy in percent, or None where the report has only `words`.

    rounded    points that the printed number may be off by rounding, where the report says `about`; else 0
    images     test images that it was measured on; None: all
    stated     fields of the cell that the report gives
    assumed    fields that it does not give for this row and the course's setting does not decide either
    """

    id: str
    report: str
    section: str
    what: str
    published: float | None
    rounded: float
    images: int | None
    words: str
    stated: dict[str, Any]
    assumed: dict[str, Any]

    @property
    def standard_error(self) -> float:
        """Points by which the printed number errs because it is of few images: sqrt(p (1 - p) / images); 0 of all."""
        if self.published is None or self.images is None:
            return 0.0
        share = self.published / 100
        return 100 * sqrt(share * (1 - share) / self.images)

    @property
    def cell(self) -> Cell:
        """What this row trained, as a cell."""
        own = NUMPY if self.stated["model"] == "numpy_mlp" else TORCH
        given = own | self.assumed | self.stated
        scales = {"gamma_init": "ones"} if given["norm"] != "none" and not given.get("pretrained") else {}
        widths = {"hidden": given.pop("hidden", ())}  # left out where they are the model's own
        return make_cell(COURSE | scales | given, widths)


@cache
def rows() -> tuple[Row, ...]:
    """The 42 rows, in the order of the reports."""
    with files("bnstudy.printed").joinpath("practicals.csv").open(encoding="utf-8") as file:
        return tuple(_row(line) for line in csv.DictReader(file))


def _row(line: dict[str, str]) -> Row:
    published = float(line["published"]) if line["published"] else None
    stated, assumed = (fields_of(line[column].split()) for column in ("stated", "assumed"))
    rounded, images = float(line["rounded"] or 0), int(line["images"]) if line["images"] else None
    return Row(
        line["row"], line["report"], line["section"], line["what"], published, rounded, images, line["words"], stated,
        assumed,
    )  # fmt: skip


def cells(chosen: Iterable[Row] | None = None) -> tuple[Cell, ...]:
    """The cells of these rows, each once: all 42 rows have 41, since K10 and L6 are one system."""
    return tuple(dict.fromkeys(row.cell for row in (rows() if chosen is None else chosen)))


@cache
def homes() -> dict[str, str]:
    """Key of each cell -> the id of its row, the first if two rows have one cell."""
    found: dict[str, str] = {}
    for row in rows():
        found.setdefault(row.cell.key, row.id)
    return found


def pool(cell: Cell) -> str:
    """What decides by how much one run of a row differs from the next, besides the model: the size of its last step.

    A constant rate is never cut, so the last weights go on jumping, as far as optimizer and rate let them; and inputs
    of 0 to 255, which only a norm brings to one scale, make a step of the same rate a larger one (docs/verdicts.md).
    """
    return f"{cell.optimizer} {cell.lr:g} {'without' if cell.norm == 'none' else 'with'} norm"


@cache
def _pools() -> dict[str, str]:
    return {cell.key: pool(cell) for cell in cells()}


def holds_any(cells: Iterable[Cell]) -> bool:
    """Whether any of these is a cell of the reports."""
    return any(cell.key in homes() for cell in cells)


def placed(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a frame (with a column `key`) that are of these cells. Their `setting` is the id of the report's
    row, their reading the default one: so verdicts address them as they address the rows of tables B.1 and B.2. `pool`
    says which of them share a deviation."""
    mine = frame[frame["key"].isin(list(homes()))]
    setting, pools = (mine["key"].map(names).astype("str") for names in (homes(), _pools()))
    return mine.assign(setting=setting, reading="default", pool=pools)
