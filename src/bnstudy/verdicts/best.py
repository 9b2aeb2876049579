"""The choice of a cell by its validation accuracy (thesis 2.8.4), its test accuracy, and what choosing cost."""

from typing import Any

import pandas as pd

from bnstudy.design.study import changed
from bnstudy.verdicts.accuracies import each

VALIDATION = "validation_accuracy"
WITHIN = ["dataset", "model", "norm"]
COLUMNS = [*WITHIN, "name", "changed", "value", "validation", "test", "cells", "runs", "hours", "diverged"]


def choices(runs: pd.DataFrame, by: str = VALIDATION) -> pd.DataFrame:
    """Return COLUMNS: for each data set, model and norm the chosen one of its cells.

    runs  the frame `runs`
    by    validation_accuracy: the cell with the highest mean over seeds of the best validation accuracy; a field with
          numbers, such as lr: the cell with the largest value at which no seed diverged and none is broken (2.8.1,
          8.2), of several the one with the highest validation accuracy

    The folds of a cross-validation count as seeds of one cell, so that their mean decides.

    Accuracies are means over seeds in percent; `value` is what decided. `cells` and `runs` were compared and trained in
    `hours` of training; `diverged` of the cells had a seed that diverged. Test accuracies decide nothing. Without a
    cell to choose, name is empty and the numbers are NaN.
    """
    rows = []
    for _, group in runs.groupby(WITHIN, sort=True):
        group = group.assign(choice=[_choice(row) for row in each(group)])
        cells = group.groupby("choice", sort=False).agg(
            validation=("best_validation_accuracy", "mean"), test=("test_accuracy", "mean"),
            diverged=("outcome", lambda of_seeds: (of_seeds == "diverged").any()), broken=("broken", "any"),
        )  # fmt: skip
        first = group.drop_duplicates("choice").set_index("choice")
        cells["value"] = cells["validation"] if by == VALIDATION else first[by].astype(float)
        sound = cells if by == VALIDATION else cells[~cells["diverged"] & ~cells["broken"]]
        sound = sound.dropna(subset=["value"]).sort_values(["value", "validation"], kind="stable")
        cost = {"cells": len(cells), "runs": len(group), "hours": group["seconds"].sum() / 3600}
        labels = {column: group[column].iloc[0] for column in WITHIN}
        found = {"diverged": int(cells["diverged"].sum())} | cost | labels
        if len(sound):
            best = sound.iloc[-1]
            row = {k: None if v is pd.NA else v for k, v in next(each(first.loc[[best.name]]))._asdict().items()}
            words = {k: v for k, v in changed(row).items() if k not in (*WITHIN, "fold")}
            found |= {"name": row["name"], "changed": " ".join(f"{k}={v}" for k, v in words.items())}
            found |= {column: float(best[column]) for column in ("value", "validation", "test")}
        rows.append(found)
    return pd.DataFrame([{"name": "", "changed": ""} | row for row in rows], columns=COLUMNS)


def _choice(row: Any) -> str:
    """Return what identifies a choice: the key of its cell, or of cells that differ in their fold all their fields."""
    if pd.isna(row.folds):
        return row.key
    fields = {k: None if v is pd.NA else v for k, v in row._asdict().items()}
    return " ".join(f"{k}={v}" for k, v in sorted(changed(fields).items()) if k != "fold")
