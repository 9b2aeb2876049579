"""A session on a GPU: what is done, what is left out, and what a part that fails, dies or hangs costs the others."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from bnstudy.bench.gpu import session
from bnstudy.bench.gpu.session import Part

ANSWERS = session._answers
SOURCE = str(Path(session.__file__).parents[3])


@pytest.fixture(autouse=True)
def _device_answers(monkeypatch):
    monkeypatch.setattr(session, "_answers", lambda: True)


def done(file: Path, left: float = 1000.0, skip=(), **parts) -> int:
    given = {name: part if isinstance(part, Part) else Part(part, 1.0) for name, part in parts.items()}
    return session.work(given, file, skip, lambda: left)


def test_what_stands_is_not_done_again_and_what_failed_is(tmp_path):
    file, asked = tmp_path / "gpu.json", []

    def good(found):
        asked.append("good")
        return {"x": 1}

    def bad(found):
        asked.append("bad")
        return {"x": 1 / 0}

    def sums(found):
        asked.append("sum")
        return {"x": found["good"]["x"] + 1}

    for _ in range(2):
        assert done(file, good=good, bad=bad, sum=Part(sums, 0, again=True)) == 0
    assert asked == ["good", "bad", "sum", "bad", "sum"]
    found = json.loads(file.read_text())
    assert found["sum"] == {"x": 2}
    assert "ZeroDivisionError" in found["bad"]["error"]
    assert "in bad" in found["bad"]["traceback"]
    assert set(found["seconds"]) == {"good", "bad", "sum"}
    assert session.AT_WORK not in found


def test_each_result_is_on_disk_before_the_next_part_begins(tmp_path):
    file = tmp_path / "gpu.json"

    def second(found):
        return {"seen": json.loads(file.read_text())}

    done(file, first=lambda found: {"x": 1}, second=second)
    seen = json.loads(file.read_text())["second"]["seen"]
    assert seen["first"] == {"x": 1}
    assert seen[session.AT_WORK] == "second"


def test_nothing_begins_too_late_but_what_goes_on(tmp_path):
    file = tmp_path / "gpu.json"
    parts = {
        "long": Part(lambda found: {}, 1.0),
        "short": Part(lambda found: {}, 0.9),
        "gone_on_with": Part(lambda found: {}, 5.0, again=True),
    }
    done(file, left=59, **parts)
    assert set(json.loads(file.read_text())) == {"short", "gone_on_with", "seconds"}
    file.unlink()
    done(file, left=-1, **parts)
    done(file, skip=list(parts), **parts)
    assert not file.exists()


def test_a_device_that_has_failed_ends_the_process(tmp_path, monkeypatch):
    file = tmp_path / "gpu.json"
    monkeypatch.setattr(session, "_answers", lambda: False)
    assert done(file, good=lambda found: {}, bad=lambda found: 1 / 0, late=lambda found: {}) == session.BROKEN
    found = json.loads(file.read_text())
    assert found[session.AT_WORK] == "bad"
    assert "late" not in found


@pytest.mark.skipif(torch.cuda.is_available(), reason="it answers")
def test_a_device_that_is_not_there_does_not_answer():
    assert ANSWERS() is False


WORKER = """
import argparse, os, sys, time
from pathlib import Path
from bnstudy.bench.gpu import session
from bnstudy.bench.gpu.session import Part
parser = argparse.ArgumentParser()
parser.add_argument("--minutes", type=float)
parser.add_argument("--skip", nargs="*")
options = parser.parse_args()
file = Path("gpu.json")
with open("calls", "a") as calls:
    calls.write(" ".join(options.skip) + "\\n")
session._answers = lambda: "broken" in options.skip
parts = {
    "good": Part(lambda found: {"x": 1}, 0.1),
    "dies": Part(lambda found: os.abort(), 0.1),
    "hangs": Part(lambda found: time.sleep(60), 0.1, limit=0.3),
    "broken": Part(lambda found: 1 / 0, 0.1),
    "late": Part(lambda found: {"x": 2}, 0.1),
}
sys.exit(session.work(parts, file, options.skip, lambda: 60 * options.minutes))
"""


def test_a_part_at_which_a_process_dies_costs_no_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", SOURCE)
    file = tmp_path / "gpu.json"
    assert session.supervise([sys.executable, "-c", WORKER], file, ["x"], lambda: 800.0) == 0
    found = json.loads(file.read_text())
    assert (found["good"], found["late"]) == ({"x": 1}, {"x": 2})
    assert found["dies"]["error"] == f"its process ended with {-signal.SIGABRT}"
    assert found["hangs"]["error"] == "its process ended with 1"
    assert "ZeroDivisionError" in found["broken"]["error"]
    assert (tmp_path / "calls").read_text().splitlines() == ["x", "x dies", "x dies hangs", "x dies hangs broken"]
    assert session.AT_WORK not in found


def test_a_process_that_fails_before_any_part_is_not_tried_again(tmp_path):
    failing = [sys.executable, "-c", "import sys; sys.exit(3)"]
    assert session.supervise(failing, tmp_path / "gpu.json", [], lambda: 800.0) == 3


def test_the_time_is_kept_whatever_the_process_does(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "GRACE", 0.5)
    endless = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert session.supervise(endless, tmp_path / "gpu.json", [], lambda: 0.0) == signal.SIGKILL


def test_a_signal_reaches_the_process_and_nothing_is_begun_again(tmp_path):
    code = (
        "import os, sys, time; from pathlib import Path; from bnstudy.bench.gpu import session\n"
        "session.write(Path('gpu.json'), {session.AT_WORK: 'part'})\n"
        "time.sleep(60)"
    )
    outer = (
        "import sys; from pathlib import Path; from bnstudy.bench.gpu import session\n"
        f"sys.exit(session.supervise([sys.executable, '-c', {code!r}], Path('gpu.json'), [], lambda: 800.0))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", outer], cwd=tmp_path, env=os.environ | {"PYTHONPATH": SOURCE}
    )  # fmt: skip
    while not (tmp_path / "gpu.json").exists():
        time.sleep(0.05)
        assert process.poll() is None
    process.terminate()
    assert process.wait(200) == signal.SIGTERM
    assert "ended with -15" in json.loads((tmp_path / "gpu.json").read_text())["part"]["error"]
