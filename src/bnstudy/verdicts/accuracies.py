"""The pooled deviation, and the verdict on each printed accuracy. Rules and error rates: docs/verdicts.md."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from bnstudy.errors import UsageError
from bnstudy.printed import is_chance

VERDICTS = ("reproduced", "differs", "undecided", "broken as published", "not run")
SLOT = ["model", "dataset", "norm", "setting"]
LEVEL = 0.95
MINUS = "−"
DEFAULT_MARGIN = 1.0
MARGINS = {"mnist": 0.3}
"""Points of test accuracy within which a number counts as the same; other data sets have DEFAULT_MARGIN."""

TINY = 1e-12  # variance of cells whose seeds agree to the last digit
OUTLYING = 0.01
"""Probability that one of several rows with equal variance is called outlying."""

SPLIT = 0.12
"""Variance between splits into training and validation images, as a share of the variance of one run.

Our cells share one split, the printed ones another. Set as the upper 95 % limit from 36 runs of the MLP on MNIST and
CIFAR10, each with another split; all 69 give an estimate of 0.03 and a limit of 0.30 (docs/calibrate_split.py).
"""

POOL = ["model", "dataset"]
"""Rows with equal values here share one deviation of a run; a column `pool` may divide them further."""

EXACT = 9  # decimals: 49.6 - 48.6 is a margin of 1, not of 1.0000000000000014


def each(frame: pd.DataFrame) -> Iterator[Any]:
    """Return the rows of a frame as named tuples; fields keep the types of their columns."""
    return iter(frame.itertuples(index=False))


def tenths(values: Any) -> Any:
    """Round to 0.1 as the thesis rounds: 11.35 becomes 11.4, although its binary value is slightly lower."""
    return np.round(values + 1e-9, 1)


def pooled_by(frame: pd.DataFrame) -> list[str]:
    """Return the columns by which the deviation of a run is pooled: POOL, and `pool` if the frame has it."""
    return [*POOL, *(["pool"] if "pool" in frame else [])]


def cell_means(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per cell: model, dataset, norm, setting, reading, key, n, mean, std, diverged, broken,
    broken_seeds; and pool, if `runs` has it.

    `runs` has one row per cell and seed: those labels, test_accuracy (percent), outcome, broken. std is over
    the seeds (n - 1), NaN for one. A cell is broken if more than half its seeds are.
    """
    labels = list(dict.fromkeys([*SLOT, "reading", "key", *pooled_by(runs)]))
    if runs.empty:
        return pd.DataFrame(columns=[*labels, "n", "mean", "std", "diverged", "broken_seeds", "broken"])
    frame = runs.assign(_diverged=runs["outcome"].eq("diverged"), _broken=runs["broken"].astype(bool))
    cells = (
        frame.groupby(labels, sort=False, observed=True)
        .agg(
            n=("test_accuracy", "size"),
            mean=("test_accuracy", "mean"),
            std=("test_accuracy", "std"),
            diverged=("_diverged", "sum"),
            broken_seeds=("_broken", "sum"),
        )
        .reset_index()
    )
    return cells.assign(broken=cells["broken_seeds"] * 2 > cells["n"])


def spreads(cells: pd.DataFrame) -> tuple[pd.DataFrame, float, int]:
    """Return (s and freedom of each row of `cell_means`, by its index; pooled s; pooled freedom).

    s, the standard deviation of one run in points, is pooled over the unbroken rows with at least two seeds. Rows that
    are `outlying` are left out and keep their own. The pooled values are (NaN, 0) if there is nothing to pool.
    """
    alive = cells[~cells["broken"].astype(bool) & (cells["n"] > 1)]
    variances, freedoms = alive["std"].to_numpy(dtype=float) ** 2, (alive["n"] - 1).to_numpy(dtype=float)
    apart = outlying(variances, freedoms)
    s, freedom = float(np.sqrt(_pooled(variances[~apart], freedoms[~apart]))), int(freedoms[~apart].sum())
    found = pd.DataFrame({"s": s, "freedom": freedom}, index=cells.index)
    own = alive[apart]
    found.loc[own.index, "s"], found.loc[own.index, "freedom"] = own["std"].astype(float), own["n"] - 1
    return found, s, freedom


def outlying(variances: np.ndarray, freedoms: np.ndarray) -> np.ndarray:
    """Return a mask, (cells,), of the variances that are too large to be pooled with the others.

    Cochran's test, as in ISO 5725-2: compare the largest with the pooled rest by the F distribution, at level OUTLYING
    divided by their number; repeat until the largest is no outlier. Of two, neither can be identified as the outlier.
    """
    apart = np.zeros(len(variances), dtype=bool)
    while (~apart).sum() > 2:
        left = np.flatnonzero(~apart)
        largest = left[variances[left].argmax()]
        rest = left[left != largest]
        ratio = variances[largest] / max(_pooled(variances[rest], freedoms[rest]), TINY)
        if special.fdtrc(freedoms[largest], freedoms[rest].sum(), ratio) >= OUTLYING / len(left):
            break
        apart[largest] = True
    return apart


def _pooled(variances: np.ndarray, freedoms: np.ndarray) -> float:
    return float((freedoms * variances).sum() / freedoms.sum()) if freedoms.sum() else float("nan")


def half_width(s: float, freedom: int, n: int, error: float = 0.0, split: float = SPLIT) -> float:
    """Return the half-width of the interval that holds one more run with probability LEVEL, given the mean of n runs.

    error   known standard error of that run's number itself, for instance because few images were tested
    split   variance between splits as a share of s²; that run has another split than the n, hence twice; 0 for the same
    NaN without freedom or runs.
    """
    if not freedom or not n:
        return float("nan")
    tail = (1 + LEVEL) / 2
    return float(
        np.hypot(special.stdtrit(freedom, tail) * s * np.sqrt(1 + 1 / n + 2 * split), special.ndtri(tail) * error)
    )


def probability(difference: float, h: float, freedom: int) -> float:
    """Return the probability that one more run differs from our mean by at least this much, if the replication is
    faithful; 1 - LEVEL at h, from its `half_width`. NaN without freedom."""
    if not freedom or np.isnan(h):
        return float("nan")
    if h == 0:
        return 1.0 if round(difference, EXACT) == 0 else 0.0
    return float(2 * special.stdtr(freedom, -abs(difference) / h * special.stdtrit(freedom, (1 + LEVEL) / 2)))


def number_verdict(difference: float, h: float, margin: float, ours_broken: bool, theirs_broken: bool) -> str:
    """Return the verdict on one number that was run; h is NaN if the spread is unknown."""
    if ours_broken and theirs_broken:
        return "broken as published"
    if ours_broken != theirs_broken:
        return "differs"
    if np.isnan(h):
        return "undecided"
    distance = round(abs(difference), EXACT)
    if distance > max(margin, round(h, EXACT)):
        return "differs"
    return "reproduced" if distance <= margin and h <= 2 * margin else "undecided"


def number_verdicts(
    runs: pd.DataFrame,
    printed: pd.DataFrame,
    margins: Mapping[str, float] | None = None,
    reading: str = "default",
) -> pd.DataFrame:
    """Return one row per printed number, in the order of `printed`.

    runs       as for `cell_means`; only rows of `reading` count, and of settings and norms in `printed`, so that s does
               not depend on what else a study contains
    printed    model, dataset, norm, setting, printed (percent), e.g. `bnstudy.printed.accuracy()`; may have
               rounded (rounding error of the printed number, points) and standard_error (points, from testing few
               images): both widen the margin, the second also h; and pool, which `runs` then must have too
    margins    points per data set, instead of MARGINS; `default` (if missing, DEFAULT_MARGIN) for all others

    Adds: mean, n, std (over the seeds of the cell), s (see `spreads`; over the cells of the model, data set and pool)
    with its freedom, h (95 % half-width for one more run), difference (mean - printed), p (see `probability`; NaN if
    either is broken), margin, broken, broken_seeds,
    diverged, printed_broken, verdict. If every cell that shares an s has one seed, all of them are undecided.
    Rows with a `pool` are of reports without validation images: no split widens their h.
    Raises UsageError if two cells match one number (for instance, cells of two recipes).
    """
    margins = {"default": DEFAULT_MARGIN, **(MARGINS if margins is None else margins)}
    cells = cell_means(runs[runs["reading"] == reading])
    rows, columns = [], pooled_by(printed)
    for alike, group in printed.groupby(columns, sort=False):
        asked = cells["setting"].isin(group["setting"]) & cells["norm"].isin(group["norm"])
        here = cells[(cells[columns] == list(alike)).all(axis=1) & asked]
        rows += _pool_verdicts(group, here, margins.get(str(alike[1]), margins["default"]))
    found = pd.DataFrame(rows).set_index("at") if rows else pd.DataFrame()
    return printed.join(found)


def _pool_verdicts(printed: pd.DataFrame, cells: pd.DataFrame, margin: float) -> list[dict[str, Any]]:
    """Return a row for each of these printed numbers, whose cells share one deviation s."""
    each_cell, pooled, freedom = spreads(cells)
    single = bool((cells["n"] <= 1).all())
    own = cells.join(each_cell).set_index(["norm", "setting"])
    if not own.index.is_unique:
        twice = cells[cells.duplicated(["norm", "setting"], keep=False)]["key"].tolist()
        raise UsageError(f"cells {', '.join(twice)}: match the same table entry", "Select one with --where key=...")
    rows = []
    for at, number in printed.iterrows():
        error = float(number.get("standard_error", 0.0))
        slot = (number["norm"], number["setting"])
        cell = own.loc[slot] if slot in own.index else None
        s, free = (pooled, freedom) if cell is None else (float(cell["s"]), int(cell["freedom"]))
        row = {
            "at": at, "s": s, "freedom": free, "margin": margin + float(number.get("rounded", 0.0)) + error,
            "printed_broken": is_chance(number["printed"], number["dataset"]),
        }  # fmt: skip
        width = partial(half_width, s, free, error=error, split=0.0 if "pool" in printed else SPLIT)
        rows.append(row | _verdict(number["printed"], cell, row, width, single))
    return rows


def _verdict(
    printed: float, cell: pd.Series | None, row: dict, width: Callable[..., float], single: bool
) -> dict[str, Any]:
    """Return the columns of one number that depend on its own cell (None: not run); `width` gives h for n seeds."""
    if cell is None:
        empty = dict.fromkeys(("mean", "std", "h", "difference", "p"), float("nan"))
        return empty | {"n": 0, "broken": False, "broken_seeds": 0, "diverged": 0, "verdict": "not run"}
    n, mean = int(cell["n"]), float(cell["mean"])
    h, difference = width(n), mean - printed
    verdict = number_verdict(difference, h, row["margin"], bool(cell["broken"]), bool(row["printed_broken"]))
    return {
        "mean": mean, "n": n, "std": float(cell["std"]), "h": h, "difference": difference,
        "p": float("nan") if single or cell["broken"] or row["printed_broken"]
        else probability(difference, h, row["freedom"]),
        "broken": bool(cell["broken"]), "broken_seeds": int(cell["broken_seeds"]), "diverged": int(cell["diverged"]),
        "verdict": "undecided" if single else verdict,
    }  # fmt: skip


def counts(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Count the verdicts: one row per model and data set, one column per verdict."""
    table = pd.crosstab([verdicts["model"], verdicts["dataset"]], verdicts["verdict"])
    order = list(dict.fromkeys(zip(verdicts["model"], verdicts["dataset"], strict=True)))
    return table.reindex(
        index=pd.MultiIndex.from_tuples(order, names=["model", "dataset"]), columns=list(VERDICTS), fill_value=0
    )


def half_up(value: float) -> str:
    """One decimal, rounded as by `tenths`."""
    return f"{tenths(value):.1f}"


def signed(value: float) -> str:
    """+0.3, −0.1 or 0.0, rounded as by `tenths`."""
    text = f"{tenths(value):+.1f}".replace("-", MINUS)
    return "0.0" if text[1:] == "0.0" else text
