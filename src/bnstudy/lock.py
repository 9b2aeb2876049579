"""One owner at a time for a run or a folder of results: flock with the owner's identity in the file.

The kernel releases the lock when its owner dies, so there are no stale locks; the identity in the file only lets a
waiting process name the owner. The file is never removed, or two processes could lock two files of the same name.
Stdlib only.
"""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bnstudy import small_json
from bnstudy.errors import TryAgain, WriteError, remedy_for

UNKNOWN = "an unknown process"
FRONT = "BNSTUDY_FRONT"
"""Environment variable: the machine whose `bnstudy run` started this job and holds the lock `run` meanwhile."""
PATIENCE = 24 * 3600.0  # seconds a process waits for another that trains or times
MOST = 1000  # bytes of the largest lock file; an identity has about 150
UNNAMED = (OSError, ValueError, KeyError, TypeError, OverflowError)  # a lock file without a valid identity


def identity(pid: int | None = None) -> dict[str, str | int]:
    """Return what identifies a process: pid, its start time and boot id (pids are reused), and the host."""
    pid = os.getpid() if pid is None else pid
    return {"pid": pid, "start": _start_time(pid), "boot": _boot_id(), "host": socket.gethostname()}


def _start_time(pid: int) -> str:
    """Return the start time in clock ticks since boot; an empty string if there is no such process or no /proc."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    return ""


def _boot_id() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def owner(path: Path) -> str:
    """Return the process that holds the taken lock at `path`, in words.

    It is unknown if the file holds no valid identity, or that of a process of this machine that has ended (its pid is
    free or reused, or the machine was restarted).
    """
    try:
        who = small_json.read(path, dict, MOST)
        pid, host = int(who["pid"]), str(who["host"])
    except UNNAMED:
        return UNKNOWN
    if host == socket.gethostname() and who != identity(pid):
        return UNKNOWN
    return f"process {pid} on {host[:60]!a}".replace("'", "")


def holder(path: Path) -> dict[str, str | int] | None:
    """Return the identity of the process that holds the lock at `path`, without taking it; None if nobody does.

    On this machine it is the process named in the file, if it is alive. Processes of another machine cannot be seen
    from here, so the lock is tried, shared and only for a moment.
    """
    try:
        who = small_json.read(path, dict, MOST)
        host, pid = str(who["host"]), int(who["pid"])
        if host != socket.gethostname():
            with path.open("rb") as file:
                return who if _is_taken(file.fileno()) else None
    except UNNAMED:
        return None
    return who if who == identity(pid) and lives(pid) else None


def lives(pid: int) -> bool:
    """Return True if this machine has such a process."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        pass
    return True


def _is_taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True


@contextlib.contextmanager
def held(
    path: Path, what: str, wait: float = 0.0, poll: float = 0.2, stopping: Callable[[], bool] = lambda: False
) -> Iterator[int]:
    """Hold the lock at `path` while the block runs; wait up to `wait` seconds for it.

    Yields the descriptor: a child that inherits it holds the lock too. Raises TryAgain, naming the owner, if the lock
    stays taken or `stopping` returns True; WriteError if the file cannot be created or the file system has no locks.
    """
    deadline = time.monotonic() + wait
    while (descriptor := _take(path)) is None:
        if time.monotonic() >= deadline or stopping():
            raise TryAgain(f"{what}: held by {owner(path)}", "Wait until it ends, then run this again.")
        time.sleep(poll)
    try:
        with contextlib.suppress(OSError):  # on a full disk the lock still works, only unnamed
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(identity()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(path: Path) -> int | None:
    """Return the descriptor of the locked file, or None if another process holds the lock."""
    descriptor = _open(path)
    try:
        locked = _lock(descriptor, path)
    except WriteError:
        os.close(descriptor)
        raise
    if locked and _is_at(descriptor, path):
        return descriptor
    os.close(descriptor)
    return _take(path) if locked else None


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise WriteError(f"{path}: cannot be opened ({error.strerror})", remedy_for(error.errno)) from error


def _lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    except OSError as error:
        raise WriteError(
            f"{path}: this file system has no working locks ({error.strerror})",
            "Put the results on a local disk or a shared folder with flock, with --results.",
        ) from error


def probe(path: Path) -> None:
    """Refuse a file system whose locks have no effect. Raises WriteError.

    Two descriptors must not hold the lock at once. If the first is refused, another process holds it: locks work.
    """
    descriptors = _open(path), _open(path)
    try:
        if all(_lock(descriptor, path) for descriptor in descriptors):
            raise WriteError(
                f"{path}: this file system grants a lock twice, so it has no working locks",
                "Put the results on a local disk or a shared folder with flock, with --results.",
            )
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def check_reach(path: Path) -> None:
    """Refuse a shared folder whose locks do not reach across machines. Raises WriteError.

    If `bnstudy run` on another machine (FRONT) started this job, the lock it holds at `path` must be taken here too.
    """
    front = os.environ.get(FRONT)
    if not front or front == socket.gethostname():
        return
    descriptor = _open(path)
    try:
        if not _is_taken(descriptor):
            raise WriteError(
                f"{path}: held on {front} but free on {socket.gethostname()}: locks do not reach across machines",
                f"Put the results on a shared folder with flock; if `bnstudy run` on {front} was killed, run it again.",
            )
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Return True if the locked file is still the one at `path`; it may have been removed in between."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False
