"""Records -> tidy frames: the only form in which tables, figures and claims see results.

`build` reads records column by column; `put` and `get` keep the frames of a study as Parquet (CSV too for runs).
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from bnstudy import disk, paths
from bnstudy.design.cell import Run
from bnstudy.design.fields import FIELDS, FORMS
from bnstudy.design.labels import labels, name
from bnstudy.design.study import Study
from bnstudy.design.words import plain
from bnstudy.errors import DataError
from bnstudy.results import digests, joined, parquet
from bnstudy.results.record import EARLY_COLUMNS, LAYER_COLUMNS, Record

BROKEN_PERMILLE = 999
"""A run is broken if it predicts one class for at least this many of 1,000 test images."""

UNIQUE = {
    "runs": ("key", "seed"), "epochs": ("key", "seed", "epoch"), "layers": ("key", "seed", "epoch", "position"),
    "early": ("key", "seed", "step", "position"), "confusion": ("key", "seed", "label", "answer"),
    "missing": ("key", "seed"),
}  # fmt: skip
"""By frame, the columns that identify a row."""

KEPT = tuple(UNIQUE)
AGAIN = "Run `bnstudy aggregate --study {}`."

_TEXT, _INT, _REAL, _MAYBE, _TRUTH = "str", "int64", "float64", "Int64", "bool"
LABELS = {"key": _TEXT, "name": _TEXT, "seed": _INT, "setting": _TEXT, "reading": _TEXT}
OUTCOME = {
    "outcome": _TEXT, "stopped": _TEXT, "epochs_run": _INT, "best_epoch": _INT, "first_batch_loss": _REAL,
    "test_accuracy": _REAL, "test_accuracy_best": _REAL, "test_accuracy_last": _REAL, "test_loss": _REAL,
    "test_images": _INT, "classes": _INT, "predicted_top": _INT, "broken": _TRUTH,
    "diverged_epoch": _MAYBE, "diverged_step": _MAYBE, "diverged_layer": _TEXT, "best_validation_accuracy": _REAL,
    "seconds": _REAL, "peak_memory": _MAYBE,
    "data_digest": _TEXT, "data_source": _TEXT, "source_digest": _TEXT, "engine": _TEXT, "device": _TEXT,
    "torch": _TEXT, "python": _TEXT, "os": _TEXT, "cpu": _TEXT, "gpu": _TEXT, "commit": _TEXT, "dirty": _TEXT,
    "started": _TEXT, "origin": _TEXT,
}  # fmt: skip
PROVENANCE = (
    "data_digest", "data_source", "source_digest", "engine", "device", "torch", "python", "os", "cpu", "gpu", "commit",
    "dirty",
)  # fmt: skip
MISSING = LABELS | {"model": _TEXT, "dataset": _TEXT, "norm": _TEXT, "reason": _TEXT}


def _field_type(field: str) -> str:
    """Return the column type of a cell field: an optional integer is a nullable column, a list is text."""
    form = FORMS[field]
    if form.is_list:
        return _TEXT
    if form.type is int and form.optional:
        return _MAYBE
    return {str: _TEXT, bool: _TRUTH, int: _INT, float: _REAL}[form.type]


RUN_COLUMNS = LABELS | {field: _field_type(field) for field in FIELDS} | OUTCOME


@dataclass(frozen=True)
class Frames:
    """The results of a study, one tidy frame per grain, sorted by cell name and seed.

    runs     a row per record: labels, every cell field, OUTCOME. Accuracies in percent, losses in nats, `seconds` the
             sum over training epochs; test_accuracy, test_loss, broken and predicted_top (a class index) are of the
             weights that the cell's reading tests; `started` is when its first attempt began (UTC);
             `diverged_step` is the first step (from 1) whose loss is not finite; `best_validation_accuracy` is over
             epochs from 1; `peak_memory` in bytes of a GPU
    epochs   key, seed and EPOCH_COLUMNS; a row per epoch, from epoch 0 (before training)
    layers   key, seed, epoch (from 1), layer, position (0 = first), size (weights), LAYER_COLUMNS as float32; key and
             layer are categories
    early    key, seed, step (from 1), layer, position, size, data_loss (nats, of the step's batch), EARLY_COLUMNS as
             float32; the sampled steps of the first epoch or period
    confusion key, seed, label, answer, images: how many test images of class `label` were classified as `answer` by
             the weights that the cell's reading tests; only counts above 0
    missing  requested runs without a record, with the reason

    Records of earlier versions have no diverged_step and no peak_memory, and no rows in early and confusion.
    """

    runs: pd.DataFrame
    epochs: pd.DataFrame
    layers: pd.DataFrame
    early: pd.DataFrame
    confusion: pd.DataFrame
    missing: pd.DataFrame


def build(
    records: Iterable[Record],
    expected: Iterable[Run] = (),
    reasons: Mapping[Run, str] | None = None,
    published: Iterable[Record] = (),
) -> Frames:
    """Return the frames of these records; `expected` runs without a record are listed as missing.

    reasons    why a run is missing, for instance an absent data set; by default "not run yet"
    published  more records, whose `origin` is `published` instead of `own`; they lack the layers of some epochs
    Raises DataError if two records are of the same run, which would then count twice.
    """
    both = [("own", _compact(r)) for r in records] + [("published", _compact(r)) for r in published]
    both.sort(key=lambda each: (name(each[1].cell), each[1].seed))
    found = [r for _, r in both]
    here = [r.run for r in found]
    if len(set(here)) < len(here):
        twice = next(a for a, b in pairwise(here) if a == b)
        raise DataError(
            f"{twice.id}: two records of this run", "Pass each run once; `bnstudy compare` shows what differs."
        )
    absent = sorted(set(expected) - set(here), key=lambda run: (name(run.cell), run.seed))
    return Frames(
        runs=_frame((_run_row(r, origin) for origin, r in both), RUN_COLUMNS),
        epochs=joined.epochs(found),
        layers=joined.layers(found),
        early=joined.early([r for r in found if r.early is not None]),
        confusion=joined.confusion(found),
        missing=_frame((_missing_row(run, (reasons or {}).get(run, "not run yet")) for run in absent), MISSING),
    )


def narrowed(frames: Frames, study: Study) -> Frames:
    """Return the rows for a study's cells and seeds: stored frames are whole, but the study may be narrowed."""
    keys, seeds = [cell.key for cell in study.trained], list(study.seeds)
    kept = {name: getattr(frames, name) for name in KEPT}
    return Frames(**{name: f[f["key"].isin(keys) & f["seed"].isin(seeds)] for name, f in kept.items()})


def _compact(r: Record) -> Record:
    """Return the record with float32 arrays as layer columns: as lists, 700 records would take over a gigabyte."""
    with np.errstate(over="ignore"):  # values beyond float32 become infinite, as when measured
        columns = {c: np.asarray(r.layers[c], np.float32) for c in LAYER_COLUMNS if c in r.layers}
        early = {c: np.asarray(r.early[c], np.float32) for c in EARLY_COLUMNS} if r.early else {}
    return replace(r, layers=r.layers | columns, early=r.early and r.early | early)


def _frame(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame.from_records(list(rows), columns=list(columns)).astype(dict(columns))


def _labels(run: Run) -> dict[str, Any]:
    setting, reading = labels(run.cell)
    return {"key": run.cell.key, "name": name(run.cell), "seed": run.seed, "setting": setting, "reading": reading}


def _missing_row(run: Run, reason: str) -> dict[str, Any]:
    cell = run.cell
    return _labels(run) | {"model": cell.model, "dataset": cell.dataset, "norm": cell.norm, "reason": reason}


def of_largest_protocol(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `runs` with the largest width, then most training images, then most epochs: runs of different
    protocols must be neither averaged nor compared."""
    if runs.empty:
        return runs
    order = ["width", "train_size", "epochs"]
    sizes = runs[order].astype({"train_size": "float64"}).fillna(np.inf)
    return runs[(sizes == sizes.sort_values(order).iloc[-1]).all(axis=1)]


def by_epoch(run: pd.DataFrame, columns: Iterable[str]) -> dict[str, np.ndarray]:
    """Return one run's rows of the frame `layers` as arrays: epoch (epochs,), size (layers,), and each of these columns
    (epochs, layers)."""
    layers = int(run["position"].max()) + 1
    values = {column: run[column].to_numpy().reshape(-1, layers) for column in columns}
    return values | {"epoch": run["epoch"].to_numpy()[::layers], "size": run["size"].to_numpy()[:layers]}


def is_broken(predicted: Iterable[int]) -> bool:
    """Return True if one class has at least 99.9 % of the answers, given the count per class (integers, so exact)."""
    counts = list(predicted)
    return 1000 * max(counts) >= BROKEN_PERMILLE * sum(counts)


def _run_row(r: Record, origin: str) -> dict[str, Any]:
    tested = r.test[r.cell.tested_weights]
    diverged = r.diverged_at or {}
    return {
        **_labels(r.run),
        **{field: plain(getattr(r.cell, field)) for field in FIELDS},
        "outcome": r.outcome,
        "stopped": r.stopped,
        "epochs_run": r.epochs_run,
        "best_epoch": r.best_epoch,
        "first_batch_loss": r.first_batch_loss,
        "test_accuracy": r.test_accuracy,
        "test_accuracy_best": r.test["best"]["accuracy"],
        "test_accuracy_last": r.test["last"]["accuracy"],
        "test_loss": tested["loss"],
        "test_images": r.test["images"],
        "classes": len(tested["predicted"]),
        "predicted_top": int(np.argmax(tested["predicted"])),
        "broken": is_broken(tested["predicted"]),
        "diverged_epoch": diverged.get("epoch"),
        "diverged_step": diverged.get("step"),
        "diverged_layer": str(diverged.get("layer") or ""),
        "best_validation_accuracy": max(r.epochs["validation_accuracy"][1:], default=np.nan),
        "seconds": float(np.nansum(np.asarray(r.epochs["seconds"][1:], float))),
        "peak_memory": r.peak_memory,
        **{field: str(r.provenance.get(field) or "") for field in PROVENANCE},
        "started": r.started or "",
        "origin": origin,
    }


def put(frames: Frames, results: Path, study: str) -> Path:
    """Write the frames to `paths.frames(results, study)` and return that folder. Raises WriteError."""
    folder = paths.frames(results, study)
    contents = {f"{kept}.parquet": getattr(frames, kept).to_parquet(index=False) for kept in KEPT}
    digests.put(folder, contents, {})
    disk.write(folder / "runs.csv", for_spreadsheets(frames.runs).to_csv(index=False, lineterminator="\n").encode())
    return folder


def for_spreadsheets(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame for CSV: text that a spreadsheet would take for a formula gets a leading apostrophe."""
    texts = frame.select_dtypes(include=["object", "string"])  # the types of text in pandas 2 and 3
    return frame.assign(**{str(name): texts[name].str.replace(r"^(?=[=+\-@\t\r])", "'", regex=True) for name in texts})


def exist(results: Path, study: str) -> bool:
    """Return True if the study was aggregated. Raises DataError if that cannot be decided."""
    return digests.lists(paths.frames(results, study), "runs.parquet", AGAIN.format(study))


def get(results: Path, study: str) -> Frames:
    """Return the frames of a study as last written. Raises DataError, naming the file, if one is absent, or has not the
    content, columns or rows that it was written with."""
    folder, remedy = paths.frames(results, study), AGAIN.format(study)
    if not exist(results, study):
        raise DataError(f"{folder}: no frames of study {study}", remedy)
    return Frames(**{kept: parquet.read(folder, kept, _form(kept), remedy).to_pandas() for kept in KEPT})


@functools.cache
def _form(kept: str) -> parquet.Form:
    return parquet.Form(pa.Schema.from_pandas(getattr(build([]), kept), preserve_index=False), UNIQUE[kept])
