"""I8: time during which a timing was interrupted or disturbed is in no timing record; a killed one leaves none."""

import os
import signal
import time
from pathlib import Path

import pytest

from bnstudy import paths
from bnstudy.design.timing import timings
from bnstudy.errors import TRY_AGAIN
from bnstudy.results.timings import record
from bnstudy.studies import config
from bnstudy.training.timing import measure
from faults import invariants, tally

CONFIG = """
studies:
  times:
    question: What does it cost?
    timing: true
    cells: [{dataset: toy, model: mlp, norm: [none, batch], width: 0.02, train_size: 200}]
"""
DISTURBED = 25.0
"""Wall over processor time above which an epoch is rejected, where one is paused; load alone seldom reaches it."""


@pytest.fixture
def timed(server, tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)

    def start(before: str, *given):
        options = {"before": f"faults.test_times:{before}", "given": given, "cwd": tmp_path}
        return server.start("bench", "time", "--study", "times", "--results", tmp_path / "results", **options)

    return start


def records(folder: Path) -> list[record.Body]:
    (timing,) = timings(config.load(folder / "config.yaml").studies["times"].cells)
    return [
        record.get(paths.timing(folder / "results", timing.key(engine, "cpu"))) for engine in ("packed", "reference")
    ]


def busy(disturbed: float) -> None:
    """A machine that may be so busy: an epoch is rejected only if its wall time is this many times its own."""
    measure.DISTURBED = disturbed


def signal_itself(at: int, number: int, disturbed: float) -> None:
    """Send itself a signal within timed epoch `at`, in its first part; epochs of the warm-up are numbers 1 and 2."""
    busy(disturbed)
    real, calls = measure.measure, iter(range(1, 10**6))

    def disturbing(part):
        def run() -> None:
            part()
            if next(calls) == at:
                os.kill(os.getpid(), number)

        return run

    def measure_disturbed(subjects, *rest):
        first = measure.PARTS[0]
        return real({norm: parts | {first: disturbing(parts[first])} for norm, parts in subjects.items()}, *rest)

    measure.measure = measure_disturbed


@pytest.mark.parametrize("at", [1, 5, 14])
def test_a_killed_timing_leaves_no_record(timed, tmp_path, at):
    process = timed("signal_itself", at, signal.SIGKILL, 1e9)
    assert process.wait() == -signal.SIGKILL
    tally.count("signals")
    assert not list(tmp_path.rglob("timings/*"))
    process = timed("busy", 1e9)
    assert process.wait() == 0, process.err
    assert [len(body["pairs"]) for body in records(tmp_path)] == [measure.PAIRS, measure.PAIRS]
    before = [f.read_bytes() for f in sorted(tmp_path.rglob("timings/*"))]
    assert timed("busy", 1e9).wait() == 0
    assert [f.read_bytes() for f in sorted(tmp_path.rglob("timings/*"))] == before  # I9


def test_an_interrupted_timing_tries_again(timed, tmp_path):
    process = timed("signal_itself", 5, signal.SIGTERM, 1e9)
    process.wait()
    tally.count("signals")
    invariants.told_in_two_lines(process, TRY_AGAIN)
    assert not list(tmp_path.rglob("timings/*"))


def test_a_pause_within_an_epoch_rejects_the_epoch(timed, tmp_path):
    assert timed("busy", 1e9).wait() == 0
    pause = 4 * DISTURBED * max(sum(epoch["cpu"]) for pair in records(tmp_path)[0]["pairs"] for epoch in pair.values())
    for file in tmp_path.rglob("timings/*"):
        file.unlink()
    process = timed("signal_itself", 5, signal.SIGSTOP, DISTURBED)
    while not stopped(process.pid):
        assert not process.ended, process.err
        time.sleep(0.01)
    time.sleep(pause)
    process.kill(signal.SIGCONT)
    assert process.wait() == 0, process.err
    first, second = records(tmp_path)
    assert max(each["wall_over_cpu"] for each in first["rejected"]) > DISTURBED
    assert [len(body["pairs"]) for body in (first, second)] == [measure.PAIRS, measure.PAIRS]
    assert all(max(epoch["wall"]) < pause for pair in first["pairs"] for epoch in pair.values())


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
