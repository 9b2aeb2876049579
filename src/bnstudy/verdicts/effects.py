"""The effect of batch norm (test accuracy with it minus without), printed and our own. The rule: docs/verdicts.md."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from bnstudy.design.fields import FIELDS
from bnstudy.design.labels import NORMS, SIZE
from bnstudy.printed import is_chance
from bnstudy.verdicts.accuracies import EXACT, LEVEL, SLOT, SPLIT, cell_means, each, spreads, tenths

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
    probability 95 %, t s √(2 + 1/n_none + 1/n_batch + 4 SPLIT), with the s of the two numbers; NaN where no spread is
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
    square = pairs["h_none"] ** 2 + pairs["h_batch"] ** 2  # each h is t s √(1 + 1/n + 2 SPLIT)
    pairs["h"] = square.where(pairs["learns"]) ** 0.5
    pairs["within"] = (pairs["printed"] - pairs["own"]).abs().round(EXACT) <= pairs["h"].round(EXACT)
    shown = (tenths(pairs["mean_batch"]) - tenths(pairs["mean_none"])).round(EXACT)
    pairs["same_sign"] = np.sign(pairs["printed"]) == np.sign(shown)
    return pairs[COLUMNS]


PLACE = ["model", "dataset", "reading"]


def gains(runs: pd.DataFrame) -> pd.DataFrame:
    """Return what each norm gains over vanilla, one row per PLACE and norm for which both have runs in some setting.

    runs   the frame `runs`

    Adds: norm, pairs (settings that have both), higher (settings in which the norm's mean is above vanilla's), learn
    (settings in which neither is broken), gain (mean over these of the norm's mean less vanilla's, points; NaN if there
    are none), h (95 % half-width of that mean over seeds and splits, see `_half_width`), fewest and most (seeds of a
    cell of these; 0 if there are none), and the settings in which only_normed, only_none or neither learns. Cells of
    different sizes are no pair, and neither are several cells of one label (adhoc); a pair without a name differs in
    nothing but the norm.
    """
    labels = [*PLACE, "setting", *SIZE]
    cells = cell_means(runs).merge(_facts(runs), on="key")
    cells = cells[~cells.duplicated([*labels, "norm"], keep=False)]
    labels.append("unnamed")
    norms = [norm for norm in dict.fromkeys(["batch", *cells["norm"]]) if norm != "none"]
    rows = [_gain(part, labels, norm) for _, part in cells.groupby(PLACE, sort=False) for norm in norms]
    columns = [
        *PLACE, "norm", "pairs", "higher", "learn", "gain", "h", "fewest", "most",
        "only_normed", "only_none", "neither",
    ]  # fmt: skip
    return pd.DataFrame([row for row in rows if row["pairs"]], columns=columns)


def _facts(runs: pd.DataFrame) -> pd.DataFrame:
    """Return key, SIZE and `unnamed` of each cell: what identifies it besides the norm if its setting or its reading
    has no name, else empty."""
    cells = runs.drop_duplicates("key").fillna({"train_size": 0})
    fields = [field for field in FIELDS if field in cells and field != "norm"]
    rest = pd.Series([" ".join(map(str, row)) for row in cells[fields].to_numpy()], cells.index, dtype=object)
    named = (cells["setting"] != "adhoc") & (cells["reading"] != "adhoc")
    return cells[["key", *SIZE]].assign(unnamed=rest.mask(named, ""))


def _gain(cells: pd.DataFrame, labels: list[str], norm: str) -> dict[str, Any]:
    """Return one row of `gains` from the cells of one place."""
    cells = cells[cells["norm"].isin(["none", norm])]
    if cells["norm"].nunique() < 2:
        return {"pairs": 0}
    cells = cells.join(spreads(cells)[0]).astype({"broken": bool})
    none, normed = (cells[cells["norm"] == one] for one in ("none", norm))
    both = none.merge(normed, on=labels, suffixes=("_none", "_normed"))
    difference = both["mean_normed"] - both["mean_none"]
    learn = ~both["broken_none"] & ~both["broken_normed"]
    seeds = [*both.loc[learn, "n_none"], *both.loc[learn, "n_normed"]] or [0]
    return {
        **{label: cells[label].iloc[0] for label in PLACE},
        "norm": norm,
        "pairs": len(both),
        "higher": int((difference > 0).sum()),
        "learn": int(learn.sum()),
        "gain": difference[learn].mean(),
        "h": _half_width(both[learn]),
        "fewest": int(min(seeds)),
        "most": int(max(seeds)),
        "only_normed": list(both.loc[both["broken_none"] & ~both["broken_normed"], "setting"]),
        "only_none": list(both.loc[~both["broken_none"] & both["broken_normed"], "setting"]),
        "neither": list(both.loc[both["broken_none"] & both["broken_normed"], "setting"]),
    }


def _half_width(pairs: pd.DataFrame) -> float:
    """Return the 95 % half-width of the mean difference of k pairs of cells: t √Σ s² (1/n + SPLIT) / k over the 2 k
    cells, with the freedom after Satterthwaite, as outlying cells have their own s. NaN if no spread is known."""
    ends = ("none", "normed")
    cells = pd.concat(
        [pairs[[f"{c}_{end}" for c in ("s", "freedom", "n")]].set_axis(["s", "f", "n"], axis=1) for end in ends]
    )
    if cells.empty or cells["s"].isna().any():
        return float("nan")
    variances = (cells["s"] ** 2 * (1 / cells["n"] + SPLIT)).groupby([cells["s"], cells["f"]]).sum()
    total, freedoms = variances.sum(), variances.index.get_level_values("f").to_numpy(float)
    if not total:
        return 0.0
    freedom = total**2 / (variances**2 / freedoms).sum()
    return float(special.stdtrit(freedom, (1 + LEVEL) / 2) * np.sqrt(total) / len(pairs))


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
