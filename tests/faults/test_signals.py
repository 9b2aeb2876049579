"""SIGTERM, SIGINT, SIGHUP in every order: a clean stop at the next batch, exit 75, and the run goes on later."""

import signal
import subprocess
import sys
import time

import pytest

from bnstudy.errors import TRY_AGAIN
from faults import invariants
from faults.lab import Lab
from faults.warm import ROOT

TERM, INT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP


def goes_on(lab: Lab, calm) -> None:
    process = lab.train()
    assert process.code == 0, process.err
    invariants.settled(lab.results, calm, lab.runs)


@pytest.mark.parametrize(
    "sequence", [(TERM,), (INT,), (HUP,), (TERM, TERM), (INT, TERM), (TERM, INT, HUP, TERM)], ids=str
)
def test_signals_stop_cleanly(lab, calm, sequence):
    process = lab.start(before="faults.disk:rest")
    process.wait_for("epoch 2/")
    for number in sequence:
        process.kill(number)
    assert process.wait() == TRY_AGAIN, process.err
    invariants.told_in_two_lines(process, TRY_AGAIN)
    invariants.whole_records(lab.results)
    goes_on(lab, calm)


def test_a_second_of_grace_is_enough(lab, calm):
    process = lab.start(interval="1000")
    process.wait_for("epoch 1/")
    process.kill(TERM)
    began = time.monotonic()
    while not process.ended and time.monotonic() < began + 1:
        time.sleep(0.01)
    process.kill()
    assert process.wait() in (0, TRY_AGAIN, -signal.SIGKILL)  # on a busy machine either may be slower; nothing is lost
    goes_on(lab, calm)


def test_a_stop_before_the_first_batch(one, calm):
    """Asked while it waits for a lock: no waiting for hours."""
    holder = one.start(before="faults.test_signals:hold", given=[str(one.results), one.runs[0].cell.key])
    holder.wait_for("holding")
    process = one.start("--wait", before="faults.test_signals:announce")
    process.wait_for("taken")
    assert not process.ended
    process.kill(TERM)
    assert process.wait() == TRY_AGAIN
    invariants.told_in_two_lines(process, TRY_AGAIN)
    assert f"process {holder.pid} on" in process.err
    holder.kill()
    holder.wait()
    goes_on(one, calm)


def hold(results: str, key: str) -> None:
    """Hold the lock of seed 0 of a cell until killed."""
    from pathlib import Path

    from bnstudy import lock, paths

    with lock.held(paths.lock(Path(results), f"{key}-0"), "x"):
        print("holding", file=sys.stderr, flush=True)
        time.sleep(600)


def announce() -> None:
    """Print a line whenever a lock is taken."""
    from bnstudy import lock

    take = lock._take

    def take_and_print(path):
        descriptor = take(path)
        if descriptor is None:
            print("taken", file=sys.stderr, flush=True)
        return descriptor

    lock._take = take_and_print


def ignore_hup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def test_nohup_stays_so(one, calm):
    process = one.start(before="faults.test_signals:ignore_hup")
    process.wait_for("epoch 1/")
    process.kill(HUP)
    assert process.wait() == 0, process.err
    invariants.settled(one.results, calm, one.runs)


def break_pipes() -> None:
    """stdout and stderr whose reader has gone."""
    import os

    reading, writing = os.pipe()
    os.dup2(writing, 1)
    os.dup2(writing, 2)
    os.close(reading)


def test_nobody_reads(one, calm):
    process = one.train(before="faults.test_signals:break_pipes")
    assert process.code == 0
    invariants.settled(one.results, calm, one.runs)


def test_a_real_start_gives_the_same_records(one, calm):
    """Not a warm process: `python -m bnstudy` as it starts for a user, with stdout and stderr closed."""
    command = f"exec {sys.executable} -m bnstudy train --cells {one.file} --results {one.results} >&- 2>&-"
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"}  # HOME is unset too
    done = subprocess.run(["bash", "-c", command], env=environment, cwd=one.folder, timeout=120, check=False)
    assert done.returncode == 0
    invariants.settled(one.results, calm, one.runs)
    invariants.nothing_but(one.folder, "cells.json", "results")
