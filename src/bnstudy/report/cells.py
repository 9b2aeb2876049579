"""A page per cell that has been run, reports/<study>/cells/<key>.html: its curves, seeds, verdict and full record, what
it enters, and the commands that make it. Tables, claims and figures link their numbers there."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from bnstudy import disk
from bnstudy.design.study import changed
from bnstudy.figures import style
from bnstudy.report import curves, rendering, run_lists
from bnstudy.report.answer import titled
from bnstudy.report.findings import Findings
from bnstudy.tables.layout import difference
from bnstudy.verdicts.accuracies import each, half_up

HOLDERS = re.compile(r'<ul id="studies">.*?</ul>', re.DOTALL)
"""The part of a cell's page that names the studies which hold it: it changes with every study that is reported."""

PARTS = {
    "Accuracy, %": {"train_accuracy": "training", "validation_accuracy": "validation"},
    "Loss, nats": {"data_loss": "training", "validation_loss": "validation"},
}
"""Chart -> column of the frame `epochs` -> part of the data."""

RUN = [
    "key", "seed", "test_accuracy", "test_loss", "best_validation_accuracy", "epochs_run", "best_epoch", "stopped",
    "outcome", "diverged_epoch", "diverged_layer", "broken", "seconds", "started", "origin", "engine", "gpu", "cpu",
]  # fmt: skip


def write(found: Findings, values: Mapping[str, Any], folder: Path) -> list[str]:
    """Write the pages of a study's cells that have a run, and remove those of others. Returns the keys. Pages whose
    content has not changed stay as they are. Raises WriteError.

    values   what the page of the study shows
    folder   that of the study's page
    """
    pages = {f"{page['cell']['key']}.html": page for page in of_study(found, values)}
    for name in disk.names(folder / "cells") - pages.keys():
        disk.remove(folder / "cells" / name)
    for name, page in pages.items():
        put(folder / "cells" / name, rendering.html("cell.html.j2", "cell.css", **page))
    return [page["cell"]["key"] for page in pages.values()]


def put(path: Path, text: str) -> None:
    """Write a page, unless a page that differs in its list of studies alone is there. Raises WriteError."""
    if HOLDERS.sub("", rendering.current(path)) != HOLDERS.sub("", text):
        disk.write(path, text.encode())


def relink(root: Path, studies: Sequence[Mapping[str, Any]]) -> None:
    """Name on every cell's page all studies that hold the cell. `studies`: see `summary.every`. Raises WriteError."""
    holders: dict[str, list[str]] = {}
    for study in studies:
        for key in study["cells"]:
            holders.setdefault(key, []).append(study["study"])
    for key, names in holders.items():
        for name in names:
            path = root / name / "cells" / f"{key}.html"
            before = rendering.current(path)
            after = HOLDERS.sub(lambda _: _list(key, name, names), before)  # noqa: B023 (called at once)
            if after != before:
                disk.write(path, after.encode())


def _list(key: str, own: str, names: Iterable[str]) -> str:
    item = Markup('<li><a href="../../{0}/cells/{1}.html">{2}</a></li>')
    return Markup('<ul id="studies">{}</ul>').format(
        Markup("").join(item.format(n, key, titled(n)) for n in names if n != own)
    )


def of_study(found: Findings, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What the page of each cell shows, in the order of the study's page."""
    runs, epochs = (dict(iter(f.groupby("key", observed=True))) for f in (found.frames.runs, found.frames.epochs))
    rows = {row["key"]: row for row in found.plan.to_dict("records")}
    others = _others(found.plan, {str(key): part["test_accuracy"].mean() for key, part in runs.items()})
    printed = list(numbers(found))
    shared = {key: values[key] for key in ("study", "synthetic")}
    entered = {
        "tables": [({*t.content["key"]}, t) for t in (*found.tables, *found.course_tables) if "key" in t.content],
        "figures": [(p["cells"], p["figure"]) for part in values["pictures"].values() for p in part if p["cells"]],
        "claims": [(c["cells"], c) for c in (*values["claims"]["claims"], *values["practicals"].get("claims", []))],
    }
    for group in values["groups"]:
        for cell in group["cells"]:
            key, row = cell["key"], rows[cell["key"]]
            if cell["n"]:
                held = "validation images" if row["validation_fraction"] else "test images"
                across = "epoch" if pd.isna(row["steps"]) else f"period of {row['eval_every']:,} steps"
                yield shared | {
                    "cell": cell, "title": run_lists.title(row), "reading": group["reading"],
                    "changes": run_lists.setting_of(row) if row["setting"] == "adhoc" else "",
                    "fields": changed(row), "others": others(row),
                    "printed": [number for number in printed if number["key"] == key],
                    "charts": charts(epochs[key], held), "held": held, "across": across,
                    "verdicts": Counter(c["verdict"] for keys, c in entered["claims"] if key in keys),
                    "further": values["further"].get(key, []),
                    "runs": [_run(run) for run in each(runs[key][RUN])],
                    "record": run_lists.environment(runs[key]), "data": run_lists.data(runs[key]),
                    "enters": {what: [one for keys, one in all if key in keys] for what, all in entered.items()},
                }  # fmt: skip


def _others(plan: pd.DataFrame, means: Mapping[str, float]) -> Any:
    """A function from a cell's row to the cells that differ from it in the norm alone, with their mean accuracy."""
    rows = [(row, changed(row) | {"norm": ""}) for row in plan.to_dict("records") if row["key"] in means]

    def others(one: Mapping[Any, Any]) -> list[dict[str, str]]:
        alike = changed(one) | {"norm": ""}
        return [
            {"key": row["key"], "norm": style.norm(row["norm"]).label, "accuracy": f"{means[row['key']]:.2f}"}
            for row, fields in rows
            if fields == alike and row["key"] != one["key"]
        ]

    return others


def numbers(found: Findings) -> Iterator[dict[str, Any]]:
    """The printed numbers of the study's cells, each with its verdict and what that rests on."""
    printed = [(row, f"Table {one.id}") for one in found.tables for row in _judged(one.content)]
    printed += [(row, f"{one.report}, row {row.row}") for one in found.course_tables for row in _judged(one.content)]
    for row, where in printed:
        yield {
            "key": row.key, "where": where, "printed": f"{row.printed:.1f}", "own": half_up(row.mean), "n": int(row.n),
            "difference": difference(row.mean, row.printed), "margin": f"{row.margin:.2g}", "verdict": row.verdict,
            "h": "" if pd.isna(row.h) else half_up(row.h),
        }  # fmt: skip


def _judged(content: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table that have a printed accuracy and a run."""
    if {"printed", "verdict", "key"} <= {*content.columns}:
        return each(content[content["printed"].notna() & content["n"].gt(0)])
    return iter(())


def charts(epochs: pd.DataFrame, held: str) -> list[dict[str, Any]]:
    """The charts of a cell: accuracy and loss by epoch or period, a line per seed and part of the data.

    held   the images that are watched: those of validation or test
    """
    seeds = [(int(str(seed)), run) for seed, run in epochs.groupby("seed")]

    def line(column: str, part: str, seed: int, run: pd.DataFrame) -> curves.Line:
        images = held if part == "validation" else part
        x, y = run["epoch"].tolist(), run[column].astype(float).tolist()
        return curves.Line(f"{images}, seed {seed}", part, x, y, {"seed": seed, "part": images})

    return [
        curves.chart(title, [line(column, part, *one) for column, part in parts.items() for one in seeds])
        for title, parts in PARTS.items()
    ]


def _run(run: Any) -> dict[str, Any]:
    where = f"epoch {run.diverged_epoch}, {run.diverged_layer}" if run.outcome == "diverged" else ""
    return {
        "seed": run.seed, "accuracy": f"{run.test_accuracy:.2f}", "loss": f"{run.test_loss:.4g}",
        "validation": f"{run.best_validation_accuracy:.2f}", "epochs": run.epochs_run, "best": run.best_epoch,
        "stopped": run.stopped, "outcome": run.outcome, "where": where, "broken": run.broken,
        "seconds": run.seconds, "when": run.started[:16].replace("T", " "),
        "made_by": ", ".join(filter(None, (run.engine, run.gpu or run.cpu))),
        "record": f"results/records/{run.key}/{run.seed}.json" if run.origin == "own" else "results/published",
    }  # fmt: skip
