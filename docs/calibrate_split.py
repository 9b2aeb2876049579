"""How often a run of another split, in place of a printed number, falls outside h: without and with the split in h.

    PYTHONPATH=src python docs/calibrate_split.py

reads the published runs and prints what docs/verdicts.md gives. The split's share is estimated from the runs of two
splits and two seeds of the default; the runs of the third split are then judged. All nine choices of the split and of
the seed left out give the pairs; the interval is of a bootstrap over cells, since pairs of a cell are not independent.
Cells with a run that answers one class are left out.
"""

import numpy as np
import pandas as pd

from bnstudy import paths
from bnstudy.claims.terms import ROWS
from bnstudy.verdicts.accuracies import SPLIT
from bnstudy.verdicts.splits import READING, between_splits, outside

SEEDS = (0, 1, 2)
DRAWS = 2000


def published() -> pd.DataFrame:
    """Return the published MLP runs of the cells that have runs of three splits, without broken ones."""
    columns = ["model", "dataset", "norm", "setting", "reading", "key", "seed", "test_accuracy", "outcome"]
    runs = pd.read_parquet(paths.published(paths.results_root(None), "runs"))
    most = np.array([max(counts) / sum(counts) for counts in runs["test_predicted_last"].to_numpy()])
    runs = runs[columns].assign(broken=most >= 0.999)
    cell = ["model", "dataset", "norm", "setting"]
    split = runs[runs["reading"] == READING].groupby(cell)["seed"].nunique()
    whole = split[split >= len(SEEDS)].reset_index()[cell]
    in_tables = (runs["reading"] == "default") & runs["setting"].isin(ROWS)
    table = runs[in_tables & runs["model"].eq("mlp") & runs["seed"].isin(SEEDS)]
    return pd.concat([table, runs[runs["reading"] == READING].merge(whole)], ignore_index=True)


def pairs(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per cell, split and left-out seed: outside h without and with the split's share."""
    rows = []
    broken = set(runs.loc[(runs["reading"] == READING) & runs["broken"], "key"])
    runs = runs[~runs["key"].isin(broken)]
    for held in SEEDS:
        for left in SEEDS:
            ours = runs[(runs["reading"] != "default") | (runs["seed"] != left)]
            found = between_splits(ours[(ours["reading"] == "default") | (ours["seed"] != held)])
            share = found.share if found else 0.0
            judged = ours[(ours["reading"] == READING) & (ours["seed"] == held)]
            for key in judged["key"].unique():
                alone = ours[(ours["reading"] == "default") | ((ours["key"] == key) & (ours["seed"] == held))]
                beyond = [outside(alone, each)[0] for each in (0.0, share)]
                rows.append((key, held, left, share, *beyond))
    return pd.DataFrame(rows, columns=["cell", "split", "left", "share", "before", "after"])


def main() -> None:
    runs = published()
    print(f"all: {between_splits(runs)}")
    for dataset, part in runs.groupby("dataset", sort=False):
        beyond, tried = outside(part, SPLIT)
        print(f"{dataset}: {between_splits(part)}; at {SPLIT} {beyond} of {tried} runs outside h")
    table = pairs(runs)
    stream = np.random.default_rng(2016)
    cells = table.groupby("cell")[["before", "after"]].mean().to_numpy()
    drawn = cells[stream.integers(len(cells), size=(DRAWS, len(cells)))].mean(1)
    for i, which in enumerate(("before", "after")):
        low, high = 100 * np.quantile(drawn[:, i], [0.025, 0.975])
        print(f"{which}: {100 * table[which].mean():.1f} % of {len(table)} pairs outside h ({low:.1f} to {high:.1f})")


if __name__ == "__main__":
    main()
