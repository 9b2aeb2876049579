"""More than a hundred tiny cells under a random mix of faults for minutes: tables and figures come out equal.

BNSTUDY_CHAOS_SECONDS (300) and BNSTUDY_CHAOS_SEED (1) change the run; a failure prints the seed that replays it.
"""

import os
import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from bnstudy import report
from bnstudy.results import frames, store
from bnstudy.results.record import Record
from bnstudy.studies import config
from faults import invariants, small, tally
from faults.dag import GRID, OUTPUTS
from faults.disk import ERRORS
from faults.lab import Lab

KINDS = ["kill", "kill", "kill", "signal", "disk", "disk", "two", "record", "checkpoint", "times", "rename", "lock"]
SETTINGS = "[relu, sigmoid, elu, lr_high, lr_low, init_high, init_low, dropout, weight_decay, batch_32, batch_128]"
WIDTHS = "[0.02, 0.03, 0.04, 0.05, 0.06]"


@pytest.fixture
def study(tmp_path):
    (tmp_path / "config.yaml").write_text(GRID.format(settings=SETTINGS, widths=WIDTHS))
    return config.load(tmp_path / "config.yaml").studies["tiny"]


def outputs(study, results: Path, folder: Path) -> dict[str, bytes]:
    """Frames, tables, figures and page of these results; those that must be the same byte for byte."""
    records = [found for _, found in store.get_records(results, study.runs()) if isinstance(found, Record)]
    built = frames.build(records, study.runs())
    rows = zip(built.runs["key"], built.runs["seed"], strict=True)
    missing = zip(built.missing["key"], built.missing["seed"], strict=True)
    invariants.each_once(rows, missing, study.runs())
    frames.put(built, results, study.name)
    report.write(study, frames.get(results, study.name), None, {"default": 1.0}, folder, formats=("svg",))
    return {f.relative_to(folder).as_posix(): f.read_bytes() for pattern in OUTPUTS for f in folder.rglob(pattern)}


class Chaos:
    """Faults drawn by `dice`, one after another, against processes that train the study."""

    def __init__(self, lab: Lab, dice: random.Random, calls: int):
        self.lab, self.dice, self.calls, self.done = lab, dice, calls, Counter()

    def step(self) -> None:
        kind = self.dice.choice(KINDS)
        getattr(self, kind)()
        self.done[kind] += 1
        if kind in ("record", "checkpoint"):
            tally.count("damaged files")

    def start(self, **options):
        return self.lab.start("--wait", interval=self.dice.choice(["0", "0.2", "1000"]), **options)

    def pause(self) -> None:
        time.sleep(self.dice.uniform(0, 3))

    def kill(self) -> None:
        process = self.start()
        self.pause()
        process.kill()
        process.wait()

    def signal(self) -> None:
        process = self.start()
        self.pause()
        for _ in range(self.dice.randint(1, 3)):
            process.kill(self.dice.choice([signal.SIGTERM, signal.SIGINT, signal.SIGHUP]))
        code = process.wait()
        assert code in (0, 75) or code < 0, process.err  # before it listens, a signal ends it

    def disk(self) -> None:
        at, fault = self.dice.randint(1, self.calls), self.dice.choice(["crash", "short", *ERRORS])
        process = self.start(before="faults.disk:install", given=[at, fault])
        self.pause()
        process.kill()
        code = process.wait()
        assert code in (0, 65, 73, -signal.SIGKILL), process.err

    def two(self) -> None:
        processes = [self.start() for _ in range(2)]
        self.pause()
        self.dice.choice(processes).kill()
        self.pause()
        for process in processes:
            process.kill()
            process.wait()

    def _file(self, pattern: str) -> Path | None:
        found = sorted(self.lab.results.glob(pattern))
        return self.dice.choice(found) if found else None

    def _damage(self, path: Path | None) -> None:
        if path and (content := path.read_bytes()):
            at = self.dice.randrange(len(content))
            cut, bit = content[:at], content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
            path.write_bytes(self.dice.choice([cut, bit]))

    def record(self) -> None:
        """Damaged, removed or under the name of another run."""
        path, other = self._file("records/*/*.json"), self._file("records/*/*.json")
        if path and other:
            self.dice.choice([lambda: self._damage(path), path.unlink, lambda: other.write_bytes(path.read_bytes())])()

    def checkpoint(self) -> None:
        self._damage(self._file("checkpoints/*"))

    def times(self) -> None:
        when = self.dice.choice([0.0, 4102444800.0])
        for path in self.lab.results.rglob("*"):
            os.utime(path, (when, when))
        tally.count("clocks")

    def rename(self) -> None:
        """Results go away during training and come back."""
        if not self.lab.results.exists():
            return
        process = self.start()
        self.pause()
        elsewhere = self.lab.results.rename(self.lab.folder / "elsewhere")
        tally.count("renamed folders")
        code = process.wait()
        assert code in (0, 73), process.err
        shutil.rmtree(self.lab.results, ignore_errors=True)  # a process that had not begun may have made it
        elsewhere.rename(self.lab.results)

    def lock(self) -> None:
        if path := self._file("locks/*"):
            self.dice.choice([path.unlink, lambda: path.write_bytes(b"\xff garbage"), lambda: path.write_text("")])()
            tally.count("damaged locks")


@pytest.mark.faults
def test_chaos(server, tmp_path, study):
    seconds, seed = (float(os.environ.get(f"BNSTUDY_CHAOS_{k}", v)) for k, v in (("SECONDS", 300), ("SEED", 1)))
    assert len(study.cells) >= 100
    labs = []
    for name in ("calm", "chaos"):
        (tmp_path / name).mkdir()
        labs.append(Lab(server, tmp_path / name, study.cells, study.seeds))
    calm, lab = labs
    process = calm.start(interval="1000")
    assert process.wait(900) == 0, process.err
    chaos, deadline, rounds = Chaos(lab, random.Random(int(seed)), 3000), time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        chaos.step()
        if lab.results.exists() and len(invariants.records(lab.results)) == len(lab.runs):
            rounds += 1  # all is trained: from the start again
            shutil.rmtree(lab.results / "records")
    process = lab.start("--wait")
    assert process.wait(900) == 0, process.err
    faults = f"{sum(chaos.done.values())} faults {dict(chaos.done)}"
    told = f"seed {int(seed)}: {faults}, {len(study.cells)} cells, {rounds} times all trained"
    invariants.whole_records(lab.results)
    invariants.same_as_calm(lab.results, calm.results, lab.runs)
    invariants.only_known_files(lab.results)
    invariants.no_work(lab.train(), lab.runs)
    mine, theirs = (outputs(study, each.results, each.folder / "reports") for each in (lab, calm))
    assert mine.keys() == theirs.keys(), told
    assert [name for name in mine if mine[name] != theirs[name]] == [], told
    assert len(mine) > 5
    tally.tell(f"{told}; {len(mine)} tables and figure data, {sum(map(len, mine.values()))} bytes, all equal")


def test_a_moment_of_chaos(server, tmp_path, calm):
    """The same mix for some seconds over the small study, for every change of the program."""
    (tmp_path / "chaos").mkdir()
    lab = Lab(server, tmp_path / "chaos", small.CELLS[:2], small.SEEDS)
    chaos = Chaos(lab, random.Random(3), 60)
    chaos.pause = lambda: time.sleep(chaos.dice.uniform(0, 0.5))
    for kind in ("kill", "disk", "signal", "checkpoint", "two", "record", "lock", "rename", "times", "kill"):
        getattr(chaos, kind)()
    process = lab.train("--wait")
    assert process.code == 0, process.err
    invariants.whole_records(lab.results)
    invariants.same_as_calm(lab.results, calm, lab.runs)
