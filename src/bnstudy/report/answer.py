"""The answer of a study, in plain sentences with their uncertainty: the first words of its page and of the front page.

Every number is computed from the values that the rest of the page shows.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from bnstudy.claims.verdicts import FAILS, HOLDS, NOT_RUN, OTHER_HARDWARE, UNDECIDED

REMARKS = {"reduced": ", smaller than the thesis’s and trained on fewer images,"}
"""Readings whose gains are put into words beside the default's, each with what its networks are."""


def of_gains(pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence per model and protocol: where only batch norm learns, and what it gains where both learn.

    pairs   see `run_lists.pairs`; of a model that was run by the full protocol no other counts
    """
    full = {row["model"] for row in pairs if not row["reading"]}
    rows = [row for row in pairs if not row["reading"] or (row["reading"] in REMARKS and row["model"] not in full)]
    groups = groupby(rows, lambda row: (row["model"], REMARKS.get(row["reading"], "")))
    return [_gain(model, remark, list(part)) for (model, remark), part in groups]


def _gain(model: str, remark: str, rows: Sequence[Mapping[str, Any]]) -> str:
    parts = [f"needs batch norm to learn at all with {where}" for where in _where(rows, "only_batch")]
    parts += [f"learns only without batch norm with {where}" for where in _where(rows, "only_none")]
    learn = [row for row in rows if row["learn"]]
    if learn:
        gains = listed(f"{row['gain']} {row['interval']}".strip() for row in learn)
        sure = " (mean over settings, 95 % interval)" if any(row["interval"] for row in learn) else ""
        where = f"points of test accuracy on {listed(row['dataset'] for row in learn)}{sure}"
        parts.append(f"{'where both learn' if parts else 'learns with and without'}, batch norm adds {gains} {where}")
    return sentence(f"the {model}{remark} {'; '.join(parts) or 'learns in no setting'}")


def _where(rows: Sequence[Mapping[str, Any]], which: str) -> list[str]:
    """`settings (data sets)` of a column of settings; data sets with the same settings together."""
    found: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if row[which]:
            found.setdefault(tuple(row[which]), []).append(row["dataset"])
    return [f"{listed(settings)} (on {listed(datasets)})" for settings, datasets in found.items()]


def of_verdicts(
    counts: Mapping[str, int], after_holm: int, claims: Mapping[str, int], where: str = "of the thesis"
) -> list[str]:
    """A sentence on how many printed numbers and claims come out.

    counts      of the verdicts on numbers
    after_holm  how many differ after Holm's correction
    claims      counts of the verdicts on claims; empty if none was judged
    where       of which printed accuracies `counts` are
    """
    run, judged = (sum(n for v, n in of.items() if v != NOT_RUN) for of in (counts, claims))
    parts = []
    if run:
        left = f" ({after_holm} still do after correction for the number of tests)" if counts["differs"] else ""
        found = [
            f"{_verb(counts['reproduced'], 'come')} out again",
            f"{_are(counts['broken as published'])} of networks that answer one class there and here",
            f"{_verb(counts['differs'], 'differ')}{left}",
            f"{_are(counts['undecided'])} undecided",
        ]
        parts.append(f"of {sum(counts.values())} printed accuracies {where} {run} were run: {listed(found)}")
    if judged:
        found = [_verb(claims[HOLDS], "hold"), _verb(claims[FAILS], "fail"), f"{_are(claims[UNDECIDED])} undecided"]
        if claims[OTHER_HARDWARE]:
            found.append(f"{_verb(claims[OTHER_HARDWARE], 'concern')} seconds on the thesis’s GPU")
        parts.append(f"of {sum(claims.values())} claims of the thesis {judged} were judged: {listed(found)}")
    return [sentence("; ".join(parts))] if parts else []


def of_remarks(verdicts: Iterable[str]) -> list[str]:
    """A sentence on side remarks with these verdicts."""
    of = Counter(verdicts)
    found = [_verb(of[HOLDS], "hold"), _verb(of[FAILS], "fail"), f"{_are(of[UNDECIDED])} undecided"]
    other = f"; {_verb(of[OTHER_HARDWARE], 'concern')} seconds on the thesis’s GPU" if of[OTHER_HARDWARE] else ""
    return [f"Of {of.total()} side remarks that were judged, {listed(found)}{other}."]


def of_untested(numbers: int, claims: int, why: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """A sentence on what is not known. `why`: (reason, what was not run for it)."""
    what = [f"{n} {word}" for n, word in ((numbers, "printed accuracies"), (claims, "claims")) if n]
    reasons = "; ".join(f"{listed(places)}: {reason}" for reason, places in why)
    return [f"Not tested: {listed(what)}{f' ({reasons})' if reasons else ''}."] if what else []


def sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _verb(n: int, plural: str) -> str:
    return f"{n} {plural}{'s' if n == 1 else ''}"


def _are(n: int) -> str:
    return f"{n} {'is' if n == 1 else 'are'}"


def listed(words: Iterable[str]) -> str:
    """`a`, `a and b`, or `a, b and c`."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
