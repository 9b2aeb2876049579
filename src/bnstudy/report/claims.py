"""The section on claims: verdicts, evidence, counts by model and data set; and claims.csv."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from bnstudy.claims import (
    Claim,
    ClaimVerdict,
    Measured,
    PartVerdict,
    judged,
    listing,
    measure,
    printed_support,
    reading_of,
    verdict,
)
from bnstudy.claims.catalogue import ACCURACY, VALIDATION
from bnstudy.claims.listing import true_in
from bnstudy.claims.terms import Place
from bnstudy.claims.verdicts import NOT_RUN
from bnstudy.design.labels import THESIS_DATASETS
from bnstudy.figures import style
from bnstudy.report import evidence
from bnstudy.results.frames import Frames

VERDICTS = {
    "holds": "true with at least 95 % probability, as far as our seeds spread, or for each of at least three seeds",
    "fails": "true with at most 5 % probability, or for no seed; of joined comparisons one suffices",
    "undecided": "between the two, or too few seeds",
    "other hardware": "it is about seconds or percent of the thesis's GPU, and ours were measured elsewhere: the text "
    "gives what ours show, which decides nothing",
    "not run": "no cell that it asks for has been run, or those that were cannot answer: half of a comparison, or "
    "networks that learn nothing",
}
PRIORITIES = (1, 2, 3)
"""1 main, 2 lesser, 3 a side remark."""

CHAPTERS = {
    "main": "Main findings (abstract, chapter 8)",
    "7.1.6": "MLP: time", "7.2.6": "CNN: time", "7": "Before training", "6.1.2": "Data", "3.3": "The layer itself",
}  # fmt: skip


def of_study(plan: pd.DataFrame, frames: Frames, timings: pd.DataFrame | None) -> dict[str, Any]:
    """What the page shows of claims: judged, reduced, counts by verdict, priorities (the number of each), places
    (counts by model and data set), claims (one row each), and failing (those of priority 1 that fail).

    `judged` is true if any claim that needs training could be judged.
    """
    reading = reading_of(plan)
    measured = measure(frames, timings, reading)
    found = judged(measured)
    listed = [row(claim, one) for claim, one in found]
    return {
        "judged": any(one.places for _, one in found),
        "reduced": reading == "reduced",
        "counts": _counted(one.verdict for _, one in found),
        "priorities": {p: sum(claim.priority == p for claim, _ in found) for p in PRIORITIES},
        "places": by_place(found, measured) if measured else [],
        "failing": [claim for claim in listed if claim["verdict"] == "fails" and claim["priority"] == 1],
        "claims": listed,
    }


def _counted(verdicts: Iterable[str]) -> dict[str, int]:
    found = list(verdicts)
    return {v: found.count(v) for v in VERDICTS}


def by_place(found: Sequence[tuple[Claim, ClaimVerdict]], measured: Measured) -> list[dict[str, Any]]:
    """Verdicts by model and data set: each claim judged on that place alone.

    A claim that compares data sets or models cannot be judged on one place and is in no row.
    """
    places = sorted({place for claim, _ in found for place in claim.places}, key=_rank)
    rows = []
    for place in places:
        counts = _counted(v for claim, whole in found if (v := _alone(claim, whole, place, measured)))
        if sum(counts.values()) > counts[NOT_RUN]:
            title = f"{style.model(place[0])}, {style.dataset(place[1])}"
            rows.append({"title": title, "counts": counts})
    return rows


def _rank(place: Place) -> tuple[bool, int]:
    return place[0] != "mlp", THESIS_DATASETS.index(place[1])


def _alone(claim: Claim, whole: ClaimVerdict, place: Place, measured: Measured) -> str:
    """The verdict of a claim on one place; empty if the claim is not about it, or not about it alone."""
    if place not in claim.places:
        return ""
    found = verdict(replace(claim, places=(place,)), measured)
    asked = all(part.numbers for part in found.parts if part.verdict != NOT_RUN)
    if found.verdict != NOT_RUN and asked:
        return found.verdict
    return "" if place in whole.places or not asked else NOT_RUN


def row(claim: Claim, found: ClaimVerdict) -> dict[str, Any]:
    """A claim of the thesis as the page shows it."""
    return page_row(claim, found, printed_support(claim), left_out(claim, found)) | {
        "group": group(claim.section), "models": sorted({model for model, _ in claim.places}),
        "judged_on": {model for model, _ in found.places},
    }  # fmt: skip


def page_row(claim: Claim, found: ClaimVerdict, printed: str, left: str) -> dict[str, Any]:
    """A claim as the page shows it and claims.csv lists it. `left`: places it is about and was not judged on."""
    row = listing.row(claim, found, printed)
    return row | {
        "left": left, "text": row["evidence"]["text"], "cells": found.cells,
        "parts": [part_row(part) for part in found.parts],
    }  # fmt: skip


def by_figure(claims: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Figure -> the claims about it that were judged."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for claim in claims:
        for figure in claim["figures"] if claim["verdict"] != NOT_RUN else ():
            found.setdefault(figure, []).append(claim)
    return found


def shown_nowhere(claims: Iterable[Mapping[str, Any]], model: str) -> list[Mapping[str, Any]]:
    """The claims on accuracy that no table or figure of the thesis shows, if they were judged on this model."""
    return [
        claim for claim in claims
        if not claim["figures"] and model in claim["judged_on"] and claim["parts"][0]["kind"] in (ACCURACY, VALIDATION)
    ]  # fmt: skip


def group(section: str) -> str:
    """The part of the page that a claim belongs to: a section of chapter 7, or `main`."""
    first = section.split(";")[0].strip()
    return "main" if first.startswith(("Abstract", "8")) else first


def left_out(claim: Claim, found: ClaimVerdict) -> str:
    """The models and data sets that a partly judged claim is about and was not judged on."""
    if not found.places:
        return ""
    words = []
    for model in dict.fromkeys(model for model, _ in claim.places):
        spoken = [place for place in claim.places if place[0] == model]
        lacking = [style.dataset(place[1]) for place in spoken if place not in found.places]
        if len(lacking) == len(spoken) > 1:
            words.append(f"the {style.model(model)}")
        elif lacking:
            words.append(f"{style.model(model)} {', '.join(lacking)}")
    return "; ".join(words)


def part_row(part: PartVerdict) -> dict[str, Any]:
    """A part of a claim as the page shows it."""
    return {
        "kind": part.kind, "check": part.check, "verdict": part.verdict,
        "true_in": true_in(part), "table": evidence.table(part),
    }  # fmt: skip


def sections(claims: Iterable[Mapping[str, Any]], titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """The claims by section: main findings first, then chapter 7 in its order, then the rest."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for claim in claims:
        groups.setdefault(claim["group"], []).append(claim)
    order = sorted(groups, key=lambda g: (g != "main", not g.startswith("7."), g))
    names = {**titles, **CHAPTERS}
    return [
        {"id": g, "title": names[g], "claims": groups[g], "counts": _counted(c["verdict"] for c in groups[g])}
        for g in order
    ]


def csv(claims: Iterable[Mapping[str, Any]]) -> str:
    """claims.csv: id, priority, section, title, verdict, state, printed, evidence, left_out, figures."""
    columns = {"id": "id", "priority": "priority", "section": "section", "title": "title", "verdict": "verdict",
               "state": "state", "printed": "printed", "text": "evidence", "left": "left_out"}  # fmt: skip
    rows = [
        {new: claim[old] for old, new in columns.items()} | {"figures": " ".join(claim["figures"])} for claim in claims
    ]
    return pd.DataFrame(rows).to_csv(index=False, lineterminator="\n")
