"""Tables of what the thesis measures or announces and prints no table of: best validation accuracies (V.1, V.2), the
parts of an epoch (T.1, T.2) and the memory of a GPU (M.1, M.2)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bnstudy.design.labels import NORMS
from bnstudy.design.timing import EPOCH_KINDS
from bnstudy.tables import further
from bnstudy.tables.catalogue import SETTING_ROWS, Table, in_order
from bnstudy.tables.layout import ABSENT, Entry, Grid, Row, accuracy_entry, accuracy_notes, grid_of, with_overhead
from bnstudy.verdicts import accuracies

PARTS = dict(zip(EPOCH_KINDS, ("training", "statistics", "validation"), strict=True))
"""Kind of epoch: the part that it has and the kind before it has not."""
ALIKE = 2.0
"""Logging costs both networks alike (7.1.6) if it moves no mean overhead by more than so many points."""

MEGABYTE = 1e6


def validation(cells: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return content.ACCURACY_COLUMNS of the best validation accuracies, one row per planned cell of a table."""
    best = runs.assign(test_accuracy=runs["best_validation_accuracy"])
    parameters = {setting: parameter for parameter, setting, _ in SETTING_ROWS}
    found = further.content(cells.assign(row=cells["setting"]), best)
    return found.assign(parameter=found["setting"].map(parameters))


def validation_grid(table: Table, shown_id: str, content: pd.DataFrame, extra: str = "") -> Grid:
    """The layout of V.1 and V.2: that of B.1, without printed numbers."""
    names, ran = in_order(content["dataset"]), set(content["setting"])
    by_slot = {(r.setting, r.dataset, r.norm): accuracy_entry(r) for r in accuracies.each(content)}
    rows = [
        Row(group, label, tuple(by_slot.get((setting, d, n), ABSENT) for d in names for n in NORMS))
        for group, setting, label in SETTING_ROWS
        if setting in ran
    ]
    return grid_of(table, shown_id, extra, "setting", names, rows, accuracy_notes(content))


def parts(timings: pd.DataFrame, datasets: Sequence[str]) -> pd.DataFrame:
    """Return batch_size, dataset, norm, part, quantity, own: seconds of each part, and the overhead of the epoch so far
    (percent, mean over `datasets`, which is `all` there).

    timings  rows of the frame `timings` of one model and machine, at the thesis's batch sizes

    What a part adds is the difference of two medians, so it may be slightly below 0.
    """
    by_slot = {(r.batch_size, r.dataset, r.norm, r.kind): r for r in accuracies.each(timings)}
    sizes = sorted(set(timings["batch_size"]))
    rows = []
    for size in sizes:
        for i, (kind, part) in enumerate(PARTS.items()):
            for dataset, norm in ((d, n) for d in datasets for n in NORMS):
                until = [by_slot.get((size, dataset, norm, k)) for k in EPOCH_KINDS[max(0, i - 1) : i + 1]]
                seconds = [np.nan if one is None else one.median_seconds for one in until]
                rows.append((size, dataset, norm, part, "seconds", seconds[-1] - (seconds[0] if i else 0.0)))
            ratios = [by_slot[size, d, "batch", kind].ratio for d in datasets if (size, d, "batch", kind) in by_slot]
            mean = 100 * (np.mean(ratios) - 1) if len(ratios) == len(datasets) else np.nan
            rows.append((size, "all", "batch", part, "overhead_percent", mean))
    return pd.DataFrame(rows, columns=["batch_size", "dataset", "norm", "part", "quantity", "own"])


def parts_grid(table: Table, shown_id: str, content: pd.DataFrame, how: str) -> Grid:
    """The layout of T.1 and T.2, with the mean overhead as the last column. `how`: engine and machine, for a note."""
    names = in_order(content.loc[content["quantity"] == "seconds", "dataset"])
    by_slot = {(r.batch_size, r.part, r.dataset, r.norm): r.own for r in accuracies.each(content)}
    rows = []
    for size in dict.fromkeys(content["batch_size"]):
        for part in PARTS.values():
            entries = [_seconds(by_slot[size, part, d, n]) for d in names for n in NORMS]
            overhead = by_slot[size, part, "all", "batch"]
            entries.append(Entry() if np.isnan(overhead) else Entry(own=f"{overhead:.1f}", verdict=""))
            rows.append(Row(f"Batch size {size}", part, tuple(entries)))
    notes = [f"Medians; {how}.", *_alike(content)]
    return with_overhead(grid_of(table, shown_id, "", "part", names, rows, notes))


def moved(content: pd.DataFrame) -> pd.Series:
    """Return by how many points the statistics move the mean overhead, by batch size."""
    overheads = content[content["quantity"] == "overhead_percent"].pivot(
        index="batch_size", columns="part", values="own"
    )
    return (overheads["statistics"] - overheads["training"]).dropna()


def _alike(content: pd.DataFrame) -> list[str]:
    """The judgement of the sentence that logging leaves relative differences as they are."""
    points = moved(content)
    if points.empty:
        return []
    size, most = max(points.abs().items(), key=lambda each: each[1])
    holds = most <= ALIKE
    return [
        f"“Logging costs both networks alike” (7.1.6) {'holds' if holds else 'fails'} on this machine: statistics move "
        f"the mean overhead by at most {most:.1f} points (batch size {size}); up to {ALIKE:g} count as "
        "none."
    ]


def _seconds(value: float) -> Entry:
    return Entry() if np.isnan(value) else Entry(own=f"{value:.2f}" if value >= 0.1 else f"{value:.3f}", verdict="")


def memory(cells: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return batch_size, dataset, norm, key, own (megabytes, the largest of the seeds), n: one row per planned cell
    that differs from the baseline by its batch size alone; cells without a run on a GPU have NaN."""
    known = runs[runs["key"].isin(cells["key"])].dropna(subset=["peak_memory"])
    by_key = known.groupby("key")["peak_memory"].agg(["max", "size"])
    rows = [
        (c.batch_size, c.dataset, c.norm, c.key, by_key["max"].get(c.key, np.nan) / MEGABYTE,
         int(by_key["size"].get(c.key, 0)))
        for c in accuracies.each(cells)
    ]  # fmt: skip
    found = pd.DataFrame(rows, columns=["batch_size", "dataset", "norm", "key", "own", "n"])
    return found.astype({"own": "float64"}).sort_values("batch_size", kind="stable", ignore_index=True)


def memory_grid(table: Table, shown_id: str, content: pd.DataFrame, extra: str = "") -> Grid:
    """The layout of M.1 and M.2: a row per batch size."""
    names = in_order(content["dataset"])
    by_slot = {(r.batch_size, r.dataset, r.norm): r for r in accuracies.each(content)}
    rows = [
        Row("Batch size", str(size), tuple(_megabytes(by_slot.get((size, d, n))) for d in names for n in NORMS))
        for size in dict.fromkeys(content["batch_size"])
    ]
    return grid_of(table, shown_id, extra, "batch size", names, rows, [])


def _megabytes(cell) -> Entry:
    if cell is None:
        return ABSENT
    if not cell.n:
        return Entry(hint="not run on a GPU", key=cell.key)
    return Entry(own=f"{cell.own:,.0f}", verdict="", key=cell.key)
