"""The section `practicals`: the three course reports, each with its table, figure and claims."""

from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup

from bnstudy import tables
from bnstudy.claims import practicals as claims
from bnstudy.claims.catalogue import Claim
from bnstudy.claims.verdicts import FAILS, HOLDS, NOT_RUN, ClaimVerdict
from bnstudy.report.answer import counted, sentence
from bnstudy.report.claims import page_row
from bnstudy.report.findings import Findings
from bnstudy.tables import practicals
from bnstudy.tables.listing import html


def of_page(found: Findings, pictures: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the section shows; empty for a study that holds no cell of the reports. `pictures`: its drawn figures."""
    shown = found.course_tables
    if not shown:
        return {}
    judged = [claim_row(claim, one) for claim, one in claims.judged(found.frames)]
    drawn = {(picture["figure"].kind, picture["figure"].report): picture for picture in pictures}
    reports = [
        {
            "table": _table(one, set(found.frames.runs["key"])), "picture": drawn["practicals", one.report],
            "curves": drawn["course_curves", one.report],
            "claims": [claim for claim in judged if claim["section"].startswith(one.report)],
        }
        for one in shown
    ]  # fmt: skip
    return {
        "reports": reports, "counts": practicals.total(shown), "rows": sum(len(one.content) for one in shown),
        "asked": sum(int((one.content["seeds"] > 0).sum()) for one in shown),
        "run": sum(int((one.content["n"] > 0).sum()) for one in shown), "claims": judged,
        "claim_counts": {v: sum(c["verdict"] == v for c in judged) for v in ("holds", "fails", "undecided", NOT_RUN)},
    }  # fmt: skip


def sentences(shown: Mapping[str, Any]) -> list[str]:
    """The results, from the values of `of_page`; of a study that holds few of the reports' rows, each claim that it
    judges."""
    counts, judged = shown["counts"], [claim for claim in shown["claims"] if claim["verdict"] != NOT_RUN]
    if 2 * shown["asked"] < shown["rows"]:
        return [sentence(f"{c['section']}: {c['title'].rstrip('.')}: {verb(c['verdict'])}") for c in judged]
    return [
        f"{shown['run']} of {shown['rows']} rows of three student reports have been run. Of their "
        f"{sum(counts.values())} printed test accuracies {counted(counts)}. Of their {len(shown['claims'])} claims "
        f"{counted(shown['claim_counts'])}."
    ]


def verb(verdict: str) -> str:
    """`this holds`, `this is undecided`."""
    return f"this {'' if verdict in (HOLDS, FAILS) else 'is '}{verdict}"


def _table(one: practicals.Listed, listed: set[str]) -> dict[str, Any]:
    return {
        "id": one.id, "stem": one.stem, "state": one.state, "listing": one.listing,
        "html": Markup(html(one.listing, listed)), "files": {e: f"tables/{one.stem}.{e}" for e in tables.FORMATS},
    }  # fmt: skip


def claim_row(claim: Claim, found: ClaimVerdict) -> dict[str, Any]:
    """A claim as the section shows it, and as `report.claims.csv` writes it."""
    left = [group for group in claim.places if group not in found.places] if found.places else []
    return page_row(claim, found, claim.printed, ", ".join("/".join(group) for group in left))
