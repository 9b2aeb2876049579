"""What else a session on a GPU does: the tests that need one, and real runs."""

import contextlib
import importlib.util
import math
import os
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Sequence
from pathlib import Path

from bnstudy.bench.gpu.session import Found
from bnstudy.design.labels import name
from bnstudy.errors import TryAgain
from bnstudy.results import valid
from bnstudy.studies import selection
from bnstudy.training.train import train as train_runs

TESTS = Path(__file__).parents[4] / "tests"
TESTS_SECONDS = 120.0
WORKERS = 6  # processes that test
CHECKPOINT_SECONDS = "15"
TEXT = 4000  # characters kept of what the tests say


def run_tests(log: Path, left: float = math.inf) -> Found:
    """The tests marked `gpu`, in processes of their own, for `left` seconds at most; `log` holds all that they say,
    however they end."""
    files = sorted(TESTS.rglob("test_*gpu.py"))
    if not files or not _there("pytest"):
        return {"error": f"{TESTS}: no tests there, or no pytest"}
    with log.open("w") as out:
        process = subprocess.Popen(
            _command(files), stdout=out, stderr=subprocess.STDOUT, cwd=TESTS.parent, start_new_session=True,
            env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        )  # fmt: skip
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, min(TESTS_SECONDS, left)))
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # the workers too: one that waits for the device would keep it
            process.wait()
    said = log.read_text(errors="replace")
    failed = [line for line in said.splitlines() if "FAILED " in line or "ERROR " in line]
    return {"exit": process.returncode, "failed": failed[:60], "tail": said[-TEXT:]}


def _command(files: Sequence[Path]) -> list[str]:
    """Plugins by name, and no warning is an error: what others warn of on a machine unknown says nothing of ours. Tests
    time out by a thread, for a signal does not reach a process that waits for its device."""
    side_by_side = ["-p", "xdist", "-n", str(WORKERS)] if _there("xdist") else []
    timeout = (
        ["-p", "pytest_timeout", "--timeout", str(TESTS_SECONDS / 2), "--timeout-method", "thread"]
        if _there("pytest_timeout")
        else ["-o", "addopts=-ra"]
    )
    return [sys.executable, "-m", "pytest", "-v", "-m", "gpu", "-W", "default", "--tb", "short", "--durations", "10",
            "-p", "no:cacheprovider", *timeout, *side_by_side, *map(str, files)]  # fmt: skip


def _there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def train(cells: Path, data: Path, out: Path, device: str, seconds: float) -> Found:
    """Real runs until the time is over, by data set in the order of `cells`; the run at work keeps a checkpoint.

    Records stand in out/results, and for the way home in out/records.tar.gz: on another machine that alone brings them.
    """
    runs, results, brought = selection.runs_in(cells, None, None), out / "results", out / "records.tar.gz"
    _unpack(brought, results)
    os.environ.setdefault("BNSTUDY_CHECKPOINT_SECONDS", CHECKPOINT_SECONDS)
    lines: list[str] = []
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: None)  # ours may come when training does not listen
    threading.Thread(target=_ask_to_stop, args=(seconds, ended), daemon=True).start()
    try:
        report = train_runs(runs, results, data, device=device, say=lines.append)
        lines += [f"{name}: {error.cause}" for name, error in report.absent.items()]
    except TryAgain as error:
        lines.append(error.cause)
    finally:
        ended.set()
        _pack(results, brought)
    done = [run for run, found in valid.verified(runs, results, lines.append, since=0.0) if found is not None]
    return {"asked": len(runs), "done": [f"{name(run.cell)}:{run.seed}" for run in done], "said": lines[-60:]}


def _unpack(brought: Path, results: Path) -> None:
    """Put records that are not there yet where they belong."""
    if not brought.exists():
        return
    with tarfile.open(brought) as tar:
        new = [member for member in tar.getmembers() if member.isfile() and not (results / member.name).exists()]
        tar.extractall(results, members=new, filter="data")


def _pack(results: Path, brought: Path) -> None:
    """In one step, so that a kill leaves the old archive or the new one."""
    beside = brought.with_suffix(".new")
    with tarfile.open(beside, "w:gz") as tar:
        if (results / "records").exists():
            tar.add(results / "records", "records")
    beside.replace(brought)


def _ask_to_stop(seconds: float, ended: threading.Event) -> None:
    """After so many seconds send this process SIGTERM, as a scheduler would, until training has ended."""
    wait = max(seconds, 0.0)
    while not ended.wait(wait):
        os.kill(os.getpid(), signal.SIGTERM)
        wait = 1.0
