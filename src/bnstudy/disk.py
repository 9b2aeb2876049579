"""Files that appear whole or not at all: a temporary file beside the place, fsync, rename, fsync of the folder.

Records, checkpoints, manifests, data sets, tables and pages are written here and nowhere else. Stdlib only.
"""

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path
from typing import Any

from bnstudy.errors import DataError, WriteError, remedy_for
from bnstudy.lock import lives

system: Any = os
"""The system calls used below. Fault tests replace it with an object whose N-th call fails."""

FRESH = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
PLAIN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe in place of a file must not block
CHUNK = 1 << 24
LARGEST = 1 << 30  # bytes of the largest file that is read whole


def write(path: Path, content: bytes, older: Path | None = None) -> None:
    """Write `content` to `path` atomically and durably, and make the folders above it. Raises WriteError.

    older    a path that the previous file is renamed to; without one, the previous file is replaced
    """
    try:
        _make_folder(path.parent)
        _sweep(path)
        _put(path, content, older)
    except OSError as error:
        raise _failed(path, "written", error) from error


def read(path: Path) -> bytes:
    """Return the whole content of a file; nothing of a pipe or device. Raises OSError, also above LARGEST."""
    descriptor, chunks = system.open(path, PLAIN), []
    try:
        found = os.fstat(descriptor)
        if found.st_size > LARGEST:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        whole = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
        while whole and (chunk := system.read(descriptor, CHUNK)):
            chunks.append(chunk)
    finally:
        system.close(descriptor)
    return b"".join(chunks)


def names(folder: Path) -> frozenset[str]:
    """Return the names in a folder; none if it is absent. Raises DataError if they cannot be read."""
    try:
        return frozenset(system.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})", "Make the folder readable.") from error


def remove(path: Path) -> None:
    """Remove a file if it exists. Raises WriteError."""
    try:
        system.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise _failed(path, "removed", error) from error


def move_aside(path: Path) -> Path:
    """Rename a file that does not verify to `<name>.bad` and return that path. Raises WriteError."""
    aside = path.with_name(path.name + ".bad")
    try:
        system.replace(path, aside)
        _sync(path.parent)
    except OSError as error:
        raise _failed(path, "moved aside", error) from error
    return aside


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably. Raises WriteError."""
    try:
        _make_folder(folder)
    except OSError as error:
        raise _failed(folder, "made", error) from error


def sweep(path: Path) -> None:
    """Remove temporary files of `path` whose writers were killed on this machine, as far as that is possible."""
    with contextlib.suppress(OSError):
        _sweep(path)


def _failed(path: Path, done: str, error: OSError) -> WriteError:
    return WriteError(f"{path}: cannot be {done} ({error.strerror or error})", remedy_for(error.errno))


def _put(path: Path, content: bytes, older: Path | None) -> None:
    temporary = path.with_name(f"{_temporaries(path)}{os.getpid()}.tmp")
    try:
        _fill(temporary, content)
        if older:
            with contextlib.suppress(FileNotFoundError):
                system.replace(path, older)
        system.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            system.unlink(temporary)
        raise
    _sync(path.parent)


def _fill(path: Path, content: bytes) -> None:
    descriptor, rest = system.open(path, FRESH, 0o666), memoryview(content)
    try:
        while rest:
            rest = rest[system.write(descriptor, rest) :]
        system.fsync(descriptor)
    finally:
        system.close(descriptor)


def _sync(folder: Path) -> None:
    """Make the names in a folder durable, where the file system can (CIFS and shared folders of virtual machines
    cannot)."""
    descriptor = system.open(folder, PLAIN)
    try:
        system.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        system.close(descriptor)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):  # another process was faster
        system.mkdir(folder)
    _sync(folder.parent)


def _temporaries(path: Path) -> str:
    """The prefix of this machine's temporary files for `path`; the writer's pid follows it."""
    return f".{path.name}.{socket.gethostname()}."


def _sweep(path: Path) -> None:
    start = _temporaries(path)
    for entry in system.listdir(path.parent):
        pid = entry.removeprefix(start).removesuffix(".tmp")
        if entry == f"{start}{pid}.tmp" and pid.isdigit() and not lives(int(pid)):
            with contextlib.suppress(OSError):
                system.unlink(path.with_name(entry))
