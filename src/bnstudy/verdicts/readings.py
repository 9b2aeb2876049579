"""Which reading of the thesis is closest to its printed numbers, by mean absolute deviation."""

import numpy as np
import pandas as pd
from scipy import special

from bnstudy.verdicts.accuracies import EXACT, SLOT, cell_means, each

COLUMNS = ["reading", "numbers", "seeds", "moved", "nearer", "deviation", "default", "difference", "half_width",
           "verdict"]  # fmt: skip
NUMBER_COLUMNS = [
    *SLOT, "printed", "verdict", "default", "default_n", "default_within", "reading", "own", "n", "within",
]  # fmt: skip
CLOSER, FARTHER, UNDECIDED = "closer", "farther", "undecided"
UNREAD = ("default", "adhoc", "reduced")
"""Values of `reading` that are not alternatives to the default."""

LEVEL = 0.95
"""Probability that all intervals of a table hold together (Bonferroni)."""


def closeness(runs: pd.DataFrame, printed: pd.DataFrame) -> pd.DataFrame:
    """Return COLUMNS, one row per reading other than the default, closest to the printed numbers first.

    runs        SLOT, reading, key, seed, test_accuracy (percent), one row per run
    printed     SLOT, printed (percent)

    A reading is compared on the printed numbers for which both it and the default have a cell. `moved` is its accuracy
    minus the default's, in points. `deviation` and `default` are their mean absolute deviations from the printed
    numbers, and `difference` is the first minus the second: negative is closer. `nearer` counts the numbers for which
    the reading is closer; `seeds` is the lowest number of seeds of its cells. `half_width` is that of the interval
    around the difference, after Welch and Satterthwaite, because variances differ between cells; all intervals of a
    table hold together with probability LEVEL. It is NaN, and the verdict `undecided`, if a cell has one seed.
    """
    both = compared(runs, printed)
    if both.empty:
        return pd.DataFrame(columns=COLUMNS)
    tail = (1 - LEVEL) / (2 * both["reading"].nunique())
    rows = [_row(str(name), group, tail) for name, group in both.groupby("reading", sort=False)]
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("difference", kind="stable", ignore_index=True)


def compared(runs: pd.DataFrame, printed: pd.DataFrame) -> pd.DataFrame:
    """Return a row per reading and printed number for which both it and the default have a cell.

    SLOT, reading, `accuracy` (percent), `off` (mean absolute deviation from the printed number, points), `variance` of
    that deviation over seeds, and `n` seeds; those of the default have the suffix `_default`.
    """
    known = runs.merge(printed[[*SLOT, "printed"]], on=SLOT)
    known = known.assign(off=(known["test_accuracy"] - known["printed"]).abs())
    cells = known.groupby([*SLOT, "reading"], sort=False, observed=True).agg(
        accuracy=("test_accuracy", "mean"), off=("off", "mean"), variance=("off", "var"), n=("off", "size")
    )
    cells = cells.reset_index()
    default = cells[cells["reading"] == "default"].drop(columns="reading")
    return cells[~cells["reading"].isin(UNREAD)].merge(default, on=SLOT, suffixes=("", "_default"))


def by_number(numbers: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return NUMBER_COLUMNS: each printed number under the default and under each other reading.

    numbers   printed numbers with the verdicts of the default reading (see `accuracies.number_verdicts`)
    runs      as for `accuracies.cell_means`

    One row per number and reading, in the order of `numbers`, the closest reading first. `verdict` is the default's;
    `default` and `own` are the means of the default and the reading (percent) over `default_n` and `n` seeds;
    `default_within` and `within` are True if they differ from the printed number by at most the margin. This is no
    test: of many readings one may be close by chance.
    """
    judged = numbers.rename(columns={"mean": "default", "n": "default_n"})
    judged = judged.assign(number=range(len(judged)))[judged["default_n"] > 0]
    means = cell_means(runs[~runs["reading"].isin(UNREAD)]).rename(columns={"mean": "own"})
    both = judged.merge(means[[*SLOT, "reading", "own", "n"]], on=SLOT)
    off, default_off = ((both["printed"] - both[mean]).abs().round(EXACT) for mean in ("own", "default"))
    both = both.assign(within=off <= both["margin"], default_within=default_off <= both["margin"], off=off)
    return both.sort_values(["number", "off"], kind="stable", ignore_index=True)[NUMBER_COLUMNS]


def _row(reading: str, numbers: pd.DataFrame, tail: float) -> dict[str, object]:
    differences = numbers["off"] - numbers["off_default"]
    variances, seeds = numbers[["variance", "variance_default"]].to_numpy(), numbers[["n", "n_default"]].to_numpy()
    difference = float(differences.mean())
    half = _half_width(variances / seeds, seeds - 1, tail) / len(numbers)
    return {
        "reading": reading, "numbers": len(numbers), "seeds": int(numbers["n"].min()),
        "moved": float((numbers["accuracy"] - numbers["accuracy_default"]).mean()),
        "nearer": int((differences < 0).sum()),
        "deviation": float(numbers["off"].mean()), "default": float(numbers["off_default"].mean()),
        "difference": difference, "half_width": half, "verdict": verdict(difference, half),
    }  # fmt: skip


def _half_width(errors: np.ndarray, freedom: np.ndarray, tail: float) -> float:
    """Return the half-width of the interval around a sum of independent means, from their squared standard errors and
    degrees of freedom (Satterthwaite); `tail` is the probability beyond either end."""
    total = errors.sum()
    if np.isnan(total) or not total:  # a mean of one seed; or all seeds agree to the last digit
        return float(total)
    return float(special.stdtrit(total**2 / (errors**2 / freedom).sum(), 1 - tail) * np.sqrt(total))


def verdict(difference: float, half_width: float) -> str:
    """Return closer or farther if the interval excludes zero; undecided if it does not, or if the spread is unknown."""
    if np.isnan(half_width) or abs(difference) <= half_width:
        return UNDECIDED
    return CLOSER if difference < 0 else FARTHER


def conclusion(table: pd.DataFrame) -> str:
    """Summarize `closeness` in a sentence or two."""
    closer = table[table["verdict"] == CLOSER]
    farther = int((table["verdict"] == FARTHER).sum())
    if closer.empty:
        first = table.iloc[0]
        closest = (
            f"No reading is closer to the printed numbers than the default by more than the seeds explain; the "
            f"nearest, {first['reading']}, differs by {signed(first['difference'])} points."
        )
    else:
        names = ", ".join(f"{r.reading} ({signed(r.difference)} ± {r.half_width:.2f} points)" for r in each(closer))
        closest = f"Closer to the printed numbers than the default: {names}."
    return f"{closest} Farther: {farther}. Undecided: {len(table) - len(closer) - farther}."


def signed(value: float) -> str:
    """Format as +0.12, −0.12 or 0.00."""
    return f"{round(value, 2) or 0.0:+.2f}".replace("-", "−").replace("+0.00", "0.00")
