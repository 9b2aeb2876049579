"""The section `questions`: the open questions that a study asks, each with its answer, verdict, figure and values."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bnstudy.claims import questions as claims
from bnstudy.claims.listing import number
from bnstudy.claims.verdicts import NOT_RUN
from bnstudy.figures import question_kinds, style
from bnstudy.figures import questions as figures
from bnstudy.questions.cells import asked_by, cell, cells, points
from bnstudy.report.answer import counted
from bnstudy.report.claims import VERDICTS, left_out, page_row
from bnstudy.report.findings import Findings
from bnstudy.verdicts.accuracies import half_up


def of_page(found: Findings, pictures: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the section shows; empty for a study that asks no question. `pictures`: its drawn figures."""
    on = asked_by(tuple(found.plan["key"]))
    if not on:
        return {}
    drawn = {picture["figure"].question: picture for picture in pictures}
    asked = [_question(one, found, drawn[one.question.id]) for one in claims.judged(found.frames, on)]
    verdicts = [one["claim"]["verdict"] for one in asked]
    return {
        "asked": asked, "claims": [one["claim"] for one in asked],
        "counts": {v: verdicts.count(v) for v in VERDICTS if v in verdicts or v in ("holds", "fails", "undecided")},
    }  # fmt: skip


def sentences(shown: Mapping[str, Any]) -> list[str]:
    """What came of the questions, from the values of `of_page`."""
    asked, counts = shown["asked"], shown["counts"]
    begun = sum(bool(one["run"]) for one in asked)
    if not begun:
        return [f"No answer yet: none of the cells of {len(asked)} questions has been run."]
    return [
        f"Of {len(asked)} questions that the thesis leaves open {begun} have runs. Of the statements that make its "
        f"expectations precise, written before these runs, {counted(counts)}."
    ]


def _question(one: claims.Judged, found: Findings, picture: Mapping[str, Any]) -> dict[str, Any]:
    question, asked = one.question, {c.key: c for d in one.datasets for c in cells(one.question.id)[d]}
    runs = found.frames.runs[found.frames.runs["key"].isin(list(asked))]
    missing = found.frames.missing[found.frames.missing["key"].isin(list(asked))]
    return {
        "id": question.id, "question": question.question, "section": question.section,
        "expectation": question.expectation, "written": question.written, "known": question.known,
        "answer": answer(one, runs), "picture": picture, "table": values(picture["figure"], found, one.datasets),
        "claim": page_row(one.claim, one.verdict, claims.NOT_PRINTED, left_out(one.claim, one.verdict)),
        "cells": len(asked), "run": len(set(runs["key"])), "missing": len(missing), **trained(runs, question.written),
        "absent": list(_absent(question.id, one.datasets, picture["figure"], set(runs["key"]))),
    }  # fmt: skip


def answer(one: claims.Judged, runs: pd.DataFrame) -> tuple[str, ...]:
    """The answer to a question; if there is none, how many of its cells have been run."""
    asked = {c.key for d in one.datasets for c in cells(one.question.id)[d]}
    ran = len(asked & set(runs["key"]))
    some = f"{ran} of its {len(asked)} cells have" if ran else f"none of its {len(asked)} cells has"
    return one.answer or (f"No answer yet: {some} been run.",)


def trained(runs: pd.DataFrame, written: str) -> dict[str, Any]:
    """How many runs there are, how many of them began before the day on which the question was written, and the first
    and last day on which one began; None if no run has a date."""
    days = sorted(when[:10] for when in runs["started"] if when)
    return {
        "runs": len(runs), "before": sum(day < written for day in days),
        "started": (days[0], days[-1]) if days else None,
    }  # fmt: skip


def _absent(id: str, datasets: Iterable[str], figure: figures.QuestionFigure, ran: set[str]) -> Iterator[str]:
    """Yield, by data set and line, the places of cells without a run, such as `MNIST, vanilla: 0.1, 0.01`."""
    for dataset in datasets:
        places: dict[str, list[str]] = {}
        for point in points(id):
            if cell(point, dataset).key not in ran:
                places.setdefault(figure.look(point.line).label, []).append(_place(point.x))
        for line, absent in places.items():
            yield f"{style.dataset(dataset)}, {line}: {', '.join(absent)}"


def values(figure: figures.QuestionFigure, found: Findings, datasets: tuple[str, ...]) -> dict[str, Any]:
    """The table of a figure's values: `lines` for each of `datasets`, and rows (a place along the lines, and the text,
    key and guess of each line's cell there); `across` names the places, `what` the values, and `drawn` what the figure
    shows of them."""
    table = figures.values(figure, found.frames, datasets)
    lines = list(dict.fromkeys(table["line"]))
    by_place = {(r.dataset, r.line, r.x): r for r in table.itertuples(index=False)}
    rows = [
        (_place(x), [_value(by_place.get((d, line, x))) for d in datasets for line in lines])
        for x in dict.fromkeys(table["x"])
    ]
    looks = [figure.look(line).label for line in lines]
    return {
        "across": _capital(figure.across), "what": _capital(figure.value),
        "drawn": _capital(question_kinds.GAIN if figure.kind == "cost" else figure.value), "rows": rows, "lines": looks,
        "datasets": [style.dataset(dataset) for dataset in datasets],
    }  # fmt: skip


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _place(x: float | str) -> str:
    return style.setting(x).label if x in style.SETTINGS else x if isinstance(x, str) else question_kinds.number(x)


def _value(row: Any) -> tuple[str, str, bool]:
    """(mean ± standard deviation, key, True of a constant guess); a dash and no key of what was not run."""
    if row is None or np.isnan(row.mean):
        return ("–", "", False) if row is None else ("–", row.key, False)
    digits = half_up if 10 <= abs(row.mean) < 1000 else number  # as many as the mean has
    spread = f" ± {digits(row.std)}" if pd.notna(row.std) and np.isfinite(row.std) else ""
    return f"{number(row.mean, 'never')}{spread}", row.key, bool(row.broken)


def judged(shown: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The statements that have a verdict."""
    return [claim for claim in shown["claims"] if claim["verdict"] != NOT_RUN]
