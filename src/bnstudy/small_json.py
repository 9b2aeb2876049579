"""The one reader of JSON: of a file or text that may be damaged, hostile, or of another type than expected.

A value is returned only if it has the expected type and neither an object with a key twice nor a constant that is not
JSON (NaN). Everything else is one error, ValueError, whatever the parser raises. Stdlib only.
"""

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TypeVar

MOST = 1 << 20
"""Bytes of the largest small file; ours have a few thousand."""

Kind = TypeVar("Kind", dict[str, Any], list[Any])


def parse(text: str | bytes, kind: type[Kind]) -> Kind:
    """Return the object or list in `text`. Raises ValueError."""
    try:
        whole = text if isinstance(text, str) else text.decode()
        found = json.loads(whole, object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if type(found) is not kind:
        raise ValueError(f"not {'an object' if kind is dict else 'a list'}")
    return found


def read(path: Path, kind: type[Kind], most: int = MOST) -> Kind:
    """Return the object or list in a file of at most `most` bytes. Raises OSError, also if it is a pipe or a device;
    ValueError."""
    return parse(content(path, most), kind)


def content(path: Path, most: int = MOST) -> bytes:
    """Return the content of a regular file. Raises OSError, also if it is a pipe or a device; ValueError if it has more
    than `most` bytes."""
    with regular(path) as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise ValueError(f"larger than {most:,} bytes")
    return found


@contextlib.contextmanager
def regular(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading. Raises OSError, also if it is a pipe or a device, which could be read forever."""
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "not a regular file", str(path))
        yield file


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
