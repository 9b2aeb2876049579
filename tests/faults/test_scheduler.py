"""`bnstudy run`: front, scheduler and jobs killed one by one and all together, in each phase; two at once."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from bnstudy.errors import CANNOT_WRITE, TRY_AGAIN
from faults import invariants, tally
from faults.dag import Front

FUTURE = 4102444800.0  # 2100

pytestmark = [pytest.mark.faults, pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")]


@pytest.fixture(scope="module")
def calm(tmp_path_factory) -> Front:
    front = Front(tmp_path_factory.mktemp("dag") / "calm")
    assert front.run() == 0, front.words
    return front


@pytest.fixture
def front(tmp_path) -> Front:
    return Front(tmp_path / "study")


def trained(front: Front) -> int:
    return len(list(front.results.glob("records/*/*.json")))


def training(front: Front) -> bool:
    return trained(front) > 0 or bool(list(front.results.glob("checkpoints/*.newest")))


def ends_calm(front: Front, calm: Front) -> None:
    before = invariants.records(front.results)
    assert front.run() == 0, front.words
    invariants.unchanged(before, front.results)
    front.same_as(calm)


def no_work(front: Front) -> None:
    """I9: no record, frame or table is touched."""
    before = {f: f.stat().st_mtime_ns for f in front.results.rglob("*.json")}
    assert front.run() == 0
    assert {f: f.stat().st_mtime_ns for f in front.results.rglob("*.json")} == before


def test_a_second_call_does_no_work(calm):
    no_work(calm)


def test_the_scheduler_is_killed_and_its_job_lives_on(front, calm):
    """The front waits for what the scheduler left; until then another start is refused, and names it."""
    process = front.start()
    front.until(lambda: training(front))
    front.until(lambda: front.kill("-m snakemake") > 0)
    assert front.run() in (0, TRY_AGAIN)
    assert process.wait(120) == TRY_AGAIN
    ends_calm(front, calm)


def test_the_front_is_killed_and_the_scheduler_lives_on(front, calm):
    """Its lock is free at once: a second scheduler works beside the first, and no run is trained twice."""
    process = front.start()
    front.until(lambda: training(front))
    front.until(lambda: front.kill("bnstudy run") > 0)
    process.wait()
    ends_calm(front, calm)
    front.until(lambda: not front.processes())
    front.same_as(calm)


def test_the_job_is_killed(front, calm):
    process = front.start()
    front.until(lambda: training(front))
    front.kill("bnstudy train")
    assert process.wait(300) != 0
    ends_calm(front, calm)


@pytest.mark.parametrize("phase", ["start", "data", "train", "aggregate", "report"])
def test_everything_is_killed(front, calm, phase):
    """Twice, as a machine that loses power would; then the same command."""
    for _ in range(2):
        process = front.start()
        ready = {
            "start": lambda: True,
            "data": lambda: bool(front.processes("bnstudy data")),
            "train": lambda: bool(front.processes("bnstudy train")),
            "aggregate": lambda: bool(front.processes("bnstudy aggregate")),
            "report": lambda: bool(front.processes("bnstudy report")),
        }[phase]
        front.until(lambda: ready() or process.poll() is not None)  # noqa: B023
        front.kill()
        process.wait()
    ends_calm(front, calm)


TERM, INT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP


@pytest.mark.parametrize("sequence", [(TERM,), (INT,), (HUP,), (TERM, TERM), (INT, TERM)], ids=str)
def test_signals_to_the_front(front, calm, sequence):
    """The first stops each run at its next batch; a second one, after a moment, stops everything at once."""
    process = front.start()
    front.until(lambda: training(front))
    for number in sequence:
        process.send_signal(number)
        tally.count("signals")
        time.sleep(0.2)
    assert process.wait(120) in (0, TRY_AGAIN), front.words
    front.until(lambda: not front.processes())
    ends_calm(front, calm)


def test_two_at_once(front, calm):
    processes = [front.start(), front.start()]
    codes = sorted(process.wait(600) for process in processes)
    assert codes[0] == 0
    assert codes[1] in (0, TRY_AGAIN)  # refused: held by the other
    front.same_as(calm)


def test_results_brought_from_elsewhere(front, calm):
    for part in ("results/records", "results/packs"):
        shutil.copytree(calm.folder / part, front.folder / part)
    before = {f: f.stat().st_mtime_ns for f in front.results.glob("records/*/*.json")}
    assert front.run() == 0, front.words
    assert {f: f.stat().st_mtime_ns for f in front.results.glob("records/*/*.json")} == before
    front.same_as(calm)


def broken_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def test_nobody_reads(front, calm):
    pipe = broken_pipe()
    assert front.run(stdout=pipe, stderr=pipe) == 0
    os.close(pipe)
    front.same_as(calm)


def test_an_odd_folder_without_home(tmp_path, calm):
    """Spaces, quotes, letters of other alphabets and a command in the path, no HOME, files for nobody else."""
    front = Front(tmp_path / "wíth späce 数据 '$(touch executed)")
    options = {"without": ("HOME", "XDG_CACHE_HOME", "USER", "LOGNAME"), "umask": 0o077}
    assert front.run(**options) == 0, front.words
    front.same_as(calm)
    assert {f.stat().st_mode & 0o077 for f in front.results.glob("records/*/*.json")} == {0}
    invariants.nothing_but(tmp_path, front.folder.name)


def test_a_note_on_data_from_the_future_holds_up_nothing(front, calm):
    """Data were fetched by a clock that was ahead, and nothing is trained yet."""
    shutil.copytree(calm.results / "data", front.results / "data")
    for note in front.results.glob("data/*.json"):
        os.utime(note, (FUTURE, FUTURE))
    tally.count("clocks")
    assert front.run() == 0, front.words
    front.same_as(calm)


@pytest.mark.parametrize("first", [0, 1], ids=["even", "odd"])
@pytest.mark.parametrize("when", [0.0, FUTURE], ids=["1970", "2100"])
def test_times_of_files_mean_nothing(front, calm, when, first):
    """Every other file is of that day, the others of today; the scheduler, which looks at times, retrains nothing."""
    for part in ("results", "reports"):
        shutil.copytree(calm.folder / part, front.folder / part)
    for path in [*sorted(front.folder.rglob("*"))[first::2], front.folder / "config.yaml"]:
        os.utime(path, (when, when))
    tally.count("clocks")
    before = {f: (f.stat().st_mtime_ns, f.stat().st_ino) for f in front.results.glob("records/*/*.json")}
    assert front.run() == 0, front.words
    assert {f: (f.stat().st_mtime_ns, f.stat().st_ino) for f in front.results.glob("records/*/*.json")} == before
    front.same_as(calm)


def test_frames_that_a_failed_job_left_deleted(front, calm):
    """The page of before stands and is newer than all records; frames and page are made again all the same."""
    for part in ("results", "reports"):
        shutil.copytree(calm.folder / part, front.folder / part)
    shutil.rmtree(front.results / "frames" / "tiny")
    page = front.folder / "reports" / "tiny" / "index.html"
    page.write_text("of before")
    assert front.run() == 0, front.words
    assert len(list((front.results / "frames" / "tiny").glob("*.parquet"))) == 7
    assert page.read_text() != "of before"
    front.same_as(calm)


@pytest.mark.parametrize("part", ["results", "reports"])
@pytest.mark.parametrize("how", ["full", "read-only"])
def test_no_room_after_training(front, calm, small_disk, part, how):
    """All is trained, and frames or pages cannot be written: told, and the same command ends it once they can."""
    small_disk(front.folder / part, 4000)
    if part == "results":
        for each in ("records", "packs"):
            shutil.copytree(calm.results / each, front.results / each)
    else:
        shutil.copytree(calm.results / "records", front.results / "records")
    used = int(subprocess.check_output(["du", "-sk", str(front.folder / part)]).split()[0])
    small_disk.again(front.folder / part, f"size={used + 40}k" if how == "full" else "ro")
    before = invariants.records(front.results)
    assert front.run() == CANNOT_WRITE, front.words
    assert "Traceback" not in front.words
    assert ("No space left" if how == "full" else "Read-only file system") in front.words
    small_disk.again(front.folder / part, "size=64m" if how == "full" else "rw")
    invariants.unchanged(before, front.results)
    ends_calm(front, calm)


def test_ten_kills_at_random(front, calm):
    dice = random.Random(10)
    for _ in range(10):
        process = front.start()
        time.sleep(dice.uniform(0, 20))
        front.kill(dice.choice(["", "-m snakemake", "bnstudy train", "bnstudy run"]))
        front.kill()
        process.wait()
        invariants.whole_records(front.results)
    ends_calm(front, calm)
