"""How often the verdicts on a whole table err: simulated tables of the thesis's size, with known truth.

    PYTHONPATH=src python docs/simulate_verdicts.py [TABLES]

prints the rates that docs/verdicts.md gives. A table has 72 numbers: 9 settings, 4 data sets, 2 norms; one run printed,
three seeds of ours; runs spread by 0.15 points on MNIST and 0.4 elsewhere. The split varies by `split` times the
variance of a run: once for the printed table and once for ours, for every cell anew. `apart` numbers of a table are off
by `off` points.
"""

import sys
from collections import Counter

import numpy as np
import pandas as pd

from bnstudy.claims.terms import ROWS
from bnstudy.design.labels import NORMS, THESIS_DATASETS
from bnstudy.verdicts import many
from bnstudy.verdicts.accuracies import number_verdicts

SEEDS = 3
CASES = [(0.0, 0, 0.0), (0.12, 0, 0.0), (0.5, 0, 0.0), (0.0, 7, 1.5), (0.0, 7, 3.0)]
FAITHFUL = ("reproduced", "differs", "undecided")
SLOTS = [("mlp", d, n, s) for d in THESIS_DATASETS for s in ROWS for n in NORMS]
SPREAD = np.array([0.15 if d == "mnist" else 0.4 for _, d, _, _ in SLOTS])


def table(stream: np.random.Generator, split: float, apart: int, off: float) -> pd.DataFrame:
    """Return the verdicts on one simulated table, with a column `true_off` of the true differences."""
    size = len(SLOTS)
    truth = np.zeros(size)
    truth[stream.choice(size, apart, replace=False)] = off
    ours, theirs = np.sqrt(split) * SPREAD * stream.standard_normal((2, size))
    given = 60 + truth + theirs + SPREAD * stream.standard_normal(size)
    names = ["model", "dataset", "norm", "setting"]
    printed = pd.DataFrame(SLOTS, columns=names).assign(printed=np.round(given, 1))
    runs = pd.concat(
        pd.DataFrame(SLOTS, columns=names).assign(
            seed=seed, test_accuracy=60 + ours + SPREAD * stream.standard_normal(size)
        )
        for seed in range(SEEDS)
    )
    runs["key"] = runs[["dataset", "norm", "setting"]].agg("-".join, axis=1)
    runs = runs.assign(reading="default", outcome="finished", broken=False)
    return number_verdicts(runs, printed).assign(true_off=truth)


def main(tables: int) -> None:
    print("| split | numbers off | by | faithful: reproduced | differs | undecided | off: reproduced | differs "
          "| after Holm, a false one | after B-H, false of named | table incompatible |")  # fmt: skip
    print("|---" * 11 + "|")
    for split, apart, off in CASES:
        stream = np.random.default_rng(2016)
        counts: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
        any_false = incompatible = 0
        false, named = 0, 0
        for _ in range(tables):
            found = table(stream, split, apart, off)
            for is_off, part in found.groupby(found["true_off"] != 0):
                counts[bool(is_off)].update(part["verdict"])
            faithful = found["true_off"] == 0
            differs = (found["verdict"] == "differs").to_numpy()
            p = found["p"].to_numpy(float)
            any_false += bool((differs & (many.holm(p) <= 0.05) & faithful).any())
            hochberg = differs & (many.benjamini_hochberg(p) <= 0.05)
            false, named = false + int((hochberg & faithful).sum()), named + int(hochberg.sum())
            whole = many.together(found, draws=2000)
            incompatible += whole is not None and whole.p <= 0.05

        def rate(is_off: bool, verdict: str, counts=counts) -> str:
            total = counts[is_off].total()
            return f"{100 * counts[is_off][verdict] / total:.1f} %" if total else "-"

        cells = [f"{split:g}", str(apart), f"{off:g}", *(rate(False, v) for v in FAITHFUL),
                 rate(True, "reproduced"), rate(True, "differs"), f"{100 * any_false / tables:.1f} %",
                 f"{100 * false / named:.1f} %" if named else "-", f"{100 * incompatible / tables:.1f} %"]  # fmt: skip
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
