"""The verb `best`: what a study would choose, by validation accuracy or as the largest value at which it learns."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bnstudy import console, paths
from bnstudy.cli import options
from bnstudy.cli.options import JsonOption, Narrowing, ResultsOption, StudyOption
from bnstudy.design.fields import FIELDS, FORMS
from bnstudy.design.words import short_word
from bnstudy.errors import DataError, UsageError, nearest

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ("data set", "model", "norm", "choice", "validation (%)", "test (%)", "cells", "runs", "hours")


def add_to(app: typer.Typer) -> None:
    app.command()(options.grouped(best))


def best(
    *,
    study: StudyOption = "thesis",
    narrowing: Narrowing,
    by: Annotated[str, typer.Option("--by", help="validation_accuracy, or a field: lr.")] = "validation_accuracy",
    results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose a cell for each data set, model and norm: by validation accuracy, or the largest value of a field at which
    every seed learns (none diverges or ends at a constant guess); with its test accuracy and what choosing cost."""
    from bnstudy.verdicts.best import VALIDATION, choices

    numbers = [name for name in FIELDS if FORMS[name].type in (int, float) and not FORMS[name].is_list]
    if by != VALIDATION and by not in numbers:
        known = [VALIDATION, *numbers]
        raise UsageError(f"--by {by}: nothing to choose by{nearest(by, known)}", f"Known: {', '.join(known)}.")
    runs = options.collected(narrowing.study(study), paths.results_root(results)).runs
    found = choices(runs, by)
    if found.empty:
        raise DataError(f"{study}: no run to choose from", f"Train some: bnstudy run --study {study}.")
    rows = found.to_dict("records")
    if as_json:
        return console.put_json([{str(k): None if v != v else v for k, v in row.items()} for row in rows])
    table = [
        [row["dataset"], row["model"], row["norm"], _choice(row, by),
         *("" if row[part] != row[part] else f"{row[part]:.2f}" for part in ("validation", "test")), row["cells"],
         row["runs"], f"{row['hours']:.2f}"]
        for row in rows
    ]  # fmt: skip
    what = "the highest validation accuracy" if by == VALIDATION else f"the largest {by} at which every seed learns"
    console.put_table(f"chosen by {what}; {_role_of_test_images(runs)}", SHOWN, table)


def _role_of_test_images(runs: "pd.DataFrame") -> str:
    """Return whether test images influence the choice: cells that hold no images out validate on them."""
    if (runs["validation_fraction"] > 0).all():
        return "test accuracy decides nothing"
    return "cells with validation_fraction=0 hold no images out, so their validation accuracy is of the test images"


def _choice(row: Mapping[Any, Any], by: str) -> str:
    """Return what the chosen cell changes of the baseline, and the value that decided, a default too."""
    if not row["name"]:
        return "none"
    words = row["changed"].split()
    if by in FIELDS and not any(word.startswith(f"{by}=") for word in words):
        words.append(f"{by}={short_word(row['value'])}")
    return " ".join(words) or row["name"]
