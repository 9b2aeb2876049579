"""Frames with accuracies of one's choice, without records: what the tests of verdicts are fed with."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pandas as pd

from bnstudy.claims.terms import ROWS
from bnstudy.design.cell import Cell, make_cell
from bnstudy.design.labels import NORMS, SETTINGS, THESIS_DATASETS
from bnstudy.design.study import describe
from bnstudy.design.words import plain
from bnstudy.results import frames

EMPTY = frames.build([])


def cells(model: str = "mlp", datasets=THESIS_DATASETS, settings=ROWS) -> list[Cell]:
    """Both norms of these settings."""
    return [
        make_cell({"dataset": d, "model": model, "norm": n, **SETTINGS[s]})
        for d in datasets
        for s in settings
        for n in NORMS
    ]


def runs(accuracies: Mapping[Cell, Any], broken: Mapping[Cell, Any] | None = None) -> frames.Frames:
    """Frames whose `runs` have these test accuracies (percent), one per seed; other frames are empty.

    broken   per cell, whether each seed is broken; cells that are not named are not
    """
    rows = []
    for cell, values in accuracies.items():
        stuck = (broken or {}).get(cell, [False] * len(values))
        for seed, (value, dead) in enumerate(zip(values, stuck, strict=True)):
            outcome = {"seed": seed, "test_accuracy": float(value), "broken": dead, "outcome": "finished"}
            rows.append({k: plain(v) for k, v in describe(cell).items()} | outcome)
    table = pd.DataFrame(rows).reindex(columns=EMPTY.runs.columns)
    return dataclasses.replace(EMPTY, runs=table)
