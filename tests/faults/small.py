"""A study of milliseconds: toy data, narrow MLPs, every kind of state a checkpoint has to carry."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bnstudy.design.cell import Cell, Run

TINY: dict[str, Any] = {
    "dataset": "toy", "model": "mlp", "norm": "none", "width": 0.02, "train_size": 100, "batch_size": 32, "epochs": 8,
    "decay_patience": 2, "stop_patience": 0,
}  # fmt: skip
SEEDS = (0, 1)


def cell(**changes: Any) -> Cell:
    return Cell(**(TINY | changes))


CELLS = (
    cell(),
    cell(norm="batch"),
    cell(norm="batch", dropout=0.5, shuffle="once"),
    cell(activation="sigmoid", penalty="l2", penalty_strength=0.001),
    cell(optimizer="adam", mean_decay=0.8, lr=0.001),  # only the reference engine has it
)
RUNS = tuple(Run(c, seed) for c in CELLS for seed in SEEDS)


def put(path: Path, cells: Sequence[Cell] = CELLS, seeds: Sequence[int] = SEEDS) -> Path:
    """A file for `bnstudy train --cells`."""
    path.write_text(json.dumps([asdict(c) | {"key": c.key, "seeds": list(seeds)} for c in cells]))
    return path
