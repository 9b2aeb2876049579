"""Get a data set onto this machine: by its official download, or from a user's array file."""

import contextlib
import hashlib
import io
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np

from bnstudy import lock, paths
from bnstudy.datasets._files import FACTS, facts_of, fault_of, load, read_npz, write_npz
from bnstudy.datasets._registry import spec_of
from bnstudy.datasets._spec import MEMBERS, SIDE, Arrays, DatasetSpec
from bnstudy.errors import FULL_OR_FORBIDDEN, DataError, UsageError, WriteError

SILENCE = 60.0  # seconds without a byte after which a download is given up
PATIENCE = 3600.0  # seconds to wait for another process that downloads the same data set

Root = str | os.PathLike | None


def check(name: str, root: Root = None) -> dict[str, Any]:
    """Return one row: name, title, state (`present`, `embedded`, `absent`, `damaged`), problem, remedy, source, digest,
    path.

    `train` and `test` count images; `complete` is true if they are as many as in the official set.
    """
    spec, path = spec_of(name), paths.dataset(paths.data_root(root), name)
    try:
        return _row(spec, path, load(name, root))
    except DataError as error:
        embedded = spec.kind == "embedded"
        state = "damaged" if embedded or path.exists() else "absent"
        told = {"name": name, "title": spec.title, "state": state, "problem": error.cause, "remedy": error.remedy}
        empty = {"source": None, "digest": None, "train": 0, "test": 0, "complete": False}
        return {**told, **empty, "path": None if embedded else str(path)}


def _row(spec: DatasetSpec, path: Path, arrays: Arrays) -> dict[str, Any]:
    train, test, embedded = len(arrays.train_labels), len(arrays.test_labels), spec.kind == "embedded"
    return {
        "name": spec.name,
        "title": spec.title,
        "state": "embedded" if embedded else "present",
        "problem": None,
        "remedy": None,
        "source": arrays.source,
        "digest": arrays.digest,
        "train": train,
        "test": test,
        "complete": (train, test) == (spec.train, spec.test),
        "path": None if embedded else str(path),
    }


def ensure(name: str, root: Root = None) -> dict[str, Any]:
    """Return the row of `check` for a data set; download it first if it is absent.

    Raises DataError if it is unavailable or its file is damaged.
    """
    spec, path = spec_of(name), paths.dataset(paths.data_root(root), name)
    if spec.kind == "download" and not path.exists():
        return fetch(name, root)
    return _row(spec, path, load(name, root))


def fetch(name: str, root: Root = None, progress: bool = True) -> dict[str, Any]:
    """Download the official files, write the array file, remove the rest, and return the row of `check`.

    An array file that verifies is kept, whatever its source. Official files in `<root>/raw/<name>/` are used instead of
    the network. Raises DataError (no network, or not the official files), WriteError.
    """
    spec, folder = spec_of(name), paths.data_root(root)
    path = paths.dataset(folder, name)
    if spec.kind == "embedded":
        return _row(spec, path, load(name))
    with lock.held(folder / f".{name}.lock", f"{name}: data", wait=PATIENCE):
        row = check(name, root)
        if row["state"] == "present":
            return row
        for left in folder.glob(f".{name}-*"):  # of a killed download; since we hold the lock, nobody uses it
            shutil.rmtree(left, ignore_errors=True)
        with _scratch(folder, name) as scratch:
            given = folder / "raw" / name
            _take(spec, given, scratch)
            write_npz(path, spec, _official(spec, scratch, given, progress), "official")
    return _row(spec, path, load(name, root))


@contextlib.contextmanager
def _scratch(folder: Path, name: str) -> Iterator[Path]:
    try:
        scratch = tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder)
    except OSError as error:
        raise WriteError(f"{folder}: cannot be written ({error.strerror})", "Make the folder writable.") from error
    with scratch as made:
        yield Path(made)


def _take(spec: DatasetSpec, given: Path, scratch: Path) -> None:
    """Link the official files that the user has put into `given`. Raises DataError if one is a different file."""
    for archive in spec.archives:
        file = given / archive.file
        if not file.exists():
            continue
        with file.open("rb") as content:
            found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if found != archive.md5:
            raise DataError(
                f"{file}: not the official file, expected MD5 {archive.md5}, found {found}",
                f"Replace it by {archive.url}, or delete it to download it again.",
            )
        (scratch / archive.file).symlink_to(file.resolve())


def _official(spec: DatasetSpec, scratch: Path, given: Path, progress: bool) -> Mapping[str, np.ndarray]:
    """Return the canonical arrays from the official files. Raises DataError naming them if they are unavailable."""
    quiet = contextlib.nullcontext() if progress else contextlib.redirect_stderr(io.StringIO())
    silence = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE)
    try:
        with quiet, contextlib.redirect_stdout(sys.stderr):
            return spec.read(scratch)
    except (OSError, RuntimeError, EOFError, HTTPException) as error:
        reason = str(error).splitlines()[-1] if str(error) else type(error).__name__
        if isinstance(error, OSError) and error.errno in FULL_OR_FORBIDDEN:
            raise WriteError(f"{scratch.parent}: cannot be written ({reason})", "Free space, or use --data.") from error
        files = ", ".join(archive.url for archive in spec.archives)
        raise DataError(
            f"{spec.name}: the official files are unavailable ({reason})",
            f"Put {files} into {given}/ and run this again, or `bnstudy data import {spec.name} FILE.npz`.",
        ) from error
    finally:
        socket.setdefaulttimeout(silence)


def import_npz(name: str, file: str | os.PathLike, root: Root = None) -> dict[str, Any]:
    """Make the array file from a user's .npz with MEMBERS, ignore other members, and return the row of `check`.

    Images are uint8 (n, H, W), (n, H, W, channels) or (n, channels, H, W) of 32x32, for mnist also 28x28; labels are
    whole numbers (n,). A few images may be missing, as in some re-packagings. Raises DataError naming what is
    wrong, UsageError for an embedded set.
    """
    spec, source = spec_of(name), Path(file)
    if spec.kind == "embedded":
        raise UsageError(f"{name}: is embedded and takes no file", f"Use it as it is: `bnstudy data check {name}`.")
    remedy = f"Give an .npz file with {', '.join(MEMBERS)} of {spec.title}."
    members = read_npz(source, spec, remedy)
    stated = facts_of(members)
    if stated and stated["name"] != name:
        raise DataError(f"{source}: expected {name}, found {stated['name']}", remedy)
    members.pop(FACTS, None)
    path = paths.dataset(paths.data_root(root), name)
    try:
        arrays = {k: (_labels if k.endswith("labels") else _images)(spec, k, v) for k, v in members.items()}
        if fault := fault_of(spec, arrays, official=False) or _suspect(spec, arrays):
            raise ValueError(fault)
        write_npz(path, spec, arrays, "imported")
    except (ValueError, DataError) as error:
        cause = error.cause.partition(": ")[2] if isinstance(error, DataError) else str(error)
        raise DataError(f"{source}: {cause}", remedy) from error
    return _row(spec, path, load(name, root))


def _suspect(spec: DatasetSpec, arrays: Mapping[str, np.ndarray]) -> str:
    """Return why images of legal form cannot be those of a data set, or an empty string."""
    border = (SIDE - spec.native) // 2
    for member in ("train_images", "test_images"):
        pixels = arrays[member][..., border : SIDE - border, border : SIDE - border]
        if pixels.size and pixels.min() == pixels.max():
            return f"{member}: expected images, found {pixels.max()} in every pixel"
    train, test = ({image.tobytes() for image in arrays[m]} for m in ("train_images", "test_images"))
    return "test_images: all of them are among train_images" if test and test <= train else ""


def _images(spec: DatasetSpec, member: str, images: np.ndarray) -> np.ndarray:
    """Return canonical images. Raises ValueError with what was expected and found."""
    sides = {SIDE, 28} if spec.native == 28 else {SIDE}
    found = images
    if found.ndim == 3 and spec.channels == 1:
        found = found[:, None]
    elif found.ndim == 4 and found.shape[1] != spec.channels and found.shape[3] == spec.channels:
        found = found.transpose(0, 3, 1, 2)
    square = found.ndim == 4 and found.shape[1] == spec.channels and found.shape[2] == found.shape[3]
    if images.dtype != np.uint8 or not square or found.shape[2] not in sides:
        shapes = " or ".join(f"(n, {side}, {side}, {spec.channels})" for side in sorted(sides))
        raise ValueError(f"{member}: expected uint8 {shapes}, found {images.dtype} {images.shape}")
    border = (SIDE - spec.native) // 2
    if found.shape[2] == 28:
        return np.pad(found, ((0, 0), (0, 0), (border, border), (border, border)))
    inner = found[..., border : SIDE - border, border : SIDE - border]
    if np.count_nonzero(found) > np.count_nonzero(inner):
        raise ValueError(f"{member}: expected a border of {border} zeros around 28x28, found other values")
    return np.ascontiguousarray(found)


def _labels(spec: DatasetSpec, member: str, labels: np.ndarray) -> np.ndarray:
    """Return canonical labels. Raises ValueError with what was expected and found."""
    if labels.ndim != 1 or labels.dtype.kind not in "iu":  # a timedelta is an integer to numpy's issubdtype
        raise ValueError(f"{member}: expected whole numbers (n,), found {labels.dtype} {labels.shape}")
    top = spec.classes - (spec.relabel is None)
    if len(labels) and not 0 <= labels.min() <= labels.max() <= top:
        raise ValueError(f"{member}: expected 0 to {top}, found {labels.min()} to {labels.max()}")
    if spec.relabel and len(labels):
        labels = spec.relabel(labels)
    return labels.astype(np.uint8)
