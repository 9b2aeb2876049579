"""The array files `<data root>/<name>.npz`: read, checked on every load, and written whole or not at all.

A file holds the four canonical arrays and `facts`, a JSON text with name, source and digest.
"""

import hashlib
import io
import json
import math
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bnstudy import disk, paths, small_json
from bnstudy.datasets._registry import spec_of
from bnstudy.datasets._spec import MEMBERS, SIDE, Arrays, DatasetSpec
from bnstudy.errors import DataError

FACTS = "facts"
FACT = {"name": "[a-z0-9_]{1,40}", "source": "official|imported", "digest": "[0-9a-f]{64}"}
"""The facts, and how each is written."""
LONGEST = 4000  # bytes of the member with the facts
SMALL = 1 << 20  # bytes that may be unpacked in any case
LEAST_SHARE = 0.9  # an imported file may lack a few images, as some re-packagings do, but not a tenth of them


def digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over name, type, shape and bytes of the four canonical arrays, in the order of MEMBERS."""
    sha = hashlib.sha256()
    for name in MEMBERS:
        array = np.ascontiguousarray(arrays[name])
        sha.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha.update(array.reshape(-1).view(np.uint8).data)  # a time has no buffer
    return sha.hexdigest()


def load(name: str, root: str | os.PathLike | None = None) -> Arrays:
    """Return the data set, its digest verified.

    Raises DataError if its file is absent, damaged, altered or another data set's; UsageError on an unknown name.
    """
    spec = spec_of(name)
    if spec.kind == "embedded":
        arrays = _embedded(spec)
        return _in_memory(arrays, digest_of(arrays), "embedded")
    path = paths.dataset(paths.data_root(root), name)
    members = read_npz(path, spec, _again(name))
    return _in_memory(members, *_verified(path, spec, members))


def _embedded(spec: DatasetSpec) -> dict[str, np.ndarray]:
    """Return the arrays of an embedded data set. Raises DataError if they do not match its declaration."""
    remedy = "Correct the `read` that its DatasetSpec names."
    try:
        arrays = {name: np.asarray(array) for name, array in spec.read(Path()).items()}
        fault = fault_of(spec, arrays, official=True)
    except Exception as error:  # an extension's `read` may raise anything
        raise DataError(f"{spec.name}: cannot be read ({type(error).__name__}: {error})", remedy) from error
    if fault:
        raise DataError(f"{spec.name}: {fault}", remedy)
    return arrays


def _again(name: str) -> str:
    return f"Get it with `bnstudy data fetch {name}`, or from a file with `bnstudy data import {name} FILE.npz`."


def _in_memory(arrays: Mapping[str, np.ndarray], digest: str, source: str) -> Arrays:
    typed: dict[str, Any] = {k: arrays[k].astype(np.int64) if k.endswith("labels") else arrays[k] for k in MEMBERS}
    return Arrays(**typed, digest=digest, source=source)


def _verified(path: Path, spec: DatasetSpec, members: Mapping[str, np.ndarray]) -> tuple[str, str]:
    """Return (digest, source) of a canonical file whose contents match its facts. Raises DataError."""
    again = _again(spec.name)
    facts = facts_of(members)
    if facts is None:
        raise DataError(f"{path}: not written by this program (no valid member {FACTS!r})", again)
    if facts["name"] != spec.name:
        raise DataError(f"{path}: expected {spec.name}, found {facts['name']}", again)
    found = digest_of(members)
    if found != facts["digest"]:
        raise DataError(f"{path}: altered, expected digest {facts['digest'][:12]}, found {found[:12]}", again)
    if fault := fault_of(spec, members, official=facts["source"] == "official"):
        raise DataError(f"{path}: {fault}", again)
    return found, facts["source"]


def facts_of(members: Mapping[str, np.ndarray]) -> dict[str, str] | None:
    """Return name, source and digest that a canonical file states, or None if it states none."""
    try:
        facts = small_json.parse(str(members[FACTS]), dict)
        found = {key: str(facts[key]) for key in FACT}
    except (KeyError, ValueError):
        return None
    return found if all(re.fullmatch(FACT[key], found[key]) for key in FACT) else None


def write_npz(path: Path, spec: DatasetSpec, arrays: Mapping[str, np.ndarray], source: str) -> None:
    """Write canonical arrays to `path` atomically. Raises DataError if they are illegal, WriteError."""
    if fault := fault_of(spec, arrays, official=source == "official"):
        raise DataError(f"{spec.name}: {fault}", "Nothing was written; give the arrays of the official files.")
    facts = json.dumps({"name": spec.name, "source": source, "digest": digest_of(arrays)})
    buffer = io.BytesIO()
    members: dict[str, Any] = {name: arrays[name] for name in MEMBERS} | {FACTS: np.array(facts)}
    np.savez(buffer, **members)
    disk.write(path, buffer.getvalue())


def read_npz(path: Path, spec: DatasetSpec, remedy: str) -> dict[str, np.ndarray]:
    """Return the four arrays of an .npz file, and its facts if it has any; nothing is unpickled.

    Type, shape and size of each are checked before it is unpacked. Raises DataError if it is not an .npz file, is
    damaged, or one of the four is absent, there twice, or cannot be of this data set.
    """
    try:
        if not path.exists():
            raise DataError(f"{path}: no such file", remedy)
        if not (path.is_file() or path.is_dir()):  # opening a pipe would wait for a writer
            raise DataError(f"{path}: expected an .npz file, found a pipe or device", remedy)
        if not zipfile.is_zipfile(path):
            raise DataError(f"{path}: expected an .npz file, found {_kind(path)}", remedy)
        with zipfile.ZipFile(path) as stored:
            has = [name.removesuffix(".npy") for name in stored.namelist()]
            missing = [name for name in MEMBERS if name not in has]
            if missing:
                found = ", ".join(map(_shown, has[:20])) or "nothing"
                raise DataError(
                    f"{path}: expected {', '.join(MEMBERS)}; missing {', '.join(missing)}, found {found}", remedy
                )
            wanted = [name for name in (*MEMBERS, FACTS) if name in has]
            for name in wanted:
                if fault := _fault_of_member(stored, name, has.count(name), spec):
                    raise DataError(f"{path}: expected arrays of {spec.name}, {name}: {fault}", remedy)
            return {name: _member(stored, name) for name in wanted}
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})", remedy) from error
    except Exception as error:  # a damaged zip or npy header raises nearly anything, from zlib.error to MemoryError
        what = f"{type(error).__name__}: {_shown(str(error)[:200])}"
        raise DataError(f"{path}: expected arrays of {spec.name}, found {what}", remedy) from error


def _member(stored: zipfile.ZipFile, name: str) -> np.ndarray:
    with stored.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _fault_of_member(stored: zipfile.ZipFile, name: str, count: int, spec: DatasetSpec) -> str:
    """Return why a member must not be unpacked, or an empty string. Raises ValueError if it has no header."""
    if count > 1:
        return f"one member of this name is allowed, found {count}"
    with stored.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(file)
        begin = file.tell()
    size, stated = math.prod(shape) * dtype.itemsize, stored.getinfo(f"{name}.npy").file_size - begin
    images = spec.train if name.startswith("train") else spec.test
    most = LONGEST if name == FACTS else images * (SIDE * SIDE * spec.channels if name.endswith("images") else 1) * 8
    if dtype.hasobject:
        return "found a pickled object"
    if size > max(most, SMALL):
        return f"at most {most:,} bytes, found {dtype} {shape}"
    return "" if size == stated else f"needs {size:,} bytes of {dtype} {shape}, found {stated:,}"


def _shown(text: str) -> str:
    return text if text.isprintable() else ascii(text)


def _kind(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(64).lstrip().lower()
    if not start:
        return "an empty file"
    if start.startswith(b"<"):
        return "a web page"
    return "a truncated one" if start.startswith(b"pk\x03\x04") else f"a file that starts with {start[:8]!r}"


def fault_of(spec: DatasetSpec, arrays: Mapping[str, np.ndarray], official: bool) -> str:
    """Return what is wrong with the canonical arrays of a data set, or an empty string."""
    for part, most in (("train", spec.train), ("test", spec.test)):
        images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
        expected = (spec.channels, SIDE, SIDE)
        if images.dtype != np.uint8 or images.shape[1:] != expected:
            return f"{part}_images: expected uint8 (n, {str(expected)[1:]}, found {images.dtype} {images.shape}"
        if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
            return f"{part}_labels: expected uint8 {images.shape[:1]}, found {labels.dtype} {labels.shape}"
        least = most if official else int(LEAST_SHARE * most)
        if not least <= len(images) <= most:
            span = f"{most:,}" if official else f"{least:,} to {most:,}"
            return f"{part}_images: expected {span} images, found {len(images):,}"
        if labels.max() >= spec.classes:
            return f"{part}_labels: expected 0 to {spec.classes - 1}, found {labels.max()}"
        absent = np.flatnonzero(np.bincount(labels, minlength=spec.classes) == 0)
        if len(absent):
            return f"{part}_labels: expected all {spec.classes} classes, found no image of class {absent[0]}"
    return ""
