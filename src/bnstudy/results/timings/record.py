"""A timing record: the raw timed epochs of one timing on one engine and kind of device, with its own digest."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bnstudy import disk, paths, small_json
from bnstudy.design.timing import Timing
from bnstudy.errors import DataError
from bnstudy.results import rounds
from bnstudy.results.record import digest_of

SCHEMA = 1
REDO = "Delete the file and time again with `bnstudy bench time`."

Body = dict[str, Any]
"""key, model, dataset, batch_size, engine, device (its kind), cells (key by norm), pixels (`real` or `random`), parts
(names, in the order of an epoch's lists), timed and full (images, steps, sampled steps, validation images), scaled,
pairs ({norm: {wall, cpu}} in seconds), rejected, load (average of a minute, before), provenance."""


def put(results: Path, body: Body) -> Path:
    """Store a timing record and return its path. Raises WriteError."""
    path = paths.timing(results, body["key"])
    body = body | {"schema": SCHEMA}
    text = json.dumps(body | {"digest": digest_of(body)}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    disk.write(path, text.encode() + b"\n")
    return path


def get(path: Path) -> Body:
    """Return the timing record at `path`. Raises DataError if it is absent or does not verify."""
    try:
        text = disk.read(path).decode()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a complete timing record ({type(error).__name__})", REDO) from error
    return from_text(text, path.stem, str(path))


def from_text(text: str, key: str, source: str) -> Body:
    """Return the timing record in `text`. Raises DataError, naming `source`, if it does not verify or match `key`."""
    try:
        body = small_json.parse(text, dict)
        claimed = body.pop("digest")
    except (ValueError, KeyError) as error:
        raise DataError(f"{source}: not a complete timing record ({type(error).__name__})", REDO) from error
    if claimed != digest_of(body) or body.pop("schema", None) != SCHEMA:
        raise DataError(f"{source}: the digest does not match the content", REDO)
    if body["key"] != key:
        raise DataError(f"{source}: holds the timing {body['key']}", REDO)
    return body


def put_manifest(results: Path, timing: Timing, made: Iterable[Path]) -> None:
    """Store the file that the DAG waits for: the records of one timing with their digests; without records if it could
    not be timed. Raises WriteError."""
    rows = [{"timing": path.stem, "digest": small_json.parse(disk.read(path), dict)["digest"]} for path in made]
    text = json.dumps({"timing": timing.id, "records": rows}, indent=1, sort_keys=True)
    disk.write(paths.timed(results, timing.id), text.encode() + b"\n")


def is_made(results: Path, timing: Timing, since: float | None = None) -> bool:
    """Return True if a timing counts as done: its manifest was written (at or after `since`, in seconds since 1970) and
    the records it names exist. Published timings never count: they are another machine's. Takes a stat per record."""
    manifest = paths.timed(results, timing.id)
    if rounds.written(manifest, since) is None:
        return False
    try:
        named = [paths.timing(results, row["timing"]) for row in small_json.read(manifest, dict)["records"]]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(named) and all(path.exists() for path in named)


def stored(results: Path, timings: Iterable[Timing]) -> Iterator[Path]:
    """Return the paths of the existing records of these timings."""
    files = (paths.timing(results, key) for timing in timings for key in timing.record_keys())
    return (file for file in files if file.exists())
