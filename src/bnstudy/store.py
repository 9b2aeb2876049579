"""Every disk effect on results: atomic writes, records, checkpoints. No other module writes what a run leaves there;
`dag` clears notes of Snakemake's that are outdated, and sets times that a clock has put wrong.

A file appears whole or not at all: temporary file beside it, fsync, rename, fsync of the folder. What does
not verify is moved aside and reported, never used. Stdlib only.
"""

import contextlib
import hashlib
import json
import os
import re
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bnstudy import lock, paths
from bnstudy.cell import KEY_PATTERN, Run
from bnstudy.errors import DataError, Unreadable, WriteError
from bnstudy.lock import lives
from bnstudy.record import Record

disk: Any = os
"""The system calls below, and the one seam for fault tests: what stands here instead may let the N-th call fail."""

FRESH = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
PLAIN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe in place of a file reads as empty instead of waiting
CHUNK = 1 << 24
HEADER = 1 << 16  # bytes of the longest header of a checkpoint


def write(path: Path, content: bytes) -> None:
    """Put `content` at `path` atomically and durably. Raises WriteError naming the file and the reason."""
    try:
        _make_folder(path.parent)
        _sweep(path)
        _put(path, content)
    except OSError as error:
        raise _failed(path, "written", error) from error


def remove(path: Path) -> None:
    """Remove a file if it is there. Raises WriteError."""
    try:
        disk.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise _failed(path, "removed", error) from error


def move_aside(path: Path) -> Path:
    """Rename a file that does not verify to `<name>.bad`, so that it is kept but never read as what it claims."""
    aside = path.with_name(path.name + ".bad")
    try:
        disk.replace(path, aside)
        _sync(path.parent)
    except OSError as error:
        raise _failed(path, "moved aside", error) from error
    return aside


def _failed(path: Path, done: str, error: OSError) -> WriteError:
    return WriteError(
        f"{path}: cannot be {done} ({error.strerror or error})",
        "Free space or make the folder writable, then run the same command again; nothing finished is lost.",
    )


def _read(path: Path) -> bytes:
    descriptor, chunks = disk.open(path, PLAIN), []
    try:
        while chunk := disk.read(descriptor, CHUNK):
            chunks.append(chunk)
    finally:
        disk.close(descriptor)
    return b"".join(chunks)


def _put(path: Path, content: bytes, older: Path | None = None) -> None:
    """Write beside `path`, then rename. What stood at `path` becomes `older`, if that is given."""
    temporary = path.with_name(f"{_temporaries(path)}{os.getpid()}.tmp")
    try:
        _fill(temporary, content)
        if older:
            with contextlib.suppress(FileNotFoundError):
                disk.replace(path, older)
        disk.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            disk.unlink(temporary)
        raise
    _sync(path.parent)


def _fill(path: Path, content: bytes) -> None:
    descriptor, rest = disk.open(path, FRESH, 0o666), memoryview(content)
    try:
        while rest:
            rest = rest[disk.write(descriptor, rest) :]
        disk.fsync(descriptor)
    finally:
        disk.close(descriptor)


def _sync(folder: Path) -> None:
    descriptor = disk.open(folder, PLAIN)
    try:
        disk.fsync(descriptor)
    finally:
        disk.close(descriptor)


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it; their names are made durable as a file's is."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):  # another process was faster
        disk.mkdir(folder)
    _sync(folder.parent)


def _temporaries(path: Path) -> str:
    """How the temporary files of this machine for `path` begin; the rest is the writer's pid."""
    return f".{path.name}.{socket.gethostname()}."


def _sweep(path: Path) -> None:
    """Remove what writers of `path` that were killed on this machine left beside it."""
    start = _temporaries(path)
    for entry in disk.listdir(path.parent):
        pid = entry.removeprefix(start).removesuffix(".tmp")
        if entry == f"{start}{pid}.tmp" and pid.isdigit() and not lives(int(pid)):
            with contextlib.suppress(OSError):
                disk.unlink(path.with_name(entry))


# records


def open_results(results: Path) -> None:
    """Make the folder of results. From here on it has to be there: nothing below makes it again. Raises WriteError."""
    try:
        _make_folder(results)
    except OSError as error:
        raise _failed(results, "made", error) from error


def check_locks(results: Path) -> None:
    """Refuse a folder where locks exclude nobody, here or between the machines at work. Raises WriteError."""
    lock.probe(paths.lock(results, "probe"))
    lock.check_reach(paths.lock(results, "run"))


def _inside(results: Path) -> None:
    """Refuse to make half a tree where the whole one has been renamed or removed during training."""
    if not results.is_dir():
        raise WriteError(f"{results}: is not there any more", "Bring the folder back, then run the same command again.")


def put_record(results: Path, record: Record) -> Path:
    """Store a record and read it back; its path. Raises WriteError, DataError if what was read does not verify."""
    path = paths.record(results, record.cell.key, record.seed)
    _inside(results)
    write(path, record.to_text().encode())
    get_record(results, record.run)
    return path


def get_record(results: Path, run: Run) -> Record | None:
    """The stored record of a run, verified, or None.

    Raises DataError if one is there but is not that run's, Unreadable if the system cannot read it.
    """
    try:
        return _stored(paths.record(results, run.cell.key, run.seed), run.cell.key, run.seed)
    except (FileNotFoundError, NotADirectoryError):
        return None


def find_records(results: Path, key: str) -> list[Record]:
    """All stored records of a cell key, by seed; a word that is no key has none. Raises DataError on a bad one."""
    folder = results / "records" / key
    if not re.fullmatch(KEY_PATTERN, key) or not folder.is_dir():
        return []
    seeds = sorted(int(file.stem) for file in folder.glob("*.json") if re.fullmatch(r"0|[1-9]\d*", file.stem))
    return [_stored(paths.record(results, key, seed), key, seed) for seed in seeds]


def _stored(path: Path, key: str, seed: int) -> Record:
    """The record at a path that is that of this key and seed. Raises DataError, Unreadable, FileNotFoundError."""
    try:
        text = _read(path).decode("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise Unreadable(f"{path}: cannot be read ({error.strerror or error})", "Make the file readable.") from error
    record = Record.from_text(text, str(path))
    if (record.cell.key, record.seed) != (key, seed):
        raise DataError(f"{path}: holds the record of {record.cell.key}/{record.seed}", "Delete it and train again.")
    return record


def record_digest(results: Path, run: Run) -> str:
    """The digest that stands in a stored record."""
    return json.loads(_read(paths.record(results, run.cell.key, run.seed)))["digest"]


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


def put_checkpoint(
    results: Path, run: Run, fingerprint: dict[str, Any], payload: bytes, progress: dict[str, Any] | None = None
) -> None:
    """Keep `payload` as the newest of two generations; at every moment one of them is whole. Raises WriteError.

    progress    what is told of it without opening it: epoch, and seconds of that epoch
    """
    newest, older = paths.checkpoints(results, run.cell.key, run.seed)
    header = {"fingerprint": fingerprint, "digest": _checkpoint_digest(payload, progress)}
    header |= {"progress": progress} if progress else {}
    _inside(results)
    try:
        _make_folder(newest.parent)
        _sweep(newest)
        _put(newest, json.dumps(header, sort_keys=True).encode() + b"\n" + payload, older)
    except OSError as error:
        raise _failed(newest, "written", error) from error


def _checkpoint_digest(payload: bytes, progress: Any) -> str:
    digest = hashlib.sha256(payload)
    if progress:
        digest.update(json.dumps(progress, sort_keys=True).encode())
    return digest.hexdigest()


def get_checkpoints(results: Path, run: Run, fingerprint: dict[str, Any]) -> Iterator[bytes]:
    """The payloads whose digest verifies and whose fingerprint is this one, the newest first.

    A damaged generation is removed, so that it can never push a whole one out, and so is what a killed writer left.
    Only for the owner of the run's lock.
    """
    for path in paths.checkpoints(results, run.cell.key, run.seed):
        try:
            _sweep(path)
            header, _, payload = _read(path).partition(b"\n")
        except OSError:
            continue
        found = _parsed(header)
        if found.get("digest") != _checkpoint_digest(payload, found.get("progress")):
            remove(path)
        elif found.get("fingerprint") == fingerprint:
            yield payload


def glance(results: Path, run: Run) -> list[dict[str, Any]]:
    """The headers of the checkpoints there are, the newest first, as they say, with `path`; nothing is verified."""
    found = []
    for path in paths.checkpoints(results, run.cell.key, run.seed):
        with contextlib.suppress(OSError), path.open("rb") as file:
            found.append(_parsed(file.readline(HEADER)) | {"path": str(path)})
    return found


def _parsed(header: bytes) -> dict[str, Any]:
    """What the header of a checkpoint says; nothing if it is none."""
    try:
        found = json.loads(header)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def has_checkpoints(results: Path, run: Run) -> bool:
    """Whether there is any, whole or not."""
    return any(path.exists() for path in paths.checkpoints(results, run.cell.key, run.seed))


def drop_checkpoints(results: Path, run: Run) -> None:
    """Remove both generations. Raises WriteError."""
    for path in paths.checkpoints(results, run.cell.key, run.seed):
        remove(path)
