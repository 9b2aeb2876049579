"""Tables P.1 to P.3: every row of the three course reports beside our own runs of it, with the rule of table B.1.

Two things differ from B.1, and notes below the tables explain them. A number printed as `about` counts as rounded, and
one measured on few images has a standard error: both widen its margin. A row without a number is described in words, on
the report's side and on ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bnstudy.figures import style
from bnstudy.printed.practicals import Row, homes, placed, pool, rows
from bnstudy.tables import formats, listing
from bnstudy.tables.content import state
from bnstudy.tables.layout import DIVERGED, NOT_RUN, difference, ours
from bnstudy.tables.listing import Line, Listing
from bnstudy.verdicts import accuracies
from bnstudy.verdicts.accuracies import MINUS, half_up

TITLES = {
    "Knigge": "Knigge, practical 1 of the course in fall 2019",
    "Lindt": "Lindt, assignment 1 of the course",
    "Soons": "Soons, practical 1 of the course in 2020",
}
"""report -> title of its table; in the order of P.1 to P.3."""

COLUMNS = (("Row", False), ("System", False), ("Settings", False), ("Reported, %", False), ("Ours, %", True),
           ("Difference", True), ("One run ±", True), ("Verdict, or what ours shows", False))  # fmt: skip
CONTENT = [
    "row", "report", "section", "what", "settings", "printed", "rounded", "words", "key", "mean", "std", "n", "seeds",
    "test_loss", "difference", "pool", "s", "freedom", "h", "margin", "broken_seeds", "diverged", "verdict", "seen",
]  # fmt: skip
BESIDE = {"K2": ("K1", "P01"), "K3a": ("K2", "P03"), "K3b": ("K2", "P04"), "K4": ("K2", "P05"), "K5": ("K2", "P06"),
          "K6": ("K2", "P07")}  # fmt: skip
"""Rows without a number -> the row that the report compares them with, and the claim that judges the comparison."""

UNKNOWN = "not known"
"""Shown if no row of the pool has two seeds."""

SPELLED = {"sgd": "SGD", "adam": "Adam", "relu": "ReLU", "elu": "ELU", "leaky_relu": "leaky ReLU"}


@dataclass(frozen=True)
class Listed:
    """A table of one report."""

    id: str
    report: str
    content: pd.DataFrame
    listing: Listing

    @property
    def stem(self) -> str:
        """File name without ending: p1."""
        return self.id.lower().replace(".", "")

    @property
    def state(self) -> str:
        return state(self.content)

    @property
    def row(self) -> dict[str, str]:
        """As listed by `bnstudy tables`."""
        return {"id": self.id, "state": self.state, "title": self.listing.title}

    def texts(self) -> dict[str, str]:
        """The table in each of `tables.FORMATS`."""
        one = self.listing
        return {"csv": formats.csv(self.content), "md": listing.markdown(one), "tex": listing.latex(one),
                "html": listing.html(one)}  # fmt: skip


def shown(plan: pd.DataFrame, runs: pd.DataFrame, margins: Mapping[str, float] | None = None) -> list[Listed]:
    """The tables of a study with cells `plan` (see `tables.planned`); none if it holds no cell of the reports."""
    if not plan["key"].isin(list(homes())).any():
        return []
    whole = content(plan, runs, margins)
    found = []
    for i, (report, title) in enumerate(TITLES.items(), 1):
        part = whole[whole["report"] == report].reset_index(drop=True)
        found.append(Listed(f"P.{i}", report, part, _listing(f"P.{i}", title, part)))
    return found


def content(plan: pd.DataFrame, runs: pd.DataFrame, margins: Mapping[str, float] | None = None) -> pd.DataFrame:
    """CONTENT for each of the 42 rows. Deviations are pooled by model and `pool`, over all reports. A row without a
    printed number has the verdict "" if it was run, and the description `seen`; `seeds` is how many the study asks for.
    """
    mine = placed(runs[runs["key"].isin(plan["key"])])
    found = accuracies.number_verdicts(mine, _printed(), margins)
    found.loc[found["printed"].isna() & found["n"].gt(0), "verdict"] = ""
    asked = dict(zip(plan["key"], plan["seeds"].map(len), strict=True))
    losses = mine.groupby("key")["test_loss"].mean()
    found = found.assign(
        seeds=found["key"].map(asked).fillna(0).astype(int), test_loss=found["key"].map(losses).astype(float)
    )
    means = dict(zip(found["row"], found["mean"], strict=True))
    return found.assign(seen=[_seen(one, means) for one in accuracies.each(found)])[CONTENT]


def _printed() -> pd.DataFrame:
    """The rows in the form that `accuracies.number_verdicts` takes printed numbers."""
    return pd.DataFrame(
        {
            "row": row.id, "report": row.report, "section": row.section, "what": row.what, "settings": settings(row),
            "printed": np.nan if row.printed is None else row.printed, "rounded": row.rounded,
            "standard_error": row.standard_error, "words": row.words, "key": row.cell.key, "model": row.cell.model,
            "dataset": row.cell.dataset, "norm": row.cell.norm, "setting": homes()[row.cell.key],
            "pool": pool(row.cell),
        }
        for row in rows()
    )  # fmt: skip


def settings(row: Row) -> str:
    """What a row trained; in brackets what is assumed, because its report does not state it."""
    cell, words = row.cell, []

    def add(text: str, *fields: str) -> None:
        words.append(f"[{text}]" if row.assumed.keys() & set(fields) else text)

    if cell.hidden:
        add("hidden " + "-".join(map(str, cell.hidden)), "hidden")
    elif cell.model == "numpy_mlp":
        add("hidden 100", "hidden")
    if cell.norm != "none":
        where = " before each linear layer" if cell.norm_placement == "pre_linear" else ""
        add(style.norm(cell.norm).label + where, "norm")
    if cell.model in ("mlp", "numpy_mlp"):
        add(SPELLED.get(cell.activation, cell.activation), "activation")
    if cell.activation == "leaky_relu":
        add(f"slope {cell.negative_slope:g}", "negative_slope")
    add(SPELLED.get(cell.optimizer, cell.optimizer), "optimizer")
    add(f"rate {cell.lr:f}".rstrip("0"), "lr")
    add(f"batches of {cell.batch_size:,}", "batch_size")
    add(f"{cell.steps:,} steps", "steps")
    if "eval_every" in row.assumed:
        add(f"tested every {cell.eval_every}", "eval_every")
    return ", ".join(words)


def _seen(one: Any, means: Mapping[str, float]) -> str:
    """What our runs show of a row without a printed number: its distance from the row that the report compares it with,
    and the claim that judges the comparison."""
    if not np.isnan(one.printed) or not one.n:
        return ""
    parts = [f"{one.diverged} of {one.n} seeds diverged"] * bool(one.diverged)
    parts += [f"{one.broken_seeds} of {one.n} seeds answer one class"] * bool(one.broken_seeds)
    other, claim = BESIDE[one.row]
    if not np.isnan(means[other]):
        away = one.mean - means[other]
        points = half_up(abs(away))
        side = "above" if away > 0 else "below"
        parts.append(f"level with {other}" if float(points) == 0 else f"{points} points {side} {other}")
    parts.append(f"test loss {one.test_loss:.2f}" if np.isfinite(one.test_loss) else "test loss not finite")
    return f"{', '.join(parts)}; judged by claim {claim}"


def _listing(id: str, title: str, content: pd.DataFrame) -> Listing:
    caption = (
        "Test accuracy in percent of the weights after the last step, on CIFAR10. In parentheses the section of the "
        "report; in brackets settings that it does not give for this row."
    )
    lines = tuple(_line(one) for one in accuracies.each(content))
    return Listing(id, title, caption, COLUMNS, lines, tuple(_notes(content)))


def _line(one: Any) -> Line:
    what = f"{one.what} ({one.section})"
    first = (one.row, what, one.settings, _reported(one))
    if not one.n:
        return Line((*first, NOT_RUN, "", "", "not run"), "not run", key=one.key)
    spread = "" if np.isnan(one.std) else f" ± {one.std:.1f}"
    own = f"{half_up(one.mean)}{spread}" + f" {DIVERGED}" * bool(one.diverged)
    seeds = f"{one.n} of {one.seeds} seeds" if one.n < one.seeds else f"{one.n} seed" + "s" * (one.n > 1)
    if np.isnan(one.printed):
        return Line((*first, own, "", "", one.seen), "", seeds, one.key)
    hint = f"{seeds}, margin {one.margin:.1f}; deviation of a run {UNKNOWN if np.isnan(one.s) else f'{one.s:.1f}'}"
    wide = UNKNOWN if np.isnan(one.h) else half_up(one.h)
    return Line((*first, own, difference(one.mean, one.printed), wide, one.verdict), one.verdict, hint, one.key)


def _reported(one: Any) -> str:
    if np.isnan(one.printed) or one.rounded:
        return one.words
    return f"{one.printed:.1f}" + (f", {one.words}" if one.words else "")


def _notes(content: pd.DataFrame) -> list[str]:
    """How to read the table, and the margins of its numbers."""
    ran = content[content["n"] > 0]
    notes = []
    if len(ran):
        notes.append(f"{ours(ran)} Difference: ours {MINUS} reported.")
        notes.append(ONE_RUN)
    notes.append(_margins(content))
    if diverged := ran[ran["diverged"] > 0]["row"].tolist():
        notes.append(f"{DIVERGED} diverged, the training loss was not finite at some step: {', '.join(diverged)}.")
    if len(ran) < len(content):
        notes.append(f"{NOT_RUN} not run ({len(content) - len(ran)} of {len(content)} rows).")
    return notes


ONE_RUN = (
    "One run ±: of runs like ours 95 % end so near our mean, and the report’s number is one run. It differs only if it "
    "is farther away than this, and is reproduced only if this is at most twice the margin. It follows from the seeds "
    "of all rows with the same model, optimizer and rate, with a norm or without; from one seed each it is not known."
)


def _margins(content: pd.DataFrame) -> str:
    """The margin of the numbers, and the wider ones with their reason."""
    own = dict(zip(content["row"], content["margin"], strict=True))
    plain = min(own.values())
    known = [row for row in rows() if row.id in own and row.printed is not None]
    words = [f"A number counts as reproduced within {plain:.1f} points"]
    about = [row for row in known if row.rounded]
    if about:
        more = f"{plain + about[0].rounded:.1f}"
        words.append(f"within {more} where the report says “about” ({', '.join(row.id for row in about)})")
    for row in known:
        if row.images is not None:
            words.append(
                f"within {own[row.id]:.1f} where it is of {row.images} test images, whose standard error is "
                f"{row.standard_error:.1f} ({row.id})"
            )
    return "; ".join(words) + "."


def total(found: Sequence[Listed]) -> dict[str, int]:
    """How many printed numbers of these tables have each verdict."""
    numbers = pd.concat([one.content for one in found]).dropna(subset=["printed"])
    return {verdict: int((numbers["verdict"] == verdict).sum()) for verdict in accuracies.VERDICTS}
