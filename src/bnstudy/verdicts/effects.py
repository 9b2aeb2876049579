"""The effect of batch norm (test accuracy with it minus without), printed and our own. The rule: docs/verdicts.md."""

import numpy as np
import pandas as pd

from bnstudy.design.labels import NORMS
from bnstudy.printed import is_chance
from bnstudy.verdicts.accuracies import EXACT, SLOT, each, tenths

PAIR = ["model", "dataset", "setting"]
COLUMNS = [
    *PAIR, "printed", "own", "h", "within", "same_sign", "printed_broken", "broken", "learns", "n_none", "n_batch",
]  # fmt: skip


def effects(numbers: pd.DataFrame) -> pd.DataFrame:
    """Return COLUMNS, one row per pair of printed numbers for which both norms have runs, in the order of `numbers`.

    numbers   printed numbers with their verdicts: SLOT, printed, mean, n, h, broken (`accuracies.number_verdicts`)

    `printed` and `own` are in points, batch norm minus vanilla; `own` is the difference of the means over n_none and
    n_batch seeds. `printed_broken`: one of the two printed networks is broken; `broken`: one of ours is; `learns`:
    none of the four is. `h` is the half-width of the interval that holds the difference of one more pair of runs with
    probability 95 %, t s √((1 + 1/n_none) + (1 + 1/n_batch)), with the s of the two numbers; NaN where no spread is
    known, and where one network is broken, because s is the spread of networks that learn. `within`: the printed
    effect lies within h of ours. `same_sign`: both are above, below or at zero, ours from accuracies rounded to 0.1 as
    they are printed.
    """
    ran = numbers[numbers["n"] > 0].astype({"broken": bool})
    ran["printed_broken"] = np.array([is_chance(row.printed, row.dataset) for row in each(ran)], dtype=bool)
    none, batch = (ran[ran["norm"] == norm] for norm in NORMS)
    pairs = none.merge(batch, on=PAIR, suffixes=("_none", "_batch"))
    for side in ("printed_broken", "broken"):
        pairs[side] = pairs[f"{side}_none"] | pairs[f"{side}_batch"]
    pairs["learns"] = ~(pairs["printed_broken"] | pairs["broken"])
    pairs["printed"] = (pairs["printed_batch"] - pairs["printed_none"]).round(EXACT)
    pairs["own"] = pairs["mean_batch"] - pairs["mean_none"]
    square = pairs["h_none"] ** 2 + pairs["h_batch"] ** 2  # each h is t s √(1 + 1/n)
    pairs["h"] = square.where(pairs["learns"]) ** 0.5
    pairs["within"] = (pairs["printed"] - pairs["own"]).abs().round(EXACT) <= pairs["h"].round(EXACT)
    shown = (tenths(pairs["mean_batch"]) - tenths(pairs["mean_none"])).round(EXACT)
    pairs["same_sign"] = np.sign(pairs["printed"]) == np.sign(shown)
    return pairs[COLUMNS]


def asked(cells: pd.DataFrame, printed: pd.DataFrame) -> bool:
    """Return True if the cells of a study (SLOT, reading) have a pair of printed numbers among them."""
    homes = cells[cells["reading"] == "default"].merge(printed[SLOT], on=SLOT)
    return bool((homes.groupby(PAIR)["norm"].nunique() == 2).any())


def conclusion(table: pd.DataFrame) -> str:
    """Summarize `effects` in a few sentences."""
    alive, broken = table[table["learns"]], table["printed_broken"] & table["broken"]
    known, n = alive[alive["h"].notna()], len(alive)
    sentences = []
    if len(known):
        sentences.append(
            f"In {int(known['within'].sum())} of {_pairs(len(known))} in which both networks learn, in the thesis and "
            "here, the printed effect of batch norm is what one more pair of our runs could give; in "
            f"{int(known['same_sign'].sum())} it has the sign of ours."
        )
    if n > len(known):
        sentences.append(f"The spread of {_pairs(n - len(known))} is not known: one seed.")
    if broken.any():
        apart = _pairs(int(broken.sum()), "more " if n else "")
        sentences.append(
            f"In {apart} a network answers one class, in the thesis and here: their effect is that of learning at all."
        )
    if (lone := len(table) - n - int(broken.sum())) > 0:
        sentences.append(f"In {_pairs(lone)} that is so in the thesis alone or here alone.")
    return " ".join(sentences)


def _pairs(n: int, more: str = "") -> str:
    return f"{n} {more}pair{'s' if n != 1 else ''}"
