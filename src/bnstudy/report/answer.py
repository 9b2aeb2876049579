"""The answer of a study, in plain sentences with their uncertainty: the first words of its page and of the front page.

Every number is computed from the values that the rest of the page shows.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from bnstudy.claims.verdicts import FAILS, HOLDS, NOT_RUN, OTHER_HARDWARE, UNDECIDED
from bnstudy.design.fields import FIELDS
from bnstudy.figures import style

REMARKS = {"reduced": ", smaller than the thesis’s and trained on fewer images,"}
"""Readings whose gains are put into words beside the default's, each with what its networks are."""


def of_gains(pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence per model, norm and protocol: where only the norm learns, and what it gains where both learn.

    pairs   see `run_lists.pairs`; of a model that was run by the full protocol no other counts
    """
    full = {row["model"] for row in pairs if not row["reading"]}
    rows = [row for row in pairs if not row["reading"] or (row["reading"] in REMARKS and row["model"] not in full)]
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["model"], row["norm"], REMARKS.get(row["reading"], "")), []).append(row)
    return [_gain(model, norm, remark, part) for (model, norm, remark), part in groups.items()]


def _gain(model: str, norm: str, remark: str, rows: Sequence[Mapping[str, Any]]) -> str:
    parts = [f"learns with {norm} but not without it given {where}" for where in _where(rows, "only_normed")]
    parts += [f"learns without {norm} but not with it given {where}" for where in _where(rows, "only_none")]
    learn = [row for row in rows if row["learn"] and not row["blind"]]
    if learn:
        gains = listed(f"{row['gain']} {row['interval']}".strip() + f" on {row['dataset']}" for row in learn)
        sure = (
            f"mean over settings of {_seeds(learn)} each, 95 % interval"
            if any(row["interval"] for row in learn)
            else "one seed, so no interval"
        )
        both = f"where both learn, {norm}" if parts else f"learns with and without {norm}, which"
        parts.append(f"{both} changes test accuracy by {gains} (points; {sure})")
        if unsure := [row["dataset"] for row in learn if row["unsure"]]:
            parts.append(f"so no gain is shown on {listed(unsure)}")
    if blind := [row["dataset"] for row in rows if row["learn"] and row["blind"]]:
        if not parts:
            parts.append(f"learns with and without {norm}")
        parts.append(f"the gain on {listed(blind)} cannot be told from so few seeds, which differ too much")
    return sentence(f"the {model}{remark} {'; '.join(parts) or 'learns in no setting'}")


def _seeds(rows: Sequence[Mapping[str, Any]]) -> str:
    """`3 seeds`, or `2 to 3 seeds`, of a cell of these rows."""
    low, high = min(row["fewest"] for row in rows), max(row["most"] for row in rows)
    return f"{high} seeds" if low == high else f"{low} to {high} seeds"


def _where(rows: Sequence[Mapping[str, Any]], which: str) -> list[str]:
    """`settings (data sets)` of a column of settings; data sets with the same settings together."""
    found: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if row[which]:
            found.setdefault(tuple(row[which]), []).append(row["dataset"])
    return [f"{listed(settings, 'or')} (on {listed(datasets)})" for settings, datasets in found.items()]


def of_verdicts(
    counts: Mapping[str, int], after_holm: int, claims: Mapping[str, int], where: str = "of the thesis"
) -> list[str]:
    """A sentence on how many printed numbers and claims have which verdict.

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
            f"{_are(counts['reproduced'])} reproduced",
            f"{_are(counts['broken as published'])} of networks that learn nothing, in the thesis and here",
            f"{_verb(counts['differs'], 'differ')}{left}",
            f"{_are(counts['undecided'])} undecided",
        ]
        parts.append(f"of {sum(counts.values())} printed accuracies {where} {run} were run: {listed(found)}")
    if judged:
        found = [_verb(claims[HOLDS], "hold"), _verb(claims[FAILS], "fail"), f"{_are(claims[UNDECIDED])} undecided"]
        if claims[OTHER_HARDWARE]:
            found.append(
                f"{_are(claims[OTHER_HARDWARE])} about seconds on the thesis’s GPU, which other hardware cannot decide"
            )
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
    reasons = "; ".join(f"{listed(places)}: {reason}" for reason, places in why)
    of_numbers = f"{numbers} printed accuracies" + (f" ({reasons})" if reasons else "")
    what = [text for n, text in ((numbers, of_numbers), (claims, f"{claims} claims")) if n]
    return [f"Not tested: {listed(what)}."] if what else []


def of_one_field(plan: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    """A sentence on test accuracy by the one field, besides the norm, in which the cells of a study differ; none if
    they differ in several, or if it is not a number.

    plan, runs   see `tables.planned` and the frame `runs`
    """
    if plan.empty:  # a study of times trains nothing, and its plan has no fields
        return []
    varied = [field for field in FIELDS if field != "norm" and plan[field].nunique(dropna=False) > 1]
    if len(varied) != 1 or not pd.api.types.is_numeric_dtype(plan[varied[0]]):
        return []
    (field,) = varied
    means = runs.groupby(["norm", field])["test_accuracy"].mean()
    run = [norm for norm in dict.fromkeys(plan["norm"]) if norm in means]
    values = means.index.unique(field)
    if len(values) < 2:
        only = f", all with {field.replace('_', ' ')} {values[0]:g}" if len(values) else ""
        return [f"No answer yet: {len(means)} of {len(plan)} networks have been run{only}."]
    parts = [
        f"with {style.norm(norm).label} {listed(f'{v:.1f}' for v in means[norm])} % "
        f"({field.replace('_', ' ')} {listed(f'{at:g}' for at in means[norm].index)})"
        for norm in run
    ]  # fmt: skip
    return [sentence(f"test accuracy is {listed(parts)}")]


def titled(study: str) -> str:
    """The name of a study as a title: `reduced_cnn` is `Reduced CNN`."""
    words = [style.model(word) for word in study.split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def counted(counts: Mapping[str, int]) -> str:
    """`10 hold, 1 fails and 4 are undecided` of how many have each verdict; verdicts of none are left out."""
    return listed(
        _verb(n, verdict.removesuffix("s")) if verdict in (HOLDS, FAILS, "differs")
        else f"{_are(n)} {'on ' if verdict == OTHER_HARDWARE else ''}{verdict}"
        for verdict, n in counts.items() if n
    )  # fmt: skip


def sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _verb(n: int, plural: str) -> str:
    return f"{n} {plural}{'s' if n == 1 else ''}"


def _are(n: int) -> str:
    return f"{n} {'is' if n == 1 else 'are'}"


def listed(words: Iterable[str], joined: str = "and") -> str:
    """`a`, `a and b`, or `a, b and c`; `joined` may be `or`."""
    *most, last = words
    return f"{', '.join(most)} {joined} {last}" if most else last
