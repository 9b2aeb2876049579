"""The report of a study: one static page with its tables and figures beside it, readable offline and without scripts.

The same frames give the same bytes: no clock, no host, nothing but what the records hold.
"""

import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from bnstudy import __version__, disk, figures, paths, stats, tables
from bnstudy.figures import style
from bnstudy.figures.background import COMPUTED
from bnstudy.figures.background import REGISTRY as BACKGROUND
from bnstudy.figures.background.render import is_drawn
from bnstudy.figures.background.render import render as render_background
from bnstudy.figures.render import render, state
from bnstudy.frames import Frames, narrowed
from bnstudy.labels import THESIS_DATASETS
from bnstudy.report import cells, claims, effects, layers, practicals, readings
from bnstudy.report.files import addresses
from bnstudy.study import Study
from bnstudy.tables import Shown, in_order
from bnstudy.tables.formats import html as table_html
from bnstudy.tables.formats import templates
from bnstudy.tables.layout import half_up
from bnstudy.timing import frame as timing

SECTIONS = {
    "7.1.1": "MLP: activation functions", "7.1.2": "MLP: learning rate", "7.1.3": "MLP: initial weights",
    "7.1.4": "MLP: regularization", "7.1.5": "MLP: batch size", "7.2.1": "CNN: activation functions",
    "7.2.2": "CNN: learning rate", "7.2.3": "CNN: initial weights", "7.2.4": "CNN: regularization",
    "7.2.5": "CNN: batch size",
}  # fmt: skip
VERDICTS = {
    "reproduced": "within the margin of the printed number, and the spread over seeds is small enough to say so",
    "differs": "outside the margin and outside what one more run could give, or only one of the two learned at all",
    "undecided": "the spread is too large, or there is one seed only",
    "broken as published": "the network answers one class, in the thesis and here",
    "not run": "no record yet",
}


def write(
    study: Study,
    frames: Frames,
    timings: pd.DataFrame | None,
    margins: Mapping[str, float],
    reports_root: Path,
    formats: Sequence[str] = ("svg",),
) -> Path:
    """Write reports/<study>/: tables/, figures/, claims.csv, index.html last, each file whole or not at all; the page.

    frames   what is of no cell or seed of the study is on no part of the page
    timings  timing.TIMING_COLUMNS, or None: not timed
    margins  points of test accuracy by data set, `default` for the others (config.yaml)
    formats  of the figures; svg is always drawn, for the page shows it
    Raises WriteError, and UsageError on a format that cannot be drawn.
    """
    page = paths.report(reports_root, study.name)
    plan = tables.planned(study.trained, study.seeds)
    frames = narrowed(frames, study)
    timings = None if timings is None else timing.narrowed(timings, study.cells)
    found = tables.shown(plan, frames.runs, timings, margins)
    tables.write(found, page.parent / "tables")
    folder, kinds = page.parent / "figures", tuple(dict.fromkeys(("svg", *formats)))
    with background_beside(plan, folder, kinds):
        pictures = draw(plan, frames, folder, kinds)
    background = draw_background(plan, folder, kinds)
    measured = layers.of_page(folder, kinds) if is_whole(plan) else {}
    effect = effects.of_page(frames, folder, kinds)
    judged = claims.of_study(plan, frames, timings)
    reported = practicals.of_page(plan, frames, margins, page.parent, kinds)
    disk.write(page.parent / "claims.csv", claims.csv([*judged["claims"], *reported.get("claims", [])]).encode())
    values = context(study, plan, frames, found, pictures, margins) | claim_context(judged, found, pictures)
    parts = {"background": background, "layers": measured, "practicals": reported, "effect": effect}
    disk.write(page, html(values | parts).encode())
    return page


def draw(plan: pd.DataFrame, frames: Frames, folder: Path, formats: Sequence[str]) -> list[dict[str, Any]]:
    """Draw every figure that has data; one entry per figure of the catalogue, with its files and state."""
    drawn = []
    for figure in figures.REGISTRY.values():
        reading, names = cells_of(figure, plan)
        now = state(figure, frames, names, reading)
        made = [] if now == "not run" else render(figure, frames, names, folder, formats, reading)
        drawn.append(
            {
                "figure": figure, "state": now, "reduced": reading == "reduced", "panels": len(names),
                "caption": figure.caption.removesuffix(figure.observation), **addresses(figure.stem, made),
            }
        )  # fmt: skip
    return drawn


def is_whole(plan: pd.DataFrame) -> bool:
    """Whether this is a study of the whole thesis: both models on its four data sets, by the full protocol."""
    cells = plan[plan["reading"] == "default"]
    return {*product(style.MODELS, THESIS_DATASETS)} <= {*zip(cells["model"], cells["dataset"], strict=True)}


def background_beside(plan: pd.DataFrame, folder: Path, formats: Sequence[str]) -> AbstractContextManager[Any]:
    """A process that draws the figures without results that are not drawn yet, while this one draws the results."""
    if not is_whole(plan) or all(is_drawn(figure, folder, formats) for figure in COMPUTED.values()):
        return nullcontext()
    command = [sys.executable, "-m", "bnstudy.figures.background", str(folder), *formats]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def draw_background(plan: pd.DataFrame, folder: Path, formats: Sequence[str]) -> list[dict[str, Any]]:
    """The figures that show no result, if this is a study of the whole thesis; one entry per figure. Those that
    `background_beside` has not drawn are drawn here."""
    if not is_whole(plan):
        return []
    drawn = []
    for figure in BACKGROUND.values():
        made = render_background(figure, folder, formats)
        drawn.append({"figure": figure, **addresses(figure.stem, made)})
    return drawn


def cells_of(figure: figures.Figure, plan: pd.DataFrame) -> tuple[str, list[str]]:
    """(reading, data sets) that a figure of this study shows: the full protocol where the study has it."""
    own = plan[plan["model"] == figure.model]
    reading = "default" if (own["reading"] == "default").any() or not (own["reading"] == "reduced").any() else "reduced"
    return reading, in_order(own[own["reading"] == reading]["dataset"]) or list(THESIS_DATASETS)


def context(
    study: Study,
    plan: pd.DataFrame,
    frames: Frames,
    found: Sequence[Shown],
    pictures: Sequence[Mapping[str, Any]],
    margins: Mapping[str, float],
) -> dict[str, Any]:
    """All that the page's template shows, as plain values."""
    runs = frames.runs
    started = sorted(filter(None, runs["started"]))
    return {
        "study": study,
        "version": __version__,
        "started": (started[0], started[-1]) if started else None,
        "counts": {
            "cells": len(study.cells),
            "asked": len(study.runs()),
            "runs": len(runs),
            "published": int(runs["origin"].eq("published").sum()),
            "missing": len(frames.missing),
        },
        "seeds": study.seeds,
        "synthetic": bool((runs["data_source"] == "synthetic").any()),
        "unofficial": cells.unofficial(runs),
        "verdicts": verdict_summary(found),
        "verdict_words": VERDICTS,
        "margins": {name: m for name, m in margins.items() if name == "default"}
        | {style.dataset(name): m for name, m in margins.items() if name != "default"},
        "pairs": cells.pairs(runs),
        "tables": [_table(one, set(runs["key"])) for one in found if one.planned],
        "tables_left": [one for one in found if not one.planned],
        "table_formats": tables.FORMATS,
        "sections": sections(pictures),
        "figures_left": [p["figure"] for p in pictures if not p["files"]],
        "readings": readings.of_study(plan, runs, margins),
        "groups": cells.listing(plan, runs, frames.missing),
        "seconds": float(runs["seconds"].sum()),
        "gaps": cells.gaps(frames.missing),
        "diverged": cells.diverged(runs),
        "data": cells.data(runs),
        "environment": cells.environment(runs),
    }


def claim_context(
    judged: Mapping[str, Any], found: Sequence[Shown], pictures: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """The claims, and where on the page each figure and table is that shows them."""
    tables_at = {one.id: f"table-{one.stem}" for one in found if one.planned}
    figures_at = {p["figure"].id: p["figure"].stem for p in pictures if p["files"]}
    beside = [one for one in found if one.table.id not in tables.CATALOGUE]
    return {
        "claims": judged,
        "claim_sections": claims.sections(judged["claims"], SECTIONS),
        "claim_words": claims.VERDICTS,
        "shown_at": tables_at | figures_at,
        "claims_of": claims.by_figure(judged["claims"])
        | {one.id: claims.shown_nowhere(judged["claims"], one.table.model) for one in beside},
        "thesis_data": [style.dataset(name) for name in THESIS_DATASETS],
    }


def verdict_summary(found: Iterable[Shown]) -> dict[str, Any]:
    """Counts of verdicts over the printed accuracies this study can speak to: in all, and by model and data set."""
    contents = [
        one.content.assign(model=one.table.model) for one in found if one.planned and one.table.what == "accuracy"
    ]
    asked = [c[c["published"].notna() & c["seeds"].gt(0)] for c in contents]
    asked = [numbers for numbers in asked if len(numbers)]
    numbers = pd.concat(asked) if asked else pd.DataFrame()
    if numbers.empty:
        return {"total": 0, "counts": {}, "rows": [], "differ": []}
    table = stats.counts(numbers)
    rows = [
        {
            "model": style.model(row["model"]), "dataset": style.dataset(row["dataset"]),
            "counts": {v: int(row[v]) for v in stats.VERDICTS}, "total": sum(int(row[v]) for v in stats.VERDICTS),
        }
        for row in table.reset_index().to_dict("records")
    ]  # fmt: skip
    counts = {v: int(n) for v, n in table.sum().items()}
    return {"total": len(numbers), "counts": counts, "rows": rows, "differ": differing(numbers)}


def differing(numbers: pd.DataFrame) -> list[dict[str, str]]:
    """The numbers that differ: of which cell, what is printed, and ours."""
    return [
        {
            "key": n.key, "published": f"{n.published:.1f}", "own": half_up(n.mean),
            "what": f"{style.model(n.model)}, {style.dataset(n.dataset)}, {style.norm(n.norm).label}, "
            f"{style.setting(n.setting).label}",
        }
        for n in stats.each(numbers[numbers["verdict"] == "differs"])
    ]  # fmt: skip


def _table(one: Shown, listed: set[str]) -> dict[str, Any]:
    return {
        "id": one.id, "stem": one.stem, "state": one.state, "grid": one.grid,
        "small": len(one.grid.columns) <= 4, "html": Markup(table_html(one.grid, listed)),
        "files": {ending: f"tables/{one.stem}.{ending}" for ending in tables.FORMATS},
    }  # fmt: skip


def sections(pictures: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Drawn figures by section of the thesis, in its order."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for picture in pictures:
        if picture["files"]:
            groups.setdefault(picture["figure"].section, []).append(picture)
    title = "Added to the thesis's"  # by an extension
    return [{"id": s, "title": SECTIONS.get(s, title), "pictures": shown} for s, shown in groups.items()]


def html(values: Mapping[str, Any]) -> str:
    """The page. Every value is escaped; only the tables' own markup, escaped where it is made, passes as it is."""
    environment = templates("bnstudy.report")
    environment.filters["duration"] = cells.duration
    source = environment.loader.get_source(environment, "page.css")[0] if environment.loader else ""
    return environment.get_template("page.html.j2").render(css=Markup(source), **values)
