"""Published timings: each timing record as text, beside its rows of the frame.

The rows are for readers; only the record is read back, and verified by its own digest.
"""

import io
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from bnstudy.design.cell import Cell
from bnstudy.design.timing import shown
from bnstudy.errors import DataError
from bnstudy.results import digests
from bnstudy.results.publication import files
from bnstudy.results.timings import record
from bnstudy.results.timings.record import Body

if TYPE_CHECKING:
    import pandas as pd

TEXT = "record"
"""Column with the timing record's text: the same in all of its rows."""


def texts(results: Path) -> dict[str, str]:
    """Return the published timing records as text by key, unverified. Raises DataError if the file is damaged."""
    if not digests.lists(files.folder(results), "timings.parquet", digests.RESTORE):
        return {}
    table = files.table(results, "timings", ["timing", TEXT]).to_pydict()
    return dict(zip(table["timing"], table[TEXT], strict=True))


def bodies(results: Path, keys: Collection[str], say: Callable[[str], None]) -> list[Body]:
    """Return the published timing records with these keys; one that does not verify is reported and left out."""
    found = []
    for key, text in texts(results).items():
        if key in keys:
            try:
                found.append(record.from_text(text, key, f"published timing {key}"))
            except DataError as error:
                say(f"bnstudy: {error.cause}")
    return found


def collect(results: Path, cells: Iterable[Cell], say: Callable[[str], None]) -> "pd.DataFrame":
    """Return the frame `timings` for a report on these cells, of own records, else published ones.

    A record that does not verify is reported and left out.
    """
    from bnstudy.results.timings import frame

    found, wanted = [], shown(cells)
    for file in record.stored(results, wanted):
        try:
            found.append(record.get(file))
        except DataError as error:
            say(f"bnstudy: {error.cause}")
    rest = {key for timing in wanted for key in timing.record_keys()} - {body["key"] for body in found}
    return frame.build([*found, *bodies(results, rest, say)])


def content(published: dict[str, str]) -> bytes:
    """Return the bytes of the file: COLUMNS of the frame, `timing` and TEXT; equal for equal records."""
    from bnstudy.results.timings import frame

    tables = []
    for key, text in sorted(published.items()):
        rows = frame.build([record.from_text(text, key, f"published timing {key}")])
        tables.append(pa.Table.from_pandas(rows.assign(timing=key, record=text), preserve_index=False))
    sink = io.BytesIO()
    table = pa.concat_tables(tables).combine_chunks().replace_schema_metadata()
    pq.write_table(table, sink, compression="zstd", compression_level=19, write_statistics=False)
    return sink.getvalue()
