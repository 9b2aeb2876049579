"""Seeded changes of a file that know its structure: drop, duplicate, retype, nest, flip, truncate."""

import io
import json
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Mutation = Callable[[bytes, Random], bytes]

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**70), 0.5, 1e308, -1e-320, float("nan"), float("inf"), "", "nan",
    "inf", "../x", "\x1b[31m\n", "\ud800", "x" * 3000, "0" * 12, [], [[]], {}, {"a": 1}, [None] * 40,
)  # fmt: skip
TEXTS = (
    "", "null", "~", "-1", "1e3", "1.0e+400", "yes", '"\\0"', "[", "]", "{", "}", "[[[[[[[[[]]]]]]]]]", "&a", "*a",
    "!!int 3", "0x1F", "2024-01-01", "x" * 400, "\t", "\x07", "\ud7ff", "import os", "raise SystemExit(3)", "1 / 0",
    "'", ":", "- -", "#",
)  # fmt: skip


def raw(content: bytes, rng: Random) -> bytes:
    """Flip a bit, cut, drop, repeat or insert bytes, at places of any size."""
    if not content:
        return rng.randbytes(rng.randrange(1, 40))
    at, length = rng.randrange(len(content)), rng.choice((1, 2, 16, 300))
    how = rng.randrange(6)
    if how == 0:
        return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
    if how == 1:
        return content[:at]
    if how == 2:
        return content[:at] + content[at + length :]
    if how == 3:
        return content[: at + length] + content[at:]
    if how == 4:
        return content[:at] + rng.randbytes(length) + content[at:]
    return content[:at] + bytes(length) + content[at + length :]


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values within a JSON value; of long lists, the first, a middle and the last."""
    inside: list[Any] = []
    if isinstance(value, dict):
        inside = list(value)
    elif isinstance(value, list) and value:
        inside = sorted({0, len(value) // 2, len(value) - 1})
    return [at, *(place for key in inside for place in places(value[key], (*at, key)))]


def of_json(content: bytes, rng: Random) -> bytes:
    """Change one value or key of JSON."""
    whole = {"": json.loads(content)}
    *way, key = ("", *rng.choice(places(whole[""])))
    holder: Any = whole
    for step in way:
        holder = holder[step]
    how = rng.randrange(6)
    if how == 0 and way:
        del holder[key]
    elif how == 1:
        holder[key] = rng.choice(VALUES)
    elif how == 2:
        for _ in range(rng.choice((1, 2, 50))):
            holder[key] = [holder[key]] if rng.random() < 0.5 else {"a": holder[key]}
    elif how == 3 and isinstance(holder, list):
        holder.insert(rng.randrange(len(holder) + 1), holder[key])
    elif how == 4 and isinstance(holder, dict) and way:
        holder[rng.choice(("", "x", f"{key} ", "\x1b[31m", *holder))] = holder.pop(key)
    elif isinstance(holder[key], int | float):
        holder[key] = -holder[key] if rng.random() < 0.5 else holder[key] + 1
    else:
        twice = json.dumps(key) + ": " if isinstance(holder, dict) and way else ""
        text = json.dumps(whole[""])
        return text.replace(twice, f"{twice}1, {twice}", 1).encode() if twice else text.encode() * 2
    return json.dumps(whole[""]).encode()


def of_lines(content: bytes, rng: Random) -> bytes:
    """Drop, repeat, swap, indent or replace a line, a word or the value after a colon."""
    lines = content.decode("utf-8", "replace").split("\n")
    at = rng.randrange(len(lines))
    how = rng.randrange(7)
    if how == 0:
        del lines[at]
    elif how == 1:
        lines.insert(rng.randrange(len(lines)), lines[at])
    elif how == 2:
        other = rng.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    elif how == 3:
        lines[at] = " " * rng.randrange(1, 5) + lines[at] if rng.random() < 0.5 else lines[at].lstrip()
    elif how == 4:
        lines[at] = lines[at].partition(":")[0] + ": " + rng.choice(TEXTS)
    elif how == 5:
        words = lines[at].split(" ")
        words[rng.randrange(len(words))] = rng.choice(TEXTS)
        lines[at] = " ".join(words)
    else:
        lines[at] = lines[at] + rng.choice(TEXTS)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def of_npz(content: bytes, rng: Random) -> bytes:
    """Drop, repeat, rename, retype, reshape, edit or spoil a member of an .npz file."""
    with zipfile.ZipFile(io.BytesIO(content)) as stored:
        members = [(name, stored.read(name)) for name in stored.namelist()]
    at = rng.randrange(len(members))
    name, data = members[at]
    how = rng.randrange(7)
    if how == 0:
        del members[at]
    elif how == 1:
        members.append((name, raw(data, rng)))
    elif how == 2:
        members[at] = (rng.choice(("../x.npy", "x", name.upper(), "\x1b[31m.npy", members[0][0])), data)
    elif how == 3:
        members[at] = (name, raw(data, rng))
    elif how == 4:
        members[at] = (name, raw(data[:200], rng) + data[200:])
    else:
        members[at] = (name, _array(np.load(io.BytesIO(data), allow_pickle=False), rng))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as stored:
        for each, its in members:
            stored.writestr(each, its)
    return out.getvalue()


def _array(array: np.ndarray, rng: Random) -> bytes:
    if array.dtype.kind == "U" or rng.random() < 0.3:
        changed = rng.choice((array.reshape(-1), array[None], array[..., None], array[:0] if array.ndim else array))
    elif rng.random() < 0.5:
        changed = array.astype(
            rng.choice(("int8", "int64", "float64", "bool", "complex64", "U3", "m8[s]", ">i4", "object"))
        )
    else:
        changed = np.array(array)
        changed.flat[rng.randrange(changed.size)] ^= 1 << rng.randrange(8)
    out = io.BytesIO()
    np.lib.format.write_array(out, changed, allow_pickle=True)
    return out.getvalue()


def of_parquet(content: bytes, rng: Random) -> bytes:
    """Drop, repeat, rename, retype or edit a column; drop, repeat or shuffle rows."""
    table = pq.read_table(io.BytesIO(content))
    at = rng.randrange(table.num_columns)
    field = table.schema.field(at)
    how = rng.randrange(8)
    if how == 0:
        table = table.remove_column(at)
    elif how == 1:
        table = table.append_column(rng.choice((field.name, "more", "")), table.column(at))
    elif how == 2:
        names = table.column_names
        names[at] = rng.choice(("x", "key", "\x1b[31m", names[0]))
        table = table.rename_columns(names)
    elif how == 3:
        kind = rng.choice((pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.binary(), pa.list_(pa.int64())))
        table = table.set_column(at, field.name, _cast(table.column(at), kind))
    elif how == 4 and table.num_rows:
        order = list(range(table.num_rows))
        rng.shuffle(order)
        table = table.take(pa.array(order[: rng.choice((0, 1, len(order)))], pa.int64()))
    elif how == 5 and table.num_rows:
        table = pa.concat_tables([table, table.slice(rng.randrange(table.num_rows), 1)])
    elif table.num_rows:
        values = table.column(at).to_pylist()
        row = rng.randrange(len(values))
        values[row] = rng.choice((None, values[rng.randrange(len(values))], *VALUES))
        try:
            table = table.set_column(at, field, pa.chunked_array([pa.array(values, field.type)]))
        except (pa.ArrowException, OverflowError, UnicodeError, TypeError):
            table = table.slice(1)
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    try:
        return column.cast(kind)
    except (pa.ArrowException, NotImplementedError):
        return pa.chunked_array([pa.nulls(len(column), kind)])


def of_checkpoint(content: bytes, rng: Random) -> bytes:
    """Change the header, which is a line of JSON, or the payload."""
    header, _, payload = content.partition(b"\n")
    if rng.random() < 0.6:
        return of_json(header, rng) + b"\n" + payload
    return header + b"\n" + raw(payload, rng)
