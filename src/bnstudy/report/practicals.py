"""The section `practicals`: the three course reports, each with its table, figure and claims."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from bnstudy import tables
from bnstudy.claims import practicals as claims
from bnstudy.claims.catalogue import Claim
from bnstudy.claims.verdicts import NOT_RUN, ClaimVerdict
from bnstudy.figures import practicals as figures
from bnstudy.frames import Frames
from bnstudy.report.claims import page_row
from bnstudy.report.files import addresses
from bnstudy.tables import practicals
from bnstudy.tables.listing import html


def of_page(
    plan: pd.DataFrame, frames: Frames, margins: Mapping[str, float], folder: Path, formats: Sequence[str]
) -> dict[str, Any]:
    """Write the tables and figures of the reports into `folder` and give what the section shows; empty for a study
    that holds no cell of theirs. Raises WriteError."""
    found = practicals.shown(plan, frames.runs, margins)
    if not found:
        return {}
    tables.write(found, folder / "tables")
    judged = [claim_row(claim, one) for claim, one in claims.judged(frames)]
    drawn = {figure.report: _picture(figure, frames, folder, formats) for figure in figures.REGISTRY.values()}
    reports = [
        {
            "table": _table(one, set(frames.runs["key"])), "picture": drawn[one.report],
            "claims": [claim for claim in judged if claim["section"].startswith(one.report)],
        }
        for one in found
    ]  # fmt: skip
    return {
        "reports": reports, "counts": practicals.total(found), "rows": sum(len(one.content) for one in found),
        "run": sum(int((one.content["n"] > 0).sum()) for one in found), "claims": judged,
        "claim_counts": {v: sum(c["verdict"] == v for c in judged) for v in ("holds", "fails", "undecided", NOT_RUN)},
    }  # fmt: skip


def _table(one: practicals.Listed, listed: set[str]) -> dict[str, Any]:
    return {
        "id": one.id, "stem": one.stem, "state": one.state, "listing": one.listing,
        "html": Markup(html(one.listing, listed)), "files": {e: f"tables/{one.stem}.{e}" for e in tables.FORMATS},
    }  # fmt: skip


def _picture(
    figure: figures.ReportFigure, frames: Frames, folder: Path, formats: Sequence[str]
) -> dict[str, Any] | None:
    """The figure's files and state; None if it has nothing to show yet."""
    state = figures.state(figure, frames)
    if state == NOT_RUN:
        return None
    made = figures.render(figure, frames, folder / "figures", formats)
    return {"figure": figure, "state": state, **addresses(figure.stem, made)}


def claim_row(claim: Claim, found: ClaimVerdict) -> dict[str, Any]:
    """A claim as the section shows it, and as `report.claims.csv` writes it."""
    left = [group for group in claim.places if group not in found.places] if found.places else []
    return page_row(claim, found, claim.published, ", ".join("/".join(group) for group in left))
