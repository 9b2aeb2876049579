"""Records -> the long frames, which have a row per epoch, layer, step or class (see `frames.Frames`).

The columns of all records are joined once, as arrays: no table is walked by rows.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from bnstudy.results.record import EARLY_COLUMNS, EPOCH_COLUMNS, LAYER_COLUMNS, Record

EPOCH_TYPES = {
    "key": "str", "epoch": "int64", **dict.fromkeys(EPOCH_COLUMNS[1:-1], "float64"), "weights_digest": "str",
}  # fmt: skip


def epochs(records: list[Record]) -> pd.DataFrame:
    """Return the frame `epochs`."""
    lengths = [len(r.epochs["epoch"]) for r in records]
    columns: dict[str, Any] = {
        "key": np.repeat(np.array([r.cell.key for r in records], dtype=object), lengths),
        "seed": np.repeat(np.array([r.seed for r in records], dtype=np.int64), lengths),
    }
    for column in EPOCH_COLUMNS:
        columns[column] = [value for r in records for value in r.epochs[column]]
    return pd.DataFrame(columns).astype(EPOCH_TYPES)


def layers(records: list[Record]) -> pd.DataFrame:
    """Return the frame `layers`; NaN in columns that a record lacks."""
    shapes = [(len(r.layers["epoch"]), len(r.layers["names"])) for r in records]
    columns = _by_layer(records, "epoch", [r.layers["epoch"] for r in records])
    for column in LAYER_COLUMNS:
        columns[column] = _join(_measured(records, shapes, column), np.float32)
    return pd.DataFrame(columns)


def early(records: list[Record]) -> pd.DataFrame:
    """Return the frame `early` of records that have early steps."""
    tables = [r.early or {} for r in records]
    columns = _by_layer(records, "step", [early["step"] for early in tables])
    losses = (np.repeat(e["data_loss"], len(r.layers["names"])) for r, e in zip(records, tables, strict=True))
    columns["data_loss"] = _join(losses, np.float64)
    for column in EARLY_COLUMNS:
        columns[column] = _join((early[column] for early in tables), np.float32)
    return pd.DataFrame(columns)


def _by_layer(records: list[Record], what: str, numbers: list[list[int]]) -> dict[str, Any]:
    """Return key, seed, number and layer of each row; a record has a row per number of `what` and layer."""
    shapes = [(len(own), len(r.layers["names"])) for r, own in zip(records, numbers, strict=True)]
    rows = [count * layers for count, layers in shapes]
    keys, names = [r.cell.key for r in records], [r.layers["names"] for r in records]
    return {
        "key": _category(keys, np.repeat(np.arange(len(keys)), rows)),
        "seed": np.repeat(np.array([r.seed for r in records], dtype=np.int64), rows),
        what: _join((np.repeat(own, n) for own, (_, n) in zip(numbers, shapes, strict=True)), np.int64),
        "layer": _category(*_tiled_names(names, shapes)),
        "position": _join((np.tile(np.arange(n), e) for e, n in shapes), np.int64),
        "size": _join((np.tile(r.layers["sizes"], e) for r, (e, _) in zip(records, shapes, strict=True)), np.int64),
    }


def confusion(records: list[Record]) -> pd.DataFrame:
    """Return the frame `confusion`; records without one have no rows."""
    known = [r for r in records if "confusion" in r.test]
    counts = [np.asarray(r.test["confusion"], np.int64) for r in known]
    cells = [np.nonzero(matrix) for matrix in counts]
    rows = [len(labels) for labels, _ in cells]
    return pd.DataFrame(
        {
            "key": _category([r.cell.key for r in known], np.repeat(np.arange(len(known)), rows)),
            "seed": np.repeat(np.array([r.seed for r in known], dtype=np.int64), rows),
            "label": _join((labels for labels, _ in cells), np.int64),
            "answer": _join((answers for _, answers in cells), np.int64),
            "images": _join((matrix[at] for matrix, at in zip(counts, cells, strict=True)), np.int64),
        }
    )


def _measured(records: list[Record], shapes: list[tuple[int, int]], column: str) -> Iterator[np.ndarray]:
    for r, shape in zip(records, shapes, strict=True):
        yield r.layers[column] if column in r.layers else np.full(shape, np.nan, np.float32)


def _join(parts: Iterable[Any], dtype: Any) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *(np.ravel(part) for part in parts)]).astype(dtype, copy=False)


def _tiled_names(names: list[list[str]], shapes: list[tuple[int, int]]) -> tuple[list[str], np.ndarray]:
    """Return the distinct layer names, and for every row of the layers frame the index of its name."""
    known = list(dict.fromkeys(n for each in names for n in each))
    index = {n: i for i, n in enumerate(known)}
    codes = (np.tile([index[n] for n in each], e) for each, (e, _) in zip(names, shapes, strict=True))
    return known, _join(codes, np.int64)


def _category(values: list[str], positions: np.ndarray) -> pd.Categorical:
    """Return a column with sorted categories, so that equal records give equal frames; `positions` index `values`."""
    categories = sorted(set(values))
    order = np.array([categories.index(v) for v in values], dtype=np.int64)
    codes = order[positions] if len(values) else positions
    return pd.Categorical.from_codes(codes, categories=pd.Index(categories, dtype="str"))
