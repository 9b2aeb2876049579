"""The claims as rows, for `bnstudy claims --json` and the report."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bnstudy.claims.catalogue import PER_SEED, Claim
from bnstudy.claims.measured import Measured
from bnstudy.claims.thesis import registry
from bnstudy.claims.verdicts import (
    ENOUGH_SEEDS,
    NOT_RUN,
    OTHER_HARDWARE,
    SURE,
    UNDECIDED,
    ClaimVerdict,
    PartVerdict,
    decide,
    printed_support,
    verdict,
)
from bnstudy.design.labels import NORMS, THESIS_DATASETS
from bnstudy.figures import style
from bnstudy.results.frames import Frames
from bnstudy.verdicts.accuracies import tenths

SHOWN = 8
"""Most numbers in an evidence text; all of them are in the evidence's `parts`."""


def rows(
    frames: Frames | None = None, timings: pd.DataFrame | None = None, reading: str = "default"
) -> list[dict[str, Any]]:
    """Return one JSON-ready row per claim: id, priority, section, kind, title, state, verdict, printed, evidence and
    figures.

    frames    frames of a study; None: only claims that need no training are judged
    timings   `timing.TIMING_COLUMNS`; None: not timed
    reading   which cells are judged (see `reading_of`)
    `state` is complete, partial (some data set, seed or part is missing) or not run; `verdict` holds, fails, undecided,
    other hardware or not run; `printed`, whether tables B.1 to B.4 support it: yes, no, not in tables. `evidence` has
    `text`, `places` (judged model and data set pairs), `datasets_present` and `parts` (kind, check, verdict, true_in,
    alone, numbers).
    """
    return [row(claim, found, printed_support(claim)) for claim, found in judged(measure(frames, timings, reading))]


def reading_of(plan: pd.DataFrame) -> str:
    """Return the reading that claims are judged on in a study (see `tables.planned`): `reduced` if it has reduced cells
    but none of the full protocol, else `default`."""
    known = set(plan.loc[plan["dataset"].isin(THESIS_DATASETS), "reading"])
    return "reduced" if "reduced" in known and "default" not in known else "default"


def measure(frames: Frames | None, timings: pd.DataFrame | None = None, reading: str = "default") -> Measured | None:
    """Prepare these frames for the predicates; None if they hold neither runs nor timings."""
    untimed = timings is None or timings.empty
    return None if frames is None or (frames.runs.empty and untimed) else Measured(frames, timings, reading)


def judged(measured: Measured | None) -> list[tuple[Claim, ClaimVerdict]]:
    """Return every claim with its verdict, in the order of the catalogue."""
    return [(claim, verdict(claim, measured)) for claim in registry().values()]


def row(claim: Claim, found: ClaimVerdict, printed: str) -> dict[str, Any]:
    """Return a claim with its verdict as a row of `rows`; `printed`: whether the printed numbers support it."""
    return {
        "id": claim.id,
        "priority": claim.priority,
        "section": claim.section,
        "kind": claim.kind,
        "title": claim.title,
        "state": found.state,
        "verdict": found.verdict,
        "printed": printed,
        "evidence": evidence(found),
        "figures": list(claim.figures),
    }


def evidence(found: ClaimVerdict) -> dict[str, Any]:
    """Return the evidence of a verdict as plain values: a text, and every number that was read."""
    return {
        "text": "; ".join(_sentence(part) for part in found.parts),
        "places": [" ".join(place) for place in found.places],
        "datasets_present": list(dict.fromkeys(dataset for *_, dataset in found.places)),
        "parts": [
            {
                "kind": part.kind,
                "check": part.check,
                "verdict": part.verdict,
                "places": [" ".join(place) for place in part.places],
                "true_in": dict(part.true_in),
                "alone": {" ".join(place): share for place, share in part.alone.items()},
                "numbers": {_label(at): _plain(value) for at, value in part.numbers.items()},
            }
            for part in found.parts
        ],
    }


def _sentence(part: PartVerdict) -> str:
    if part.verdict == NOT_RUN:
        return f"{part.kind}: not run"
    texts = numbers(part)
    shown = ", ".join(texts) if len(texts) <= SHOWN else f"{len(part.numbers)} numbers"
    return f"{part.kind}: {true_in(part)}{' (' + shown + ')' if shown else ''}"


def true_in(part: PartVerdict) -> str:
    """Format in how many redraws, or for how many seeds, the predicate is true."""
    if part.verdict == NOT_RUN:
        return ""
    if "redraws" in part.true_in:
        share = part.true_in["redraws"]
        if part.verdict == OTHER_HARDWARE:
            return f"{'true' if share > 0.5 else 'false'} of our seconds, on other hardware"
        if part.verdict != decide(share):
            return f"{'true' if share > 0.5 else 'false'} of these runs, whose spread is not known"
        return f"true in {100 * share:.1f} % of redraws{_decided_by(part)}"
    if part.kind in PER_SEED:
        true, asked = sum(part.true_in.values()), len(part.true_in)
        against = ", but false where fewer seeds are" if part.verdict == UNDECIDED and true == asked else ""
        if part.verdict == OTHER_HARDWARE:
            return f"true for {true} of {asked} seeds with our seconds, on other hardware"
        few = ", too few to decide" if asked < ENOUGH_SEEDS else against
        return f"true for {true} of {asked} seeds{few}"
    return part.verdict


def _decided_by(part: PartVerdict) -> str:
    if part.weakest is None or part.weakest[1] >= SURE:
        return ""
    place, share = part.weakest
    model, dataset = place
    return f", on {style.model(model)}, {style.dataset(dataset)} alone in {100 * share:.1f} %"


def numbers(part: PartVerdict) -> list[str]:
    """Format the numbers; accuracies and times pair vanilla with batch norm if they are given by norm."""
    if "redraws" not in part.true_in or all(len(at) == 1 for at in part.numbers):
        never = {at: "never" if str(at[0]).startswith("epochs") else "inf" for at in part.numbers}
        return [f"{_label(at)} {number(value, never[at])}" for at, value in part.numbers.items()]
    pairs: dict[tuple[Any, ...], dict[str, str]] = {}
    for (*cell, norm), value in part.numbers.items():
        pairs.setdefault(tuple(cell), {})[norm] = number(value)
    return [f"{_label(cell)} {_pair(norms)}" for cell, norms in pairs.items()]


def _pair(norms: Mapping[str, str]) -> str:
    return (
        " / ".join(norms[n] for n in NORMS)
        if len(norms) == len(NORMS)
        else " ".join(f"{n} {v}" for n, v in norms.items())
    )


def _label(at: Iterable[Any]) -> str:
    return " ".join(str(word).replace("_", " ") if i == 0 else str(word) for i, word in enumerate(at))


def number(value: Any, infinite: str = "inf") -> str:
    """Format a number, or one per seed with spaces between, – for a seed whose number was not read. `infinite`: the
    word for infinity."""
    return " ".join("–" if v is None else _number(v, infinite) for v in np.ravel(value))


def _number(value: float, infinite: str) -> str:
    if np.isinf(value):
        return infinite if value > 0 else "-inf"
    return f"{tenths(value):.1f}" if 10 <= abs(value) < 1000 else f"{value:.3g}"


def _plain(value: Any) -> Any:
    """Return a number or list that JSON can represent: values that are not finite become text."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if value is None:
        return None
    return float(value) if np.isfinite(value) else str(value)
