"""One owner at a time for a run or a folder of results: flock with the owner's identity in the file.

The kernel drops the lock when its owner dies, however it dies, so a stale lock does not exist; what is
written in the file only tells a second process whom it waits for. Stdlib only.
"""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from bnstudy.errors import TryAgain, WriteError


def identity() -> dict[str, str | int]:
    """Who holds a lock: pid with its start time (pids are reused), boot id (they restart), host (they repeat)."""
    return {"pid": os.getpid(), "start": _start_time(os.getpid()), "boot": _boot_id(), "host": socket.gethostname()}


def _start_time(pid: int) -> str:
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""


def _boot_id() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def owner(path: Path) -> str:
    """The identity in a lock file, for people; what is no identity reads as an unknown owner."""
    try:
        who = json.loads(path.read_text(encoding="utf-8"))
        return f"process {int(who['pid'])} on {str(who['host'])[:60]}"
    except (OSError, ValueError, KeyError, TypeError):
        return "an unknown process"


@contextlib.contextmanager
def held(path: Path, what: str, wait: float = 0.0, poll: float = 0.2) -> Iterator[None]:
    """Hold the lock at `path` while the block runs; wait up to `wait` seconds for it.

    Raises TryAgain naming the owner if it stays taken, WriteError if the file cannot be made or the file
    system has no locks.
    """
    descriptor = _open(path)
    try:
        deadline = time.monotonic() + wait
        while not _try(descriptor, path):
            if time.monotonic() >= deadline:
                raise TryAgain(f"{what}: in the hands of {owner(path)}", "Wait until it ends, then run this again.")
            time.sleep(poll)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(identity()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0), 0o666)
    except OSError as error:
        raise WriteError(f"{path}: cannot be opened ({error.strerror})", "Make the folder writable.") from error


def _try(descriptor: int, path: Path) -> bool:
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
