"""Which reading of the thesis comes closest to its printed numbers: differences of mean absolute deviation, paired by
seed.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from bnstudy.stats import EXACT, SLOT, cell_means, each, number_verdicts

COLUMNS = ["reading", "numbers", "seeds", "moved", "deviation", "default", "difference", "half_width", "verdict"]
NUMBER_COLUMNS = [
    *SLOT, "published", "verdict", "default", "default_n", "default_within", "reading", "own", "n", "within",
]  # fmt: skip
CLOSER, FARTHER, UNDECIDED = "closer", "farther", "undecided"
UNREAD = ("default", "adhoc", "reduced")
"""What cells may have in place of a reading beside the default."""

LEVEL = 0.95
"""Probability that all intervals of a table hold together (Bonferroni)."""


def closeness(runs: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """COLUMNS, one row per reading beside the default, nearest to the printed numbers first.

    runs        SLOT, reading, key, seed, test_accuracy (percent), one row per run
    published   SLOT, published (percent)
    A reading is compared on the printed numbers for which it has a cell of its own and the default has one too, with
    the seeds that both have: `moved` is its accuracy less the default's, in points, `deviation` and `default` are
    their mean absolute deviations from the printed numbers, and `difference` is the first of these less the second, so
    that below zero is closer. `half_width` is of the interval around it; all of a table's hold together with
    probability LEVEL. The deviation of a difference of one number is pooled over all readings of the same model and
    data set; NaN, and `undecided`, where no number has two seeds.
    """
    pairs = paired(runs, published)
    if pairs.empty:
        return pd.DataFrame(columns=COLUMNS)
    spread, freedom = _spread(pairs)
    count = pairs["reading"].nunique()
    factor = float(stats.t.ppf(1 - (1 - LEVEL) / (2 * count), freedom)) if freedom else float("nan")
    rows = [_row(str(name), group, spread, factor) for name, group in pairs.groupby("reading", sort=False)]
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("difference", kind="stable", ignore_index=True)


def paired(runs: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """A row per reading, printed number and seed: SLOT, reading, seed, moved (its accuracy less the default's, points),
    own and default (absolute deviations from the printed number), difference (own - default)."""
    known = runs.merge(published[[*SLOT, "published"]], on=SLOT)
    known = known.assign(own=(known["test_accuracy"] - known["published"]).abs())
    columns = [*SLOT, "seed", "own", "test_accuracy"]
    default = known.loc[known["reading"] == "default", columns]
    default = default.rename(columns={"own": "default", "test_accuracy": "accuracy"})
    others = known.loc[~known["reading"].isin(UNREAD), [*columns, "reading"]]
    pairs = others.merge(default, on=[*SLOT, "seed"])
    return pairs.assign(moved=pairs["test_accuracy"] - pairs["accuracy"], difference=pairs["own"] - pairs["default"])


def by_number(runs: pd.DataFrame, published: pd.DataFrame, margins: Mapping[str, float] | None = None) -> pd.DataFrame:
    """NUMBER_COLUMNS: what each printed number is under the default and under each reading beside it.

    runs, published, margins   as for `stats.number_verdicts`
    One row per number and reading, numbers in the order of `published`, the nearest reading first: `verdict` is the
    default's, `default` and `own` are the means of either (percent) over `default_n` and `n` seeds, `default_within`
    and `within` say whether they are no farther from the printed number than the margin. Nothing is tested here: of
    many readings one may come near by chance.
    """
    judged = number_verdicts(runs, published, margins).rename(columns={"mean": "default", "n": "default_n"})
    judged = judged.assign(number=range(len(judged)))[judged["default_n"] > 0]
    means = cell_means(runs[~runs["reading"].isin(UNREAD)]).rename(columns={"mean": "own"})
    both = judged.merge(means[[*SLOT, "reading", "own", "n"]], on=SLOT)
    off, default_off = ((both["published"] - both[mean]).abs().round(EXACT) for mean in ("own", "default"))
    both = both.assign(within=off <= both["margin"], default_within=default_off <= both["margin"], off=off)
    return both.sort_values(["number", "off"], kind="stable", ignore_index=True)[NUMBER_COLUMNS]


def _spread(pairs: pd.DataFrame) -> tuple[pd.Series, int]:
    """(variance of one number's difference by model and data set, degrees of freedom of all together)."""
    groups = pairs.groupby([*SLOT, "reading"], observed=True)["difference"]
    cells = groups.agg(n="size", variance="var").reset_index()
    cells = cells[cells["n"] > 1].assign(freedom=lambda c: c["n"] - 1)
    cells = cells.assign(weighted=cells["variance"] * cells["freedom"])
    sums = cells.groupby(["model", "dataset"])[["weighted", "freedom"]].sum()
    return sums["weighted"] / sums["freedom"], int(cells["freedom"].sum())


def _row(reading: str, group: pd.DataFrame, spread: pd.Series, factor: float) -> dict[str, object]:
    numbers = group.groupby(SLOT, observed=True).agg(
        own=("own", "mean"), default=("default", "mean"), difference=("difference", "mean"), n=("seed", "size"),
        moved=("moved", "mean"),
    )  # fmt: skip
    numbers = numbers.reset_index()
    variances = [spread.get((r.model, r.dataset), np.nan) / r.n for r in each(numbers)]
    half = factor * float(np.sqrt(np.sum(variances))) / len(numbers)
    difference = float(numbers["difference"].mean())
    return {
        "reading": reading, "numbers": len(numbers), "seeds": int(numbers["n"].min()),
        "moved": float(numbers["moved"].mean()),
        "deviation": float(numbers["own"].mean()), "default": float(numbers["default"].mean()),
        "difference": difference, "half_width": half, "verdict": verdict(difference, half),
    }  # fmt: skip


def verdict(difference: float, half_width: float) -> str:
    """closer or farther where the interval excludes zero; undecided otherwise, and where no spread is known."""
    if np.isnan(half_width) or abs(difference) <= half_width:
        return UNDECIDED
    return CLOSER if difference < 0 else FARTHER


def conclusion(table: pd.DataFrame) -> str:
    """What `closeness` says, in a sentence or two."""
    closer = table[table["verdict"] == CLOSER]
    farther = int((table["verdict"] == FARTHER).sum())
    if closer.empty:
        first = table.iloc[0]
        told = (
            f"No reading is closer to the printed numbers than the default by more than the seeds explain; the "
            f"nearest, {first['reading']}, differs by {signed(first['difference'])} points."
        )
    else:
        names = ", ".join(f"{r.reading} ({signed(r.difference)} ± {r.half_width:.2f} points)" for r in each(closer))
        told = f"Closer to the printed numbers than the default: {names}."
    return f"{told} Farther: {farther}. Undecided: {len(table) - len(closer) - farther}."


def signed(value: float) -> str:
    """+0.12 or −0.12."""
    return f"{value:+.2f}".replace("-", "−")
