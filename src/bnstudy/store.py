"""Every disk effect on results: atomic writes, records, checkpoints. No other module writes there.

A file appears whole or not at all: temporary file beside it, fsync, rename, fsync of the folder. What does
not verify is moved aside and reported, never used. Stdlib only.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bnstudy import paths
from bnstudy.cell import KEY_PATTERN, Run
from bnstudy.errors import DataError, WriteError
from bnstudy.record import Record


def write(path: Path, content: bytes) -> None:
    """Put `content` at `path` atomically and durably. Raises WriteError naming the file and the reason."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise WriteError(
            f"{path}: cannot be written ({error.strerror})",
            "Free space or make the folder writable, then run the same command again; nothing finished is lost.",
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file if it is there. Raises WriteError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise WriteError(f"{path}: cannot be removed ({error.strerror})", "Make the folder writable.") from error


def move_aside(path: Path) -> Path:
    """Rename a file that does not verify to `<name>.bad`, so that it is kept but never read as what it claims."""
    aside = path.with_name(path.name + ".bad")
    try:
        path.replace(aside)
    except OSError as error:
        raise WriteError(f"{path}: cannot be moved aside ({error.strerror})", "Make the folder writable.") from error
    return aside


# records


def put_record(results: Path, record: Record) -> Path:
    path = paths.record(results, record.cell.key, record.seed)
    write(path, record.to_text().encode())
    return path


def get_record(results: Path, run: Run) -> Record | None:
    """The stored record of a run, verified, or None. Raises DataError if one is there but is not that run's."""
    path = paths.record(results, run.cell.key, run.seed)
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})", "Make the file readable.") from error
    record = Record.from_text(text, str(path))
    if (record.cell, record.seed) != run:
        raise DataError(f"{path}: holds the record of {record.cell.key}/{record.seed}", "Delete it and train again.")
    return record


def find_records(results: Path, key: str) -> list[Record]:
    """All stored records of a cell key, by seed; a word that is no key has none. Raises DataError on a bad one."""
    folder = results / "records" / key
    if not re.fullmatch(KEY_PATTERN, key) or not folder.is_dir():
        return []
    files = sorted(folder.glob("*.json"), key=lambda f: (len(f.stem), f.stem))
    return [Record.from_text(file.read_text(), str(file)) for file in files]


def record_digest(results: Path, run: Run) -> str:
    """The digest that stands in a stored record."""
    return json.loads(paths.record(results, run.cell.key, run.seed).read_text())["digest"]


def get_records(results: Path, runs: Iterable[Run]) -> Iterator[tuple[Run, Record | DataError | None]]:
    """Each run with its record, with None if there is none, or with the error if it does not verify."""
    for run in runs:
        try:
            yield run, get_record(results, run)
        except DataError as error:
            yield run, error


# manifests: what a pack's job leaves behind for the DAG


def put_manifest(results: Path, pack: str, rows: list[dict[str, Any]]) -> None:
    text = json.dumps({"pack": pack, "runs": rows}, indent=1, sort_keys=True)
    write(paths.manifest(results, pack), text.encode() + b"\n")


# checkpoints: two generations, each with its own digest and the fingerprint of what may continue it


def put_checkpoint(results: Path, run: Run, fingerprint: dict[str, Any], payload: bytes) -> None:
    """Keep `payload` as the newest of two generations."""
    newest, older = paths.checkpoints(results, run.cell.key, run.seed)
    header = {"fingerprint": fingerprint, "digest": hashlib.sha256(payload).hexdigest()}
    if newest.exists():
        try:
            newest.replace(older)
        except OSError as error:
            raise WriteError(f"{newest}: cannot be renamed ({error.strerror})", "Make the folder writable.") from error
    write(newest, json.dumps(header, sort_keys=True).encode() + b"\n" + payload)


def get_checkpoint(results: Path, run: Run, fingerprint: dict[str, Any]) -> bytes | None:
    """The newest payload whose digest verifies and whose fingerprint is this one, or None."""
    for path in paths.checkpoints(results, run.cell.key, run.seed):
        try:
            header, _, payload = path.read_bytes().partition(b"\n")
            claims = json.loads(header)
            whole = claims["digest"] == hashlib.sha256(payload).hexdigest()
            if whole and claims["fingerprint"] == fingerprint:
                return payload
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def drop_checkpoints(results: Path, run: Run) -> None:
    for path in paths.checkpoints(results, run.cell.key, run.seed):
        remove(path)
    with contextlib.suppress(OSError):
        paths.checkpoints(results, run.cell.key, run.seed)[0].parent.rmdir()
