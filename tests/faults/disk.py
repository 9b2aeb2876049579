"""System calls for the seam of `bnstudy.disk`: the N-th one fails, or a power cut loses what was not synced."""

import errno
import os
import signal
import time
from pathlib import Path
from typing import Any

from bnstudy import disk
from bnstudy.results import store
from faults import tally

ERRORS = ("EIO", "ENOSPC", "EACCES", "EROFS")
"""What a call may fail with; besides, `short` lets a write take half, and `crash` ends the process."""


class Crash(BaseException):
    """The process has ended here: nothing after it happens, no cleaning up either."""


class FaultyDisk:
    """Replaces `os` in `bnstudy.disk`. Call number `at` (from 1) meets `fault`; 0 is none.

    A crash in the midst of a write leaves half of it. After a crash every call fails, as nothing runs any more.
    """

    def __init__(self, at: int = 0, fault: str = "crash"):
        self.at, self.fault, self.calls, self.dead = at, fault, [], False

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            if self.dead:
                raise Crash(name)
            self.calls.append(name)
            if len(self.calls) == self.at:
                return self._fail(name, *arguments)
            return self.perform(name, *arguments)

        return call

    def perform(self, name: str, *arguments: Any) -> Any:
        if name == "fsync":  # no power is cut here, and a thousand real ones take a minute
            return None
        return getattr(os, name)(*arguments)

    def _fail(self, name: str, *arguments: Any) -> Any:
        tally.count("failing storage calls")
        if name == "write":
            arguments = (arguments[0], arguments[1][: len(arguments[1]) // 2])
        if self.fault == "short" or name in ("write", "close"):  # a close fails after it has closed
            done = self.perform(name, *arguments)
            if self.fault == "short":
                return done
        if self.fault == "crash":
            return self.end()
        raise OSError(getattr(errno, self.fault), os.strerror(getattr(errno, self.fault)))

    def end(self) -> Any:
        self.dead = True
        raise Crash


class KillingDisk(FaultyDisk):
    """Its crash is a real one."""

    def end(self) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


class ForgetfulDisk(FaultyDisk):
    """Knows what a power cut may lose: content that was not synced, names whose folder was not synced."""

    def __init__(self, at: int = 0):
        super().__init__(at)
        self.paths: dict[int, Path] = {}
        self.unsynced: set[Path] = set()
        self.renamed: list[tuple[Path, Path, bytes | None]] = []  # from, to, what stood there

    def perform(self, name: str, *arguments: Any) -> Any:
        before = Path(arguments[1]).read_bytes() if name == "replace" and Path(arguments[1]).exists() else None
        done = super().perform(name, *arguments)
        if name == "open":
            self.paths[done] = Path(arguments[0])
        elif name == "write":
            self.unsynced.add(self.paths[arguments[0]])
        elif name == "fsync":
            path = self.paths[arguments[0]]
            self.unsynced.discard(path)
            self.renamed = [r for r in self.renamed if r[1].parent != path]
        elif name == "replace":
            source, target = map(Path, arguments)
            self.renamed.append((source, target, before))
            if source in self.unsynced:
                self.unsynced.discard(source)
                self.unsynced.add(target)
        return done

    def cut_power(self, names_too: bool) -> None:
        """Lose what was not synced: the second half of contents, and with `names_too` the latest renames."""
        tally.count("power cuts")
        for path in self.unsynced:
            if path.exists():
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        for source, target, before in reversed(self.renamed if names_too else []):
            if target.exists():
                target.replace(source)
            if before is not None:
                target.write_bytes(before)


def install(at: int, fault: str) -> None:
    """Let the N-th system call of this process meet a fault."""
    disk.system = KillingDisk(at, fault)


def stop_after(checkpoints: int) -> None:
    """For a process that is to be killed right after it has kept so many checkpoints."""
    put = store.put_checkpoint
    left = iter(range(checkpoints - 1, -1, -1))

    def put_and_stop(*arguments: Any) -> None:
        put(*arguments)
        if next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    store.put_checkpoint = put_and_stop


def rest() -> None:
    """For a process that is to be met in the midst of training, by a slow machine too: it rests at each checkpoint."""
    put = store.put_checkpoint

    def put_and_rest(*arguments: Any) -> None:
        put(*arguments)
        time.sleep(0.5)

    store.put_checkpoint = put_and_rest


def count(log: str) -> None:
    """For a process whose calls are to be counted: one line per call in the file `log`."""

    class Counting(FaultyDisk):
        def perform(self, name: str, *arguments: Any) -> Any:
            with Path(log).open("a") as file:
                file.write(name + "\n")
            return super().perform(name, *arguments)

    disk.system = Counting()
