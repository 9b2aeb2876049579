"""Parquet files whose digest, columns and rows are checked before they are used: frames and published tables."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bnstudy.errors import DataError
from bnstudy.results import digests


@dataclass(frozen=True)
class Form:
    """What a table must look like.

    columns   their types; a string may be large, a category is a string
    unique    columns that no two rows share the values of
    later     columns that earlier versions of the program did not write: if absent, they are null
    more      True if columns that only a later version knows are kept
    """

    columns: pa.Schema
    unique: tuple[str, ...]
    later: frozenset[str] = frozenset()
    more: bool = False

    def fault_of(self, found: pa.Schema) -> str:
        """Return what is wrong with the columns, or an empty string."""
        for column in self.columns:
            if column.name not in found.names:
                if column.name not in self.later:
                    return f"the column {column.name} is missing"
            elif found.names.count(column.name) > 1:
                return f"the column {column.name} is there twice"
            elif (kind := _plain(found.field(column.name).type)) != _plain(column.type):
                return f"the column {column.name} has the type {kind} instead of {_plain(column.type)}"
        if more := [name for name in found.names if name not in self.columns.names and not self.more]:
            return f"unknown column {more[0]!a}"
        return ""


def _plain(kind: pa.DataType) -> pa.DataType:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.string() if pa.types.is_large_string(value) else value


def read(folder: Path, name: str, form: Form, remedy: str, columns: list[str] | None = None) -> pa.Table:
    """Return the table `<name>.parquet`, or some of its columns. Raises DataError, naming the file."""
    path = folder / f"{name}.parquet"
    content = digests.read(folder, path.name, remedy)
    try:
        file = pq.ParquetFile(BytesIO(content))
        if fault := form.fault_of(file.schema_arrow):
            raise DataError(f"{path}: {fault}", remedy)
        table = file.read(columns=columns)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read ({type(error).__name__})", remedy) from error
    if form.unique and _repeats(table, form.unique):
        raise DataError(f"{path}: two rows of the same {', '.join(form.unique)}", remedy)
    for column in form.columns if columns is None else ():
        if column.name not in table.column_names:
            table = table.append_column(column, pa.nulls(len(table), column.type))
    return table.replace_schema_metadata(form.columns.metadata)  # pandas parses that of the file as JSON


def _repeats(table: pa.Table, unique: tuple[str, ...]) -> bool:
    columns = [table[name] for name in unique]
    plain = [column.cast(_plain(column.type)) for column in columns]
    return len(pa.table(plain, list(unique)).group_by(list(unique)).aggregate([])) < len(table)
