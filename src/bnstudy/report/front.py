"""The front page, reports/index.html: what all studies reported so far give together, from their summaries alone.

A printed number is in several studies, and so is a claim. Of each, one verdict counts: by the thesis's protocol, on
most models and data sets, of the study with most printed numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from bnstudy import disk, paths, printed
from bnstudy.claims.verdicts import NOT_RUN
from bnstudy.design.labels import NORMS, THESIS_DATASETS
from bnstudy.figures import style
from bnstudy.lock import held
from bnstudy.report import answer, cells, many_words, rendering, summary
from bnstudy.report.claims import PRIORITIES
from bnstudy.report.claims import VERDICTS as CLAIM_VERDICTS
from bnstudy.tables.catalogue import CATALOGUE, SETTING_ROWS, Table
from bnstudy.tables.layout import difference
from bnstudy.verdicts import many
from bnstudy.verdicts.accuracies import SLOT, VERDICTS, each, half_up

SIGNS = {
    "reproduced": "=", "differs": "≠", "undecided": "?", "broken as published": "∅", "not run": "·",
    "holds": "✓", "fails": "✗", "other hardware": "‡",
}  # fmt: skip
"""A sign per verdict, so that none is known by its colour alone."""

UNASKED = "in no study reported here"


def write(root: Path) -> Path:
    """Write the front page of the reports in this folder, and the links between the pages of their cells. Returns its
    path. Raises WriteError, TryAgain."""
    path = paths.front(root)
    with held(root / ".index.lock", "the front page of the reports", wait=60.0):
        studies = summary.every(root)
        disk.write(path, rendering.html("front.html.j2", "page.css", **values(studies)).encode())
        cells.relink(root, studies)
    return path


def values(studies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the page shows of these summaries, which are in the order of `summary.every`."""
    numbers, claims = merged_numbers(studies), merged_claims(studies)
    counts = {v: sum(n["verdict"] == v for n in numbers) for v in VERDICTS}
    effects = [s for s in studies if s["effect"]]
    shared = {
        "replicates": any(s["replicates"] for s in studies), "studies": studies,
        "counts": counts if numbers else {}, "claim_counts": _counted(claims),
        "maps": [_map(table, numbers) for table in CATALOGUE.values() if table.what == "accuracy" and numbers],
        "why": why(numbers), "claims": [(p, [c for c in claims if c["priority"] == p]) for p in PRIORITIES],
        "judging": [s for s in studies if any(c["verdict"] != NOT_RUN for c in s["claims"])],
        "pairs": merged_pairs(studies), "effect": effects[0] if effects else None, "signs": SIGNS,
        "claim_words": CLAIM_VERDICTS, "many": many_words.of_numbers(pd.DataFrame(numbers)) if numbers else [],
        "unofficial": _unofficial(studies), "margins": _margins(numbers),
    }  # fmt: skip
    return shared | {"answer": sentences(shared, numbers)}


def sentences(shared: Mapping[str, Any], numbers: Sequence[Mapping[str, Any]]) -> list[str]:
    """The answer of all studies together; of studies that replicate nothing, what batch norm gains."""
    gained = answer.of_gains(shared["pairs"])
    if not shared["replicates"]:
        return gained
    after_holm = many.still_differ(pd.DataFrame(numbers))["holm"] if numbers else 0
    counts, claims = shared["counts"], shared["claim_counts"]
    return [
        *gained,
        *answer.of_verdicts(counts, after_holm, claims),
        *answer.of_untested(counts.get(NOT_RUN, 0), claims.get(NOT_RUN, 0), shared["why"]),
    ]


def merged_numbers(studies: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One entry per accuracy that the thesis prints, from the first study that ran it; empty if none asks for it."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for study in studies:
        for number in study["numbers"]:
            slot = tuple(number[key] for key in SLOT)
            if slot not in found or found[slot]["verdict"] == NOT_RUN != number["verdict"]:
                found[slot] = number | {"study": study["study"]}
    unasked = {"verdict": NOT_RUN, "why": UNASKED, "study": ""}
    rows = each(printed.accuracy())
    return (
        [found.get(tuple(getattr(row, key) for key in SLOT), {**row._asdict(), **unasked}) for row in rows]
        if found
        else []
    )


def merged_claims(studies: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One entry per claim: `verdicts` by study, and `verdict`, `study` and `on` of the one that counts."""
    found: dict[str, dict[str, Any]] = {}
    for study in studies:
        for claim in study["claims"]:
            known = found.setdefault(claim["id"], claim | {"verdict": NOT_RUN, "study": "", "on": "", "judged": []})
            if claim["verdict"] != NOT_RUN:
                known["judged"].append((study, claim))
    for claim in found.values():
        claim["verdicts"] = {study["study"]: one["verdict"] for study, one in claim["judged"]}
        full = [(study, one) for study, one in claim.pop("judged") if not study["protocol"]]
        if full:
            study, one = max(full, key=lambda pair: len(pair[1]["places"]))
            claim |= {
                "verdict": one["verdict"],
                "study": study["study"],
                "on": places(one["places"]),
                "seeds": study["seeds"],
            }
    return list(found.values())


def places(listed: Iterable[str]) -> str:
    """`MLP: MNIST, CIFAR10` of places such as `mlp mnist`; empty for a claim that needs no training."""
    found: dict[str, list[str]] = {}
    for place in listed:
        model, dataset = place.split(" ", 1)
        found.setdefault(style.model(model), []).append(style.dataset(dataset))
    return "; ".join(f"{model}: {', '.join(datasets)}" for model, datasets in found.items())


def merged_pairs(studies: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What each norm gains by model, data set and protocol, from the first study that has it."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for study in studies:
        for row in study["pairs"]:
            if row["reading"] in ("", *answer.REMARKS):
                found.setdefault(tuple(row[key] for key in ("model", "dataset", "norm", "reading")), row)
    return list(found.values())


def why(numbers: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """(reason, what) of the numbers that were not run: `17 of the CNN on MNIST`."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for number in numbers:
        if number["verdict"] == NOT_RUN:
            of = found.setdefault(number["why"] or "not run yet", {}).setdefault(style.model(number["model"]), {})
            dataset = style.dataset(number["dataset"])
            of[dataset] = of.get(dataset, 0) + 1
    return [
        (reason, [f"{sum(of.values())} of the {model} on {answer.listed(of)}" for model, of in models.items()])
        for reason, models in found.items()
    ]


def _map(table: Table, numbers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The heat map of one table: a row per setting, an entry per data set and norm."""
    at = {tuple(number[key] for key in SLOT): number for number in numbers}
    columns = tuple(product(THESIS_DATASETS, NORMS))
    return {
        "id": table.id, "model": style.model(table.model), "datasets": [style.dataset(d) for d in THESIS_DATASETS],
        "norms": [style.norm(n).label for n in NORMS],
        "rows": [
            (style.setting(setting).label, [_entry(at[table.model, d, n, setting], setting) for d, n in columns])
            for _, setting, _ in SETTING_ROWS
        ],
    }  # fmt: skip


def _entry(number: Mapping[str, Any], setting: str) -> dict[str, Any]:
    """One number of a heat map: sign, text (ours minus printed, points), shade (0 to 3, in margins), words, address."""
    verdict = number["verdict"]
    where = (style.dataset(number["dataset"]), style.norm(number["norm"]).label, style.setting(setting).label)
    words = f"{', '.join(where)}: printed {number['printed']:.1f}"
    if verdict == NOT_RUN:
        return {"verdict": verdict, "sign": SIGNS[verdict], "text": "", "shade": 0, "address": "",
                "words": f"{words}; not run: {number['why']}"}  # fmt: skip
    distance = abs(number["difference"]) / number["margin"]
    spread = "" if number["h"] is None or verdict == "broken as published" else f" ± {half_up(number['h'])}"
    return {
        "verdict": verdict, "sign": SIGNS[verdict], "text": difference(number["mean"], number["printed"]),
        "shade": 0 if verdict == "broken as published" else sum(distance > limit for limit in (0.5, 1, 2)),
        "address": f"{number['study']}/cells/{number['key']}.html",
        "words": f"{words}, ours {half_up(number['mean'])}{spread}, {verdict}",
    }  # fmt: skip


def _margins(numbers: Iterable[Mapping[str, Any]]) -> str:
    """` (1 point, 0.3 on MNIST)`: the most frequent margin, and the data sets that have another; empty if none was
    run."""
    of = {style.dataset(number["dataset"]): number["margin"] for number in numbers if number["verdict"] != NOT_RUN}
    if not of:
        return ""
    values = list(of.values())
    usual = max(values, key=values.count)
    others = [f"{margin:g} on {dataset}" for dataset, margin in of.items() if margin != usual]
    return f" ({', '.join([f'{usual:g} point' + 's' * (usual != 1), *others])})"


def _counted(claims: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {v: sum(claim["verdict"] == v for claim in claims) for v in CLAIM_VERDICTS} if claims else {}


def _unofficial(studies: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    found: dict[str, dict[str, None]] = {}
    for study in studies:
        for said, names in study["unofficial"]:
            found.setdefault(said, {}).update(dict.fromkeys(names))
    return [(said, list(names)) for said, names in found.items()]
