"""Records, manifests and checkpoints in `results/`: writing them, finding them, and verifying what is read.

Every file is written by `disk`. A file that does not verify is moved aside and reported, never used. Stdlib only.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bnstudy import disk, lock, paths, small_json
from bnstudy.design.cell import Run
from bnstudy.errors import DataError, Unreadable, WriteError
from bnstudy.results.record import Record

HEADER = 1 << 16  # bytes of the longest header of a checkpoint

# records


def open_results(results: Path) -> None:
    """Make the folder of results. No other function here makes it. Raises WriteError."""
    disk.make_folder(results)


def check_locks(results: Path) -> None:
    """Refuse a folder whose file locks have no effect, here or across the machines in use. Raises WriteError."""
    lock.probe(paths.lock(results, "probe"))
    lock.check_reach(paths.lock(results, "run"))


def _inside(results: Path) -> None:
    """Raise WriteError if the results folder was renamed or removed during training, so that no half tree is made."""
    if not results.is_dir():
        raise WriteError(f"{results}: no longer exists", "Restore the folder, then run the same command again.")


def put_record(results: Path, record: Record) -> Path:
    """Store a record, read it back, and return its path. Raises WriteError; DataError if it does not verify."""
    path = paths.record(results, record.cell.key, record.seed)
    _inside(results)
    disk.write(path, record.to_text().encode())
    get_record(results, record.run)
    return path


def get_record(results: Path, run: Run) -> Record | None:
    """Return the stored record of a run, verified, or None if there is none.

    Raises DataError if the file does not verify or holds another run, Unreadable if the system cannot read it.
    """
    try:
        return _stored(paths.record(results, run.cell.key, run.seed), run.cell.key, run.seed)
    except (FileNotFoundError, NotADirectoryError):
        return None


def find_records(results: Path, key: str) -> list[Record | DataError]:
    """Return all stored records of a cell key in order of seed, or the errors of those that do not verify; none if
    the key is malformed."""
    folder = results / "records" / key
    if not re.fullmatch(paths.KEY_PATTERN, key) or not folder.is_dir():
        return []
    seeds = sorted(int(file.stem) for file in folder.glob("*.json") if re.fullmatch(r"0|[1-9]\d*", file.stem))
    return [_or_error(paths.record(results, key, seed), key, seed) for seed in seeds]


def _or_error(path: Path, key: str, seed: int) -> Record | DataError:
    try:
        return _stored(path, key, seed)
    except DataError as error:
        return error


def _stored(path: Path, key: str, seed: int) -> Record:
    """Read a record and check its key and seed. Raises DataError, Unreadable, FileNotFoundError."""
    try:
        text = disk.read(path).decode("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise Unreadable(f"{path}: cannot be read ({error.strerror or error})", "Make the file readable.") from error
    record = Record.from_text(text, str(path))
    if (record.cell.key, record.seed) != (key, seed):
        raise DataError(f"{path}: holds the record of {record.cell.key}/{record.seed}", "Delete it and train again.")
    return record


def record_digest(results: Path, run: Run) -> str:
    """Return the digest that a stored record states, unverified."""
    return small_json.parse(disk.read(paths.record(results, run.cell.key, run.seed)), dict)["digest"]


def get_records(results: Path, runs: Iterable[Run]) -> Iterator[tuple[Run, Record | DataError | None]]:
    """Yield each run with its record, None if there is none, or the error if it does not verify."""
    for run in runs:
        try:
            yield run, get_record(results, run)
        except DataError as error:
            yield run, error


# manifests: the output of a pack's job in the DAG


def put_manifest(results: Path, pack: str, rows: list[dict[str, Any]]) -> None:
    """Store the digests of a pack's records. Raises WriteError."""
    text = json.dumps({"pack": pack, "runs": rows}, indent=1, sort_keys=True)
    disk.write(paths.manifest(results, pack), text.encode() + b"\n")


# checkpoints: two generations, each with its digest and the fingerprint of the training that may resume it


def put_checkpoint(
    results: Path, run: Run, fingerprint: dict[str, Any], payload: bytes, progress: dict[str, Any] | None = None
) -> None:
    """Store `payload` as the newest of two generations; at least one of them is whole at any time. Raises WriteError.

    progress    epoch and seconds of that epoch, which `glance` reads without the payload
    """
    newest, older = paths.checkpoints(results, run.cell.key, run.seed)
    header = {"fingerprint": fingerprint, "digest": _checkpoint_digest(payload, progress)}
    header |= {"progress": progress} if progress else {}
    _inside(results)
    disk.write(newest, json.dumps(header, sort_keys=True).encode() + b"\n" + payload, older)


def _checkpoint_digest(payload: bytes, progress: Any) -> str:
    digest = hashlib.sha256(payload)
    if progress:
        digest.update(json.dumps(progress, sort_keys=True).encode())
    return digest.hexdigest()


def get_checkpoints(results: Path, run: Run, fingerprint: dict[str, Any]) -> Iterator[bytes]:
    """Yield the payloads whose digest verifies and whose fingerprint matches, newest first.

    Removes damaged generations, so that none can displace a whole one, and temporary files of killed writers.
    The caller must hold the run's lock.
    """
    for path in paths.checkpoints(results, run.cell.key, run.seed):
        disk.sweep(path)
        try:
            header, _, payload = disk.read(path).partition(b"\n")
        except OSError:
            continue
        found = _parsed(header)
        if found.get("digest") != _checkpoint_digest(payload, found.get("progress")):
            disk.remove(path)
        elif found.get("fingerprint") == fingerprint:
            yield payload


def glance(results: Path, run: Run) -> list[dict[str, Any]]:
    """Return the headers of the existing checkpoints, newest first, each with its `path`; nothing is verified."""
    found = []
    for path in paths.checkpoints(results, run.cell.key, run.seed):
        with contextlib.suppress(OSError), small_json.regular(path) as file:
            found.append(_parsed(file.readline(HEADER)) | {"path": str(path)})
    return found


def _parsed(header: bytes) -> dict[str, Any]:
    """Parse the header of a checkpoint; an empty dict if it is malformed."""
    try:
        return small_json.parse(header, dict)
    except ValueError:
        return {}


def has_checkpoints(results: Path, run: Run) -> bool:
    """Return True if a checkpoint exists, whole or not."""
    return any(path.exists() for path in paths.checkpoints(results, run.cell.key, run.seed))


def drop_checkpoints(results: Path, run: Run) -> None:
    """Remove both generations. Raises WriteError."""
    for path in paths.checkpoints(results, run.cell.key, run.seed):
        disk.remove(path)
