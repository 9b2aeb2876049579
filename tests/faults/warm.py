"""Processes of the command line that start in milliseconds: a server imports torch once and forks.

Each is a process of its own, in its own session, with its own memory, files and signals; only the import is
shared. `Server.start` gives a `Process`; real start-ups are tested elsewhere.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bnstudy.design.cell import Run
from faults import tally

ROOT = Path(__file__).resolve().parents[2]
FAULTS = {
    "install": "failing storage calls", "stop_after": "kills after a checkpoint", "jump": "clocks",
    "shrink_and_stop": "kills after a checkpoint",
}  # fmt: skip
"""What some functions that are called first inject."""


class Process:
    """A running command; `code` is its exit status once it has ended, negative if a signal ended it."""

    def __init__(self, pid: int, folder: Path):
        self.pid, self.folder = pid, folder

    def wait(self, seconds: float = 600.0) -> int:
        """Its exit status; a process that does not end in time is killed and fails the test."""
        deadline = time.monotonic() + seconds
        while not self.ended:
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"process {self.pid} hangs after {seconds} s: {self.err}")
            time.sleep(0.002)
        return self.code

    @property
    def ended(self) -> bool:
        return (self.folder / "code").exists()

    @property
    def code(self) -> int:
        return int((self.folder / "code").read_text())

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text(errors="replace")

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text(errors="replace")

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; to a process that has ended it does nothing."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
                tally.count("signals")

    def wait_for(self, text: str, seconds: float = 600.0) -> None:
        """Until its stderr holds `text`, or it has ended."""
        deadline = time.monotonic() + seconds
        while text not in self.err and not self.ended:
            assert time.monotonic() < deadline, f"{text!r} never came: {self.err}"
            time.sleep(0.002)


class Server:
    """The process that forks; one per test session."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
        environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "faults.warm"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment,
        )  # fmt: skip
        self._scratch = tempfile.TemporaryDirectory(prefix="bnstudy-faults-")
        self._count = 0
        assert self._reply() == "ready"

    def _reply(self) -> Any:
        assert self._server.stdout
        return json.loads(self._server.stdout.readline())

    def start(
        self, *words: Any, before: str = "", given: Any = (), cwd: Path | None = None, **variables: str
    ) -> Process:
        """Start `bnstudy words...`. `before` names a function, `module:function`, that is called first with `given`."""
        assert self._server.stdin
        self._count += 1
        if kind := FAULTS.get(before.rpartition(":")[2]):
            tally.count(kind)
        folder = Path(self._scratch.name) / str(self._count)
        folder.mkdir()
        request = {"words": [str(w) for w in words], "before": before, "given": list(given), "folder": str(folder),
                   "cwd": str(cwd or folder), "variables": variables}  # fmt: skip
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return Process(self._reply(), folder)

    def run(self, *words: Any, **options: Any) -> Process:
        """As `start`, and wait for the end."""
        process = self.start(*words, **options)
        process.wait()
        return process

    def close(self) -> None:
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.close()
        self._server.wait(600)
        self._server.stdout.close()
        self._scratch.cleanup()


def serve() -> None:
    """Read requests from stdin; answer each with the pid of a new process."""
    _warm_up()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        _reap(os.WNOHANG)
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.close(reading)
            _keep(json.loads(line), writing)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            print(pipe.read(), flush=True)
    _reap()


def _reap(how: int = 0) -> None:
    """Collect children that have ended, so that their processor time is in this session's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, how)[0]:
            pass


def _warm_up() -> None:
    """Import what training imports, some of it at its first step only."""
    from bnstudy import cli
    from bnstudy.cli import process
    from bnstudy.training import train
    from faults import small

    assert cli.main
    process.prepare()
    with tempfile.TemporaryDirectory() as folder:
        runs = [Run(small.cell(epochs=1, **changes), 0) for changes in ({}, {"optimizer": "adam", "mean_decay": 0.8})]
        train.train(runs, Path(folder), Path(folder), say=lambda line: None)


def _keep(request: dict[str, Any], writing: int) -> None:
    """Fork the process itself, tell its pid, wait for its end and write down its exit status."""
    folder = Path(request["folder"])
    for name in ("out", "err"):
        (folder / name).touch()
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        _run(request, folder)
    os.write(writing, str(pid).encode())
    os.close(writing)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    (folder / "code.new").write_text(str(code))
    (folder / "code.new").replace(folder / "code")
    os._exit(0)


def _run(request: dict[str, Any], folder: Path) -> None:
    code = 1
    try:
        os.setsid()
        os.chdir(request["cwd"])
        os.environ.update(request["variables"])
        for descriptor, name in ((0, os.devnull), (1, folder / "out"), (2, folder / "err")):
            os.dup2(os.open(name, os.O_RDWR | os.O_APPEND), descriptor)
        os.closerange(3, 64)
        if request["before"]:
            module, _, name = request["before"].partition(":")
            getattr(importlib.import_module(module), name)(*request["given"])
        from bnstudy.cli import main

        main(request["words"])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(2, f"Traceback: {error!r}\n".encode())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
