"""One published run: a reduced record, as a row and four small tables with one digest.

Left out are the weights digests of all epochs but the last, the layer statistics of most epochs after the 20th, and
hosts. Everything else is restored exactly, so frames of published runs equal those of records.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bnstudy.design.cell import make_cell
from bnstudy.design.fields import FIELDS, FORMS
from bnstudy.design.labels import labels, name
from bnstudy.errors import UsageError
from bnstudy.results.publication.kept import kept_epochs
from bnstudy.results.record import EARLY_COLUMNS, EPOCH_COLUMNS, LAYER_COLUMNS, Record

_TEXT, _INT, _REAL, _TRUTH = pa.string(), pa.int64(), pa.float64(), pa.bool_()
_COUNTS = pa.list_(pa.int32())
PROVENANCE = {
    "version": _TEXT, "source_digest": _TEXT, "commit": _TEXT, "dirty": _TRUTH, "engine": _TEXT, "data_digest": _TEXT,
    "data_source": _TEXT, "python": _TEXT, "os": _TEXT, "cores": _INT, "torch": _TEXT, "device": _TEXT, "cpu": _TEXT,
    "instruction_set": _TEXT, "threads": _INT, "gpu": _TEXT, "cuda": _TEXT, "cudnn": _INT, "driver": _TEXT,
    "environment": _TEXT,
}  # fmt: skip
"""The published part of a record's provenance, by the same names; recipe and precision are fields of the cell."""

WEIGHTS = ("last", "best")
TESTED = {"accuracy": _REAL, "loss": _REAL, "predicted": _COUNTS}
OUTCOME = {
    "outcome": _TEXT, "stopped": _TEXT, "epochs_run": _INT, "best_epoch": _INT, "first_batch_loss": _REAL,
    "diverged_epoch": _INT, "diverged_layer": _TEXT, "test_accuracy": _REAL, "test_images": _INT,
    **{f"test_{what}_{weights}": kind for weights in WEIGHTS for what, kind in TESTED.items()},
    "seconds": _REAL, "started": _TEXT, "attempts": _INT, "attempts_seconds": _REAL, "weights_digest": _TEXT,
    "record_digest": _TEXT, "diverged_step": _INT, "peak_memory": _INT,
}  # fmt: skip


def _type_of(field: str) -> pa.DataType:
    """Return the column type of a cell field; null is the field's default None."""
    form = FORMS[field]
    if form.is_list:
        return pa.list_(_INT)
    return {str: _TEXT, bool: _TRUTH, int: _INT, float: _REAL}[form.type]


LABELS = {"key": _TEXT, "seed": _INT, "name": _TEXT, "setting": _TEXT, "reading": _TEXT}
RUNS = pa.schema(LABELS | {f: _type_of(f) for f in FIELDS} | OUTCOME | PROVENANCE)
EPOCHS = pa.schema(
    {"key": _TEXT, "seed": _INT, "epoch": _INT} | dict.fromkeys(EPOCH_COLUMNS[1:-1], _REAL) | {"weights_digest": _TEXT}
)
LAYERS = pa.schema(
    {"key": _TEXT, "seed": _INT, "layer": _TEXT, "position": _INT, "size": _INT, "epoch": _INT}
    | dict.fromkeys(LAYER_COLUMNS, pa.float32())
)
EARLY = pa.schema(
    {"key": _TEXT, "seed": _INT, "layer": _TEXT, "position": _INT, "size": _INT, "step": _INT, "data_loss": _REAL}
    | dict.fromkeys(EARLY_COLUMNS, pa.float32())
)
CONFUSION = pa.schema({"key": _TEXT, "seed": _INT, "label": _INT, "answers": _COUNTS})
"""A row per class: how many of its test images were classified as each class."""

SCHEMAS = {"epochs": EPOCHS, "layers": LAYERS, "early": EARLY, "confusion": CONFUSION}
"""The tables of a run, in the order in which its digest takes them."""


@dataclass(frozen=True, slots=True)
class Published:
    """One run as published: `row` has the columns of RUNS and the digest, `tables` those of SCHEMAS; `layers` and
    `early` are sorted by layer, then epoch or step. Further columns of older or newer versions are kept, and a table
    that an older version did not write is empty."""

    row: dict[str, Any]
    tables: dict[str, pa.Table]

    @property
    def id(self) -> str:
        return f"{self.row['key']}/{self.row['seed']}"

    @property
    def digest(self) -> str:
        return self.row["digest"]

    @property
    def outcome(self) -> str:
        return self.row["outcome"]

    def is_whole(self) -> bool:
        """Return True if row and tables match the digest."""
        return self.digest == digest_of(self.row, self.tables)

    def verifies(self) -> bool:
        """Return True if it is whole and its fields give its key; False if the recipe has been bumped since."""
        try:
            cell = make_cell(_fields(self.row))
        except UsageError:
            return False
        return cell.key == self.row["key"] and self.is_whole()


def publish(record: Record, record_digest: str) -> Published:
    """Return the published form of a record; `record_digest` is the record's own."""
    tables = {
        "epochs": _epochs(record), "layers": _layers(record), "early": _early(record), "confusion": _confusion(record),
    }  # fmt: skip
    row = _plain(_row(record, record_digest))
    return Published(row | {"digest": digest_of(row, tables)}, tables)


def digest_of(row: dict[str, Any], tables: dict[str, pa.Table]) -> str:
    """Return SHA-256 over a published run's content. A null or an empty table counts as absent, so columns and tables
    added later change no digest."""
    content = {k: _finite(v) for k, v in row.items() if v is not None and k != "digest"}
    total = hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode())
    for table in (tables[grain] for grain in SCHEMAS):
        for column in sorted(set(table.column_names) - {"key", "seed"}):
            total.update(_bytes(column, table[column]))
    return total.hexdigest()


def _bytes(name: str, column: pa.ChunkedArray) -> bytes:
    if pa.types.is_floating(column.type):
        values = column.to_numpy()
        if np.isnan(values).all():
            return b""
        return name.encode() + b"\0" + np.where(np.isnan(values), np.float64("nan"), values).astype("<f8").tobytes()
    if pa.types.is_list(column.type):
        values = column.combine_chunks().flatten().to_numpy()
        return name.encode() + b"\0" + values.astype("<i8").tobytes() if len(values) else b""
    listed = column.to_pylist()
    return name.encode() + b"\0" + json.dumps(listed).encode() if any(v is not None for v in listed) else b""


def _finite(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with the types that Parquet gives back: 1 in a float column is 1.0."""
    return pa.Table.from_pylist([row], RUNS).to_pylist()[0]


def _row(r: Record, record_digest: str) -> dict[str, Any]:
    setting, reading = labels(r.cell)
    diverged = r.diverged_at or {}
    return {
        "key": r.cell.key, "seed": r.seed, "name": name(r.cell), "setting": setting, "reading": reading,
        **{field: getattr(r.cell, field) for field in FIELDS},
        "outcome": r.outcome, "stopped": r.stopped, "epochs_run": r.epochs_run, "best_epoch": r.best_epoch,
        "first_batch_loss": r.first_batch_loss,
        "diverged_epoch": diverged.get("epoch"), "diverged_layer": diverged.get("layer"),
        "test_accuracy": r.test_accuracy, "test_images": r.test["images"],
        **{f"test_{what}_{weights}": r.test[weights][what] for weights in WEIGHTS for what in TESTED},
        "seconds": float(np.nansum(np.asarray(r.epochs["seconds"][1:], float))),
        "started": r.started,
        "attempts": len(r.attempts), "attempts_seconds": sum(float(a.get("seconds", 0)) for a in r.attempts),
        "weights_digest": r.epochs["weights_digest"][-1], "record_digest": record_digest,
        "diverged_step": diverged.get("step"), "peak_memory": r.peak_memory,
        **{field: r.provenance.get(field) for field in PROVENANCE},
    }  # fmt: skip


def _epochs(r: Record) -> pa.Table:
    rows = r.epochs_run + 1
    columns: dict[str, Any] = {"key": [r.cell.key] * rows, "seed": [r.seed] * rows, **r.epochs}
    columns["weights_digest"] = [None] * (rows - 1) + r.epochs["weights_digest"][-1:]
    return pa.table([pa.array(columns[f.name], f.type) for f in EPOCHS], EPOCHS)


def _layers(r: Record) -> pa.Table:
    epochs = np.array(kept_epochs(r.epochs_run))
    shape = (r.epochs_run, len(r.layers["names"]))
    columns = _by_layer(r, "epoch", epochs)
    with np.errstate(over="ignore"):  # values beyond float32 become infinite, as when measured
        for column in LAYER_COLUMNS:
            values = np.asarray(r.layers.get(column, np.full(shape, np.nan)), np.float32)
            columns[column] = values[epochs - 1].T.ravel()  # by layer: neighbouring epochs compress well
    return _table(columns, LAYERS)


def _early(r: Record) -> pa.Table:
    if r.early is None:
        return EARLY.empty_table()
    columns = _by_layer(r, "step", r.early["step"]) | {
        "data_loss": np.tile(r.early["data_loss"], len(r.layers["names"]))
    }
    with np.errstate(over="ignore"):
        columns |= {c: np.asarray(r.early[c], np.float32).T.ravel() for c in EARLY_COLUMNS}
    return _table(columns, EARLY)


def _confusion(r: Record) -> pa.Table:
    rows = r.test.get("confusion", [])
    columns = {
        "key": [r.cell.key] * len(rows),
        "seed": [r.seed] * len(rows),
        "label": range(len(rows)),
        "answers": rows,
    }
    return _table(columns, CONFUSION)


def _by_layer(r: Record, what: str, numbers: Any) -> dict[str, Any]:
    """Return key, seed, layer and number of each row: a row per layer and number of `what`, by layer."""
    names = r.layers["names"]
    return {
        "key": np.repeat(r.cell.key, len(numbers) * len(names)),
        "seed": np.repeat(r.seed, len(numbers) * len(names)),
        "layer": np.repeat(names, len(numbers)),
        "position": np.repeat(np.arange(len(names)), len(numbers)),
        "size": np.repeat(r.layers["sizes"], len(numbers)),
        what: np.tile(numbers, len(names)),
    }


def _table(columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
    return pa.table([pa.array(columns[f.name], f.type, from_pandas=False) for f in schema], schema)


def restore(published: Published) -> Record:
    """Return the record of a verified run, without what was not published."""
    row = published.row
    return Record(
        cell=make_cell(_fields(row)),
        **{f: row[f] for f in ("seed", "outcome", "stopped", "epochs_run", "best_epoch", "first_batch_loss")},
        diverged_at=_diverged_at(row),
        test={
            "images": row["test_images"],
            **{weights: {what: row[f"test_{what}_{weights}"] for what in TESTED} for weights in WEIGHTS},
            **_restored_confusion(published.tables["confusion"]),
        },
        epochs=_restored_epochs(published.tables["epochs"]),
        layers=_restored_layers(published.tables["layers"]),
        early=_restored_early(published.tables["early"]),
        peak_memory=row.get("peak_memory"),
        attempts=[{"start": row["started"], "seconds": row["attempts_seconds"]}] if row["started"] else [],
        provenance={f: row[f] for f in (*PROVENANCE, "recipe", "precision") if row.get(f) is not None},
    )  # fmt: skip


def _diverged_at(row: dict[str, Any]) -> dict[str, Any] | None:
    found = {what: row.get(f"diverged_{what}") for what in ("epoch", "layer", "step")}
    return None if found["epoch"] is None else {what: value for what, value in found.items() if value is not None}


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    return {field: row[field] for field in FIELDS if row.get(field) is not None}


def _restored_epochs(table: pa.Table) -> dict[str, list[Any]]:
    columns = {c: table[c].to_pylist() for c in EPOCH_COLUMNS}
    return columns | {"weights_digest": [digest or "" for digest in columns["weights_digest"]]}


def _restored_layers(table: pa.Table) -> dict[str, Any]:
    names, sizes = _first(table, "layer"), _first(table, "size")
    measured = {c: _unravelled(table, c, len(names)) for c in LAYER_COLUMNS if c in table.column_names}
    return {"names": names, "sizes": sizes, "epoch": _unravelled(table, "epoch", len(names))[:, 0].tolist()} | measured


def _restored_early(table: pa.Table) -> dict[str, Any] | None:
    if not len(table):
        return None
    layers = len(_first(table, "layer"))
    head = {c: _unravelled(table, c, layers)[:, 0].tolist() for c in ("step", "data_loss")}
    return head | {c: _unravelled(table, c, layers) for c in EARLY_COLUMNS}


def _unravelled(table: pa.Table, column: str, layers: int) -> np.ndarray:
    """Return a column that is sorted by layer as [epoch or step][layer]."""
    return table[column].to_numpy().reshape(layers, -1).T


def _restored_confusion(table: pa.Table) -> dict[str, Any]:
    if not len(table):
        return {}
    return {"confusion": table["answers"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)}


def _first(table: pa.Table, column: str) -> list[Any]:
    """Return the value of a column for each layer, in forward order."""
    by_position = dict(zip(table["position"].to_pylist(), table[column].to_pylist(), strict=True))
    return [by_position[position] for position in sorted(by_position)]


def concatenated(tables: Iterable[pa.Table]) -> pa.Table:
    """Return one table of one chunk with all columns in one order, so that equal content gives equal bytes."""
    return pa.concat_tables(tables, promote_options="default").combine_chunks()
