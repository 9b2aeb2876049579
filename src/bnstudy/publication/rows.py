"""One published run: a record without what nobody needs from afar, as a row and two small tables with one digest.

What is left out: the weights digests of all epochs but the last, the statistics of layers of most epochs from the
20th on, hosts. Everything else comes back as it was, so frames of published runs equal those of records.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bnstudy.cell import FIELDS, FORMS, make_cell
from bnstudy.errors import UsageError
from bnstudy.labels import labels, name
from bnstudy.publication import kept_epochs
from bnstudy.record import EPOCH_COLUMNS, LAYER_COLUMNS, Record

_TEXT, _INT, _REAL, _TRUTH = pa.string(), pa.int64(), pa.float64(), pa.bool_()
_COUNTS = pa.list_(pa.int32())
PROVENANCE = {
    "version": _TEXT, "source_digest": _TEXT, "commit": _TEXT, "dirty": _TRUTH, "engine": _TEXT, "data_digest": _TEXT,
    "data_source": _TEXT, "python": _TEXT, "os": _TEXT, "cores": _INT, "torch": _TEXT, "device": _TEXT, "cpu": _TEXT,
    "instruction_set": _TEXT, "threads": _INT, "gpu": _TEXT, "cuda": _TEXT, "cudnn": _INT, "driver": _TEXT,
}  # fmt: skip
"""Of a record's provenance, under the same names; its recipe and precision are fields of the cell."""

WEIGHTS = ("last", "best")
TESTED = {"accuracy": _REAL, "loss": _REAL, "predicted": _COUNTS}
OUTCOME = {
    "outcome": _TEXT, "stopped": _TEXT, "epochs_run": _INT, "best_epoch": _INT, "first_batch_loss": _REAL,
    "diverged_epoch": _INT, "diverged_layer": _TEXT, "test_accuracy": _REAL, "test_images": _INT,
    **{f"test_{what}_{weights}": kind for weights in WEIGHTS for what, kind in TESTED.items()},
    "seconds": _REAL, "started": _TEXT, "attempts": _INT, "attempts_seconds": _REAL, "weights_digest": _TEXT,
    "record_digest": _TEXT,
}  # fmt: skip


def _type_of(field: str) -> pa.DataType:
    """The column type of a cell field; null stands for the field's default of none."""
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


@dataclass(frozen=True, slots=True)
class Published:
    """One run as published: `row` by RUNS and with its digest, `epochs` by EPOCHS, `layers` by LAYERS (by layer, then
    epoch). Columns that an older or newer version has beside those are kept."""

    row: dict[str, Any]
    epochs: pa.Table
    layers: pa.Table

    @property
    def id(self) -> str:
        return f"{self.row['key']}/{self.row['seed']}"

    @property
    def digest(self) -> str:
        return self.row["digest"]

    def is_whole(self) -> bool:
        """Whether row and tables are those that were published."""
        return self.digest == digest_of(self.row, self.epochs, self.layers)

    def verifies(self) -> bool:
        """Whether it is whole, and the run of its key today: a recipe that was bumped leaves it behind."""
        try:
            cell = make_cell(_fields(self.row))
        except UsageError:
            return False
        return cell.key == self.row["key"] and self.is_whole()


def publish(record: Record, record_digest: str) -> Published:
    """The published form of a record, whose own digest is given."""
    epochs, layers = _epochs(record), _layers(record)
    row = _plain(_row(record, record_digest))
    return Published(row | {"digest": digest_of(row, epochs, layers)}, epochs, layers)


def digest_of(row: dict[str, Any], epochs: pa.Table, layers: pa.Table) -> str:
    """SHA-256 over a published run's content. What is null counts as absent, so a later column moves no digest."""
    content = {k: _finite(v) for k, v in row.items() if v is not None and k != "digest"}
    total = hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode())
    for table in (epochs, layers):
        for column in sorted(set(table.column_names) - {"key", "seed"}):
            total.update(_bytes(column, table[column]))
    return total.hexdigest()


def _bytes(name: str, column: pa.ChunkedArray) -> bytes:
    if pa.types.is_floating(column.type):
        values = column.to_numpy()
        if np.isnan(values).all():
            return b""
        return name.encode() + b"\0" + np.where(np.isnan(values), np.float64("nan"), values).astype("<f8").tobytes()
    listed = column.to_pylist()
    return name.encode() + b"\0" + json.dumps(listed).encode() if any(v is not None for v in listed) else b""


def _finite(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """The row as Parquet gives it back, types and all: 1 in a column of decimals is 1.0."""
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
        **{field: r.provenance.get(field) for field in PROVENANCE},
    }  # fmt: skip


def _epochs(r: Record) -> pa.Table:
    rows = r.epochs_run + 1
    columns: dict[str, Any] = {"key": [r.cell.key] * rows, "seed": [r.seed] * rows, **r.epochs}
    columns["weights_digest"] = [None] * (rows - 1) + r.epochs["weights_digest"][-1:]
    return pa.table([pa.array(columns[f.name], f.type) for f in EPOCHS], EPOCHS)


def _layers(r: Record) -> pa.Table:
    epochs, names = np.array(kept_epochs(r.epochs_run)), r.layers["names"]
    shape = (r.epochs_run, len(names))
    columns: dict[str, Any] = {
        "key": np.repeat(r.cell.key, len(epochs) * len(names)),
        "seed": np.repeat(r.seed, len(epochs) * len(names)),
        "layer": np.repeat(names, len(epochs)),
        "position": np.repeat(np.arange(len(names)), len(epochs)),
        "size": np.repeat(r.layers["sizes"], len(epochs)),
        "epoch": np.tile(epochs, len(names)),
    }
    with np.errstate(over="ignore"):  # beyond float32 is infinite, as it was where it was measured
        for column in LAYER_COLUMNS:
            values = np.asarray(r.layers.get(column, np.full(shape, np.nan)), np.float32)
            columns[column] = values[epochs - 1].T.ravel()  # by layer: neighbours in time pack well
    return pa.table([pa.array(columns[f.name], f.type, from_pandas=False) for f in LAYERS], LAYERS)


def restore(published: Published) -> Record:
    """The record of a run that verifies, as far as it was published."""
    row = published.row
    return Record(
        cell=make_cell(_fields(row)),
        **{f: row[f] for f in ("seed", "outcome", "stopped", "epochs_run", "best_epoch", "first_batch_loss")},
        diverged_at=(
            None if row["diverged_epoch"] is None
            else {"epoch": row["diverged_epoch"], "layer": row["diverged_layer"]}
        ),
        test={
            "images": row["test_images"],
            **{weights: {what: row[f"test_{what}_{weights}"] for what in TESTED} for weights in WEIGHTS},
        },
        epochs=_restored_epochs(published.epochs),
        layers=_restored_layers(published.layers),
        attempts=[{"start": row["started"], "seconds": row["attempts_seconds"]}] if row["started"] else [],
        provenance={f: row[f] for f in (*PROVENANCE, "recipe", "precision") if row.get(f) is not None},
    )  # fmt: skip


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    return {field: row[field] for field in FIELDS if row.get(field) is not None}


def _restored_epochs(table: pa.Table) -> dict[str, list[Any]]:
    columns = {c: table[c].to_pylist() for c in EPOCH_COLUMNS}
    return columns | {"weights_digest": [digest or "" for digest in columns["weights_digest"]]}


def _restored_layers(table: pa.Table) -> dict[str, Any]:
    names, sizes = _first(table, "layer"), _first(table, "size")
    shape = (len(names), -1)
    epoch = table["epoch"].to_numpy().reshape(shape)[0].tolist()
    measured = {c: table[c].to_numpy().reshape(shape).T for c in LAYER_COLUMNS if c in table.column_names}
    return {"names": names, "sizes": sizes, "epoch": epoch} | measured


def _first(table: pa.Table, column: str) -> list[Any]:
    """The value of a column for each layer, in forward order."""
    by_position = dict(zip(table["position"].to_pylist(), table[column].to_pylist(), strict=True))
    return [by_position[position] for position in sorted(by_position)]


def concatenated(tables: Iterable[pa.Table]) -> pa.Table:
    """One table of one chunk, with the columns of all in one order, so that equal content gives equal bytes."""
    return pa.concat_tables(tables, promote_options="default").combine_chunks()
