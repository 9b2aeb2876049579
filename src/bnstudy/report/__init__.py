"""The report of a study: one static page beside its tables and figures, readable offline and complete without scripts.

The same frames give the same bytes: no clock, no host, only what the records hold.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from bnstudy import console, disk, paths, tables
from bnstudy.claims.verdicts import NOT_RUN
from bnstudy.design.labels import THESIS_DATASETS
from bnstudy.design.study import Study
from bnstudy.figures import style
from bnstudy.figures.writer import Target
from bnstudy.report import (
    answer,
    cells,
    claims,
    effects,
    figure_pages,
    front,
    layers,
    many_words,
    pictures,
    practicals,
    questions,
    readings,
    rendering,
    run_lists,
    summary,
)
from bnstudy.report.findings import Findings
from bnstudy.results.frames import Frames
from bnstudy.tables import Shown
from bnstudy.tables.formats import html as table_html
from bnstudy.verdicts import accuracies, many
from bnstudy.verdicts.accuracies import half_up

SECTIONS = {
    "7.1.1": "MLP: activation functions", "7.1.2": "MLP: learning rate", "7.1.3": "MLP: initial weights",
    "7.1.4": "MLP: regularization", "7.1.5": "MLP: batch size", "7.2.1": "CNN: activation functions",
    "7.2.2": "CNN: learning rate", "7.2.3": "CNN: initial weights", "7.2.4": "CNN: regularization",
    "7.2.5": "CNN: batch size",
}  # fmt: skip
TIMED = ["model", "dataset", "norm", "batch_size", "engine", "device"]
"""Columns that tell timings apart: a network on an engine of a device."""
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
    published: Collection[tuple[str, int]] = (),
) -> Path:
    """Write reports/<study>/: tables/, figures/, cells/, claims.csv, index.html and summary.json; last the front page
    of all studies, reports/index.html. Each file is whole or not there. Returns the path of the study's page.

    frames   rows of other cells and seeds than the study's are ignored
    timings  timing.TIMING_COLUMNS, or None: not timed
    margins  points of test accuracy by data set, `default` for the others (config.yaml)
    formats  of the figures; svg is always drawn, because the page shows it
    published key and seed of each published run: the page names those of its cells that the study does not ask for
    Raises WriteError, and UsageError on a format that cannot be drawn.
    """
    page = paths.report(reports_root, study.name)
    with console.waiting(f"{study.name}: filling the tables"):
        found = Findings.of(study, frames, timings, margins)
        tables.write([*found.tables, *found.course_tables], page.parent / "tables")
    target = Target(page.parent / "figures", tuple(dict.fromkeys(("svg", *formats))))
    drawn = pictures.draw(found, target)
    with console.waiting(f"{study.name}: judging the claims"):
        judged = claims.of_study(found.plan, found.frames, found.timings)
        reported, asked = practicals.of_page(found, drawn["practicals"]), questions.of_page(found, drawn["questions"])
        listed = [claim for part in (judged, reported, asked) for claim in part.get("claims", [])]
        disk.write(page.parent / "claims.csv", claims.csv(listed).encode())
    with console.waiting(f"{study.name}: writing the pages"):
        values = content(found, drawn, judged, reported, asked) | {"further": run_lists.further(study, published)}
        values |= {"layers": layers.of_page(target.folder) if drawn["layers"] else {}}
        disk.write(page, rendering.html("page.html.j2", "page.css", **values).encode())
        values |= {"cells": cells.write(found, values, page.parent)}
        figure_pages.write((p for section in drawn.values() for p in section), values, page.parent)
        summary.put(summary.of_study(found, values), page.parent)
        front.write(reports_root)
    return page


def content(
    found: Findings,
    drawn: Mapping[str, Any],
    judged: Mapping[str, Any],
    reported: Mapping[str, Any],
    asked: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what the page shows besides layers and cells: the pictures, and what was `judged` of the thesis,
    `reported` of the course reports and `asked` of the open questions."""
    values = context(found) | figure_context(drawn["figures"]) | claim_context(judged, found.tables, drawn["figures"])
    values |= {"pictures": drawn, "practicals": reported, "questions": asked, "effect": effects.of_page(found)}
    if asked:  # its readings answer questions, and are not compared with print
        values |= {"readings": {}}
    values |= {"replicates": replicates(values)}
    values |= {"remarks": questions.judged(asked) if asked else remarks(found, judged)}
    return values | {"answer": answers(values, answer.of_one_field(found.plan, found.frames.runs))}


def replicates(values: Mapping[str, Any]) -> bool:
    """Return True if the page of a study compares it with printed numbers or claims."""
    return bool(values["verdicts"]["total"] or values["practicals"] or values["claims"]["judged"])


def remarks(found: Findings, claimed: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The judged claims that no table or figure of the thesis shows, of a study that is mostly of cells beside them."""
    beside = sum(len(one.content) for one in found.tables if one.id.startswith("X."))
    if not claimed["judged"] or beside <= (found.numbers["seeds"] > 0).sum():
        return []
    return [claim for claim in claimed["claims"] if not claim["figures"] and claim["verdict"] != NOT_RUN]


def answers(values: Mapping[str, Any], by_field: list[str]) -> list[str]:
    """The answer to a study's question in a few sentences, from what its page shows. `by_field`: the answer of a study
    that varies one field beside the norm."""
    verdicts, judged = values["verdicts"], values["claims"]
    if values["readings"]:
        return [values["readings"]["conclusion"]]
    if by_field:
        return by_field
    if values["practicals"]:
        return practicals.sentences(values["practicals"])
    if values["questions"]:
        return questions.sentences(values["questions"])
    if values["remarks"]:
        return answer.of_remarks(claim["verdict"] for claim in values["remarks"])
    counts, claimed = verdicts["counts"], judged["counts"] if judged["judged"] else {}
    return [
        *answer.of_gains(values["pairs"]),
        *answer.of_verdicts(counts, verdicts["after_holm"], claimed, "in this study"),
    ]


def context(found: Findings) -> dict[str, Any]:
    """What the page's template shows of a study, its numbers, cells and origin, as plain values."""
    study, runs, missing = found.study, found.frames.runs, found.frames.missing
    keys, planned = set(runs["key"]), [one for one in found.tables if one.planned]
    started = sorted(filter(None, runs["started"]))
    return {
        "study": study,
        "started": (started[0], started[-1]) if started else None,
        "counts": {
            "cells": len(study.cells),
            "asked": len(study.runs()),
            "runs": len(runs),
            "published": int(runs["origin"].eq("published").sum()),
            "missing": len(missing),
            "timings": 0 if found.timings is None else len(found.timings[TIMED].drop_duplicates()),
        },
        "seeds": study.seeds,
        "synthetic": bool((runs["data_source"] == "synthetic").any()),
        "unofficial": run_lists.unofficial(runs),
        "verdicts": verdict_summary(found.numbers),
        "verdict_words": VERDICTS,
        "margins": {name if name == "default" else style.dataset(name): m for name, m in found.margins.items()},
        "pairs": run_lists.pairs(runs),
        "tables": [_table(one, keys, any(o.table.what == "accuracy" for o in planned)) for one in planned],
        "tables_left": [one for one in found.tables if not one.planned],
        "table_formats": tables.FORMATS,
        "readings": readings.of_study(found.plan, runs, found.numbers),
        "groups": run_lists.listing(found.plan, runs, missing),
        "with_page": {row["key"]: run_lists.title(row) for row in found.plan.to_dict("records") if row["key"] in keys},
        "seconds": float(runs["seconds"].sum()),
        "gaps": run_lists.gaps(missing),
        "diverged": run_lists.diverged(runs),
        "mixed": run_lists.mixed(runs),
        "data": run_lists.data(runs),
        "environment": run_lists.environment(runs),
    }


def figure_context(drawn: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The result figures by section of the thesis, and those without data."""
    return {"sections": sections(drawn), "figures_left": [p["figure"] for p in drawn if not p["files"]]}


def claim_context(
    judged: Mapping[str, Any], found: Sequence[Shown], drawn: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """The claims, and the places on the page of the figures and tables that show them."""
    tables_at = {one.id: f"table-{one.stem}" for one in found if one.planned}
    figures_at = {p["figure"].id: p["figure"].stem for p in drawn if p["files"]}
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


def verdict_summary(numbers: pd.DataFrame) -> dict[str, Any]:
    """Counts of verdicts over the printed accuracies that a study asks for: in all, and by model and data set.

    numbers   see `tables.numbers`
    """
    numbers = numbers[numbers["seeds"] > 0]
    if numbers.empty:
        return {"total": 0, "counts": {}, "rows": [], "differ": [], "many": [], "after_holm": 0}
    table = accuracies.counts(numbers)
    rows = [
        {
            "title": f"{style.model(row['model'])}, {style.dataset(row['dataset'])}",
            "counts": {v: int(row[v]) for v in accuracies.VERDICTS},
        }
        for row in table.reset_index().to_dict("records")
    ]  # fmt: skip
    counts = {v: int(n) for v, n in table.sum().items()}
    return {"total": len(numbers), "counts": counts, "rows": rows, "differ": differing(numbers),
            "many": many_words.of_numbers(numbers), "after_holm": many.still_differ(numbers)["holm"]}  # fmt: skip


def differing(numbers: pd.DataFrame) -> list[dict[str, str]]:
    """The numbers that differ: the cell, the printed number, and ours."""
    return [
        {
            "key": n.key, "printed": f"{n.printed:.1f}", "own": half_up(n.mean),
            "what": f"{style.model(n.model)}, {style.dataset(n.dataset)}, {style.norm(n.norm).label}, "
            f"{style.setting(n.setting).label}",
        }
        for n in accuracies.each(numbers[numbers["verdict"] == "differs"])
    ]  # fmt: skip


def _table(one: Shown, listed: set[str], folded: bool) -> dict[str, Any]:
    return {
        "id": one.id, "stem": one.stem, "state": one.state, "grid": one.grid,
        "folded": folded and one.table.what != "accuracy", "small": len(one.grid.columns) <= 4,
        "html": Markup(table_html(one.grid, listed)),
        "files": {ending: f"tables/{one.stem}.{ending}" for ending in tables.FORMATS},
    }  # fmt: skip


def sections(drawn: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Drawn figures by section of the thesis, in its order."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for picture in drawn:
        if picture["files"]:
            groups.setdefault(picture["figure"].section, []).append(picture)
    title = "Added to the thesis's"  # by an extension
    return [{"id": s, "title": SECTIONS.get(s, title), "pictures": shown} for s, shown in groups.items()]
