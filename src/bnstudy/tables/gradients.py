"""Tables G.1 (MLP) and G.2 (CNN): statistics of weight gradients; the thesis shows only curves (7.1.2, 7.2.1).

One column per data set and norm, one group of rows per setting.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from bnstudy.design.labels import NORMS
from bnstudy.results.frames import by_epoch
from bnstudy.tables.catalogue import SETTING_ROWS, Table, in_order
from bnstudy.tables.layout import ABSENT, DIVERGED, Entry, Grid, Row, grid_of
from bnstudy.verdicts import accuracies
from bnstudy.verdicts.mean_gradient import mean_gradient

GRADIENT, SHARE = "{:.1e}", "{:.1%}"
QUANTITIES = {
    "first_epoch": ("mean, first epoch", GRADIENT),
    "middle_epoch": ("mean, middle epoch", GRADIENT),
    "last_epoch": ("mean, last epoch", GRADIENT),
    "first_to_last_layer": ("first layer by last layer", "{:.2g}"),
    "largest": ("largest entry", GRADIENT),
    "dead_share": ("dead units", SHARE),
    "saturated_share": ("saturated units", SHARE),
}
"""Column of the content: label, format."""

SHARES = ["dead_share", "saturated_share"]
MEASURED = ["weight_grad.mean_abs", "weight_grad.min", "weight_grad.max", *SHARES]
AT = ["key", "seed", "epoch", "position", "size"]
"""Columns of the frame `layers` that are read."""

EVENTS = ("exploded", "exploded_epoch", "exploded_step", "died", "died_epoch")
COLUMNS = ["parameter", "setting", "dataset", "norm", "key", "n", "seeds", *QUANTITIES, *EVENTS]


def content(cells: pd.DataFrame, runs: pd.DataFrame, layers: pd.DataFrame) -> pd.DataFrame:
    """Return COLUMNS, one row per cell of a table.

    cells   parameter, setting, dataset, norm, key, seeds (how many)
    runs    key, seed, diverged_epoch, diverged_step
    layers  the frame `layers`

    Values are means over the seeds for which they are finite; NaN if there is none. A run exploded if a training loss
    was not finite, and died if its gradient is zero from some epoch to the end; the epoch and the step are those of the
    first seed.
    """
    layers = layers.loc[layers["key"].isin(cells["key"]), [*AT, *MEASURED]]
    by_run = {at: of_run(rows) for at, rows in layers.groupby(["key", "seed"], observed=True)}
    runs = runs[["key", "seed", "diverged_epoch", "diverged_step"]].astype(
        dict.fromkeys(("diverged_epoch", "diverged_step"), "Float64")
    )
    rows = []
    for cell in accuracies.each(cells):
        own = runs[runs["key"] == cell.key].sort_values("seed")
        found = pd.DataFrame([by_run[cell.key, seed] for seed in own["seed"] if (cell.key, seed) in by_run])
        values = found.where(np.isfinite(found)).mean() if len(found) else {}
        exploded = own.dropna(subset=["diverged_epoch"])
        rows.append({
            **{column: getattr(cell, column) for column in COLUMNS[:5]}, "n": len(found), "seeds": cell.seeds,
            **{quantity: values.get(quantity, np.nan) for quantity in QUANTITIES},
            "exploded": len(exploded), "died": int(found["died_epoch"].notna().sum()) if len(found) else 0,
            "exploded_epoch": exploded["diverged_epoch"].min(), "exploded_step": exploded["diverged_step"].min(),
            "died_epoch": found["died_epoch"].min() if len(found) else np.nan,
        })  # fmt: skip
    floats = dict.fromkeys((*QUANTITIES, "exploded_epoch", "exploded_step", "died_epoch"), "float64")
    return pd.DataFrame(rows, columns=COLUMNS).replace({pd.NA: np.nan}).astype(floats)


def slots(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the planned cells of a table (see `tables.planned`) as `content` takes them, in the order of rows."""
    parameters = {setting: parameter for parameter, setting, _ in SETTING_ROWS}
    rank = {setting: i for i, (_, setting, _) in enumerate(SETTING_ROWS)}
    cells = cells[cells["norm"].isin(NORMS)].sort_values("setting", key=lambda s: s.map(rank), kind="stable")
    return cells.assign(parameter=cells["setting"].map(parameters), seeds=cells["seeds"].map(len))


def of_run(layers: pd.DataFrame) -> dict[str, float]:
    """Return QUANTITIES and died_epoch of one run, from its rows of the frame `layers`; NaN where not finite."""
    each = by_epoch(layers, MEASURED)
    epochs, absolute = each["epoch"], each["weight_grad.mean_abs"]
    mean = mean_gradient(absolute, each["size"])
    entries = np.abs([each["weight_grad.min"], each["weight_grad.max"]])
    entries = entries[np.isfinite(entries)]
    alive = np.flatnonzero(mean != 0)
    died = 0 if not len(alive) else int(alive[-1]) + 1
    with np.errstate(all="ignore"):
        ratio = absolute[-1, 0] / absolute[-1, -1]
    return {
        "first_epoch": mean[0], "last_epoch": mean[-1],
        "middle_epoch": mean[np.argmin(np.abs(epochs - epochs[-1] / 2))],
        "first_to_last_layer": ratio, "largest": entries.max() if entries.size else np.nan,
        **{share: _mean(each[share][-1][np.isfinite(absolute[-1])]) for share in SHARES},
        "died_epoch": float(epochs[died]) if died < len(epochs) else np.nan,
    }  # fmt: skip


def _mean(layers: np.ndarray) -> float:
    """The mean over layers that have the quantity: the output layer has no units that die."""
    known = layers[np.isfinite(layers)]
    return float(known.mean()) if known.size else np.nan


def grid(table: Table, shown_id: str, content: pd.DataFrame, extra: str = "") -> Grid:
    """Return the layout: per setting a row for each quantity that any of its cells has, and one for what went wrong."""
    names = in_order(content["dataset"])
    by_slot = {(r.setting, r.dataset, r.norm): r for r in accuracies.each(content)}
    rows = [
        Row(f"{group}: {label}", what, tuple(_entry(by_slot.get((setting, d, n)), q) for d in names for n in NORMS))
        for group, setting, label in SETTING_ROWS
        for q, what in _rows(content[content["setting"] == setting])
    ]
    notes = []
    if content["exploded"].any():
        notes.append(
            f"{DIVERGED} the training loss of a seed was not finite; means are over the seeds with a finite value."
        )
    return grid_of(table, shown_id, extra, "setting", names, rows, notes)


def _rows(cells: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """(column, label) of the rows of one setting."""
    for column, (label, _) in QUANTITIES.items():
        if cells[column].notna().any() or (column in ("first_epoch", "last_epoch") and len(cells)):
            yield column, label
    if (cells["exploded"] + cells["died"]).any():
        yield "events", "exploded or died"


def _entry(cell: Any, quantity: str) -> Entry:
    if cell is None:
        return ABSENT
    if not cell.n:
        return Entry(hint="not run", key=cell.key)
    hint = f"{cell.n} of {cell.seeds} seeds"
    if quantity == "events":
        return Entry(own=_events(cell) or "no", verdict="", hint=hint, key=cell.key)
    value, mark = getattr(cell, quantity), f" {DIVERGED}" * bool(cell.exploded)
    text = (
        "not finite"
        if pd.isna(value) and cell.exploded
        else "undefined"
        if pd.isna(value)
        else _format(quantity, value)
    )
    return Entry(own=f"{text}{mark}", verdict="", hint=hint, key=cell.key)


def _format(quantity: str, value: float) -> str:
    if value == 0:
        return "0"
    return QUANTITIES[quantity][1].format(value).replace("%", " %").replace("e-0", "e-").replace("e+0", "e+")


def _events(cell: Any) -> str:
    parts = []
    if cell.exploded:
        step = "" if pd.isna(cell.exploded_step) else f", step {cell.exploded_step:.0f}"
        parts.append(f"{cell.exploded} of {cell.n} exploded, epoch {cell.exploded_epoch:.0f}{step}")
    if cell.died:
        parts.append(f"{cell.died} of {cell.n} died, epoch {cell.died_epoch:.0f}")
    return "; ".join(parts)
