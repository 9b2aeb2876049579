"""The published Parquet files: a table of runs, and one for each of `rows.SCHEMAS`.

Equal content gives equal bytes, whatever the order in which it was merged.
"""

import io
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bnstudy import paths
from bnstudy.design.fields import FIELDS
from bnstudy.errors import UsageError
from bnstudy.results import digests, parquet
from bnstudy.results.digests import RESTORE
from bnstudy.results.parquet import Form
from bnstudy.results.publication.rows import RUNS, SCHEMAS, Published, concatenated

TABLES = (*SCHEMAS, "runs")  # written in this order: a run without its row in `runs` is not published
LATER = ("early", "confusion")
"""Tables that earlier versions did not publish; their runs are whole without them."""

FORMS = {
    "runs": Form(
        pa.schema([*RUNS, pa.field("digest", pa.string())]), ("key", "seed"),
        later=frozenset({*FIELDS, "diverged_step", "peak_memory", "environment"} - {"dataset", "model", "norm"}),
        more=True,
    ),
    "epochs": Form(SCHEMAS["epochs"], ("key", "seed", "epoch"), more=True),
    "layers": Form(SCHEMAS["layers"], ("key", "seed", "position", "epoch"), more=True),
    "early": Form(SCHEMAS["early"], ("key", "seed", "position", "step"), more=True),
    "confusion": Form(SCHEMAS["confusion"], ("key", "seed", "label"), more=True),
    "timings": Form(pa.schema({"timing": pa.string(), "record": pa.string()}), (), more=True),
}  # fmt: skip
"""What each file must look like; of timings, the part that is read."""

LARGEST = 25 * 2**20
"""Largest total size of the published files in bytes: they are under version control."""

Runs = dict[tuple[str, int], Published]

SPREAD = ("data_loss", "train_accuracy", "validation_accuracy", "validation_loss", "seconds")
"""Columns of `epochs` whose values hardly ever repeat; lr and penalty have few values."""


def read(results: Path) -> Runs:
    """Return all published runs, unverified; none if nothing is published. Raises DataError if a file is damaged."""
    if not digests.lists(folder(results), "runs.parquet", RESTORE):
        return {}
    rows = {(row["key"], row["seed"]): row for row in table(results, "runs").to_pylist()}
    parts = {name: dict(_split(_grown(results, name))) for name in SCHEMAS}
    empty = {name: schema.empty_table() for name, schema in SCHEMAS.items()}
    return {
        run: Published(row, {name: parts[name].get(run, empty[name]) for name in SCHEMAS}) for run, row in rows.items()
    }


def _grown(results: Path, name: str) -> pa.Table:
    """Return a published table of SCHEMAS; empty if an earlier version did not write its file."""
    file = paths.published(results, name)
    absent = name in LATER and not digests.lists(file.parent, file.name, RESTORE)
    return SCHEMAS[name].empty_table() if absent else table(results, name)


def index(results: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """See `publication.index`. Raises DataError if there is no such file or it is damaged."""
    rows = table(results, "runs", ["key", "seed", "recipe", "outcome", "digest", "device", "cpu", "gpu"]).to_pylist()
    return {(row["key"], row["seed"]): row for row in rows}


def table(results: Path, name: str, columns: list[str] | None = None) -> pa.Table:
    """Return a published table, or some of its columns. Raises DataError if its file is absent or damaged."""
    return parquet.read(folder(results), name, FORMS[name], RESTORE, columns)


def folder(results: Path) -> Path:
    return paths.published(results, "runs").parent


def _split(table: pa.Table) -> Iterator[tuple[tuple[str, int], pa.Table]]:
    """Yield each run's part of the table: consecutive rows of one key and seed."""
    if not len(table):
        return
    table = table.combine_chunks()
    codes, seeds = table["key"].chunk(0).dictionary_encode().indices.to_numpy(), table["seed"].to_numpy()
    changes = np.flatnonzero((np.diff(codes) != 0) | (np.diff(seeds) != 0)) + 1
    bounds = [0, *changes.tolist(), len(table)]
    for start, end in pairwise(bounds):
        run = (table["key"][start].as_py(), table["seed"][start].as_py())
        yield run, table.slice(start, end - start)


def write(results: Path, runs: Runs) -> dict[str, int]:
    """Replace all published runs by these, each file whole or not at all, and return the bytes by file. Raises
    WriteError, and UsageError if the files would be too large."""
    contents = {name: content(name, runs.values()) for name in TABLES}
    check_size(results, contents)
    put(results, contents)
    return {name: len(written) for name, written in contents.items()}


def put(results: Path, contents: dict[str, bytes]) -> None:
    """Write these files with their digests. Raises WriteError."""
    files = {paths.published(results, name).name: written for name, written in contents.items()}
    digests.put(folder(results), files, digests.stated(folder(results), RESTORE), one_by_one=True)


def check_size(results: Path, contents: dict[str, bytes]) -> None:
    """Raise UsageError if these, with the published files that stay, are larger than LARGEST."""
    others = [p for p in folder(results).glob("*.parquet") if p.stem not in contents]
    total = sum(map(len, contents.values())) + sum(path.stat().st_size for path in others)
    if total > LARGEST:
        raise UsageError(
            f"publish: {total / 2**20:.1f} MiB, above the limit of {LARGEST / 2**20:.0f} MiB for published files",
            "Publish fewer runs: --study, --where, --seeds.",
        )


def content(name: str, runs: Iterable[Published]) -> bytes:
    """Return the bytes of one file."""
    ordered = sorted(runs, key=lambda p: (p.row["model"], p.row["dataset"], p.row["key"], p.row["seed"]))
    table = _runs(ordered) if name == "runs" else _grain(name, ordered)
    sink = io.BytesIO()
    spread = [f.name for f in table.schema if f.type == pa.float32() or f.name in SPREAD]
    pq.write_table(
        table, sink, compression="zstd", compression_level=19, row_group_size=1 << 24, data_page_size=1 << 22,
        use_dictionary=cast(Any, [f for f in _leaves(table.schema) if f not in spread]),
        column_encoding=dict.fromkeys(spread, "BYTE_STREAM_SPLIT") if name != "runs" else None,
        write_statistics=False,
    )  # fmt: skip
    return sink.getvalue()


def _leaves(schema: pa.Schema) -> list[str]:
    return [f"{f.name}.list.element" if pa.types.is_list(f.type) else f.name for f in schema]


def _runs(ordered: list[Published]) -> pa.Table:
    """Return the table of runs; columns that only a later version knows follow the known ones."""
    known = [*RUNS, pa.field("digest", pa.string())]
    more = sorted({column for p in ordered for column in p.row} - {f.name for f in known})
    extra = [pa.field(c, pa.array([p.row.get(c) for p in ordered]).type) for c in more]
    return pa.Table.from_pylist([p.row for p in ordered], pa.schema([*known, *extra]))


def _grain(name: str, ordered: list[Published]) -> pa.Table:
    schema = SCHEMAS[name]
    table = concatenated([schema.empty_table(), *(p.tables[name] for p in ordered)])
    return table.select([*schema.names, *sorted(set(table.column_names) - set(schema.names))])
