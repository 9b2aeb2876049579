"""Folders that are full, read-only, renamed or oddly named; clocks that jump; times of files that mean nothing."""

import os
import shutil
import time

import pytest

from bnstudy.errors import CANNOT_WRITE
from faults import invariants
from faults.lab import Lab


def goes_on(lab: Lab, calm) -> None:
    process = lab.train()
    assert process.code == 0, process.err
    invariants.settled(lab.results, calm, lab.runs)


# full and read-only


@pytest.mark.parametrize("pages", [2, 6, 10, 14, 20, 30])
def test_a_full_disk(one, calm, small_disk, pages):
    """At the lock, at a checkpoint, at the record: told as 73, and it goes on once there is room."""
    small_disk(one.results, pages)
    process = one.train()
    if process.code:
        invariants.told_in_two_lines(process, CANNOT_WRITE)
        assert "No space left" in process.err
    else:
        assert pages > 10
    invariants.whole_records(one.results)
    small_disk.again(one.results, "size=64m")
    goes_on(one, calm)


def test_no_inodes_left(one, calm, small_disk):
    small_disk(one.results, 1000, inodes=4)
    invariants.told_in_two_lines(one.train(), CANNOT_WRITE)
    small_disk.again(one.results, "nr_inodes=1000")
    goes_on(one, calm)


def test_a_read_only_disk_is_refused_before_any_training(one, calm, small_disk):
    small_disk(one.results, 1000)
    small_disk.again(one.results, "ro")
    process = one.train()
    invariants.told_in_two_lines(process, CANNOT_WRITE)
    assert "epoch 1/" not in process.err
    small_disk.again(one.results, "rw")
    goes_on(one, calm)


def become_nobody() -> None:
    os.setgid(65534)
    os.setuid(65534)


def test_a_folder_of_somebody_else(one, calm):
    if os.geteuid() == 0:
        options = {"before": "faults.test_places:become_nobody"}
        for folder in (one.folder, *list(one.folder.parents)[:-2]):
            folder.chmod(folder.stat().st_mode | 0o055)
    else:
        options = {}
    one.results.mkdir()
    one.results.chmod(0o555)
    process = one.train(**options)
    invariants.told_in_two_lines(process, CANNOT_WRITE)
    assert "epoch 1/" not in process.err
    one.results.chmod(0o755)
    goes_on(one, calm)


def test_results_renamed_during_training(lab, calm):
    process = lab.start(before="faults.disk:rest")
    process.wait_for("epoch 2/")
    elsewhere = lab.results.rename(lab.folder / "elsewhere")
    assert process.wait() == CANNOT_WRITE
    invariants.told_in_two_lines(process, CANNOT_WRITE)
    assert not lab.results.exists()  # no half a tree
    elsewhere.rename(lab.results)
    goes_on(lab, calm)


def test_a_link_in_place_of_a_lock_or_record(one, calm):
    outside = one.folder / "outside"
    outside.write_text("mine")
    for path in (one.record, one.results / "locks" / f"{one.runs[0].cell.key}-0.lock"):
        path.parent.mkdir(parents=True)
        path.symlink_to(outside)
    invariants.told_in_two_lines(one.train(), CANNOT_WRITE)
    path.unlink()
    goes_on_with_a_record_aside = one.train()
    assert goes_on_with_a_record_aside.code == 0
    invariants.settled(one.results, calm, one.runs)
    assert outside.read_text() == "mine"


# names and surroundings


@pytest.mark.parametrize(
    "name", ["with space", "Ünïcødé-数据", "quote'\"$(touch x)`;&", "-rf", "a" * 200, "{x}%s*?[a]"]
)
def test_folders_with_odd_names(server, tmp_path, calm, name):
    folder = tmp_path / name
    folder.mkdir()
    lab = Lab.of_one(server, folder)
    assert lab.train(cwd=folder).code == 0
    invariants.settled(lab.results, calm, lab.runs)
    invariants.no_work(lab.train(), lab.runs)
    invariants.nothing_but(folder, "cells.json", "results")
    invariants.nothing_but(tmp_path, name)


def umask_077() -> None:
    os.umask(0o077)


def no_home() -> None:
    for variable in ("HOME", "XDG_CACHE_HOME", "USER", "LOGNAME", "LANG"):
        os.environ.pop(variable, None)
    os.environ["LC_ALL"] = "C"


@pytest.mark.parametrize("surrounding", ["umask_077", "no_home"])
def test_surroundings(one, calm, surrounding):
    assert one.train(before=f"faults.test_places:{surrounding}", cwd=one.folder).code == 0
    invariants.settled(one.results, calm, one.runs)
    invariants.nothing_but(one.folder, "cells.json", "results")
    if surrounding == "umask_077":
        assert one.record.stat().st_mode & 0o777 == 0o600


# clocks


def jump(seconds: float) -> None:
    """The wall clock jumps back and forth by so much at every look; the monotonic clock does not."""
    import datetime as module

    from bnstudy.training import checkpoints

    sign = iter(range(10**9))

    class Jumping(module.datetime):
        @classmethod
        def now(cls, tz=None):
            return module.datetime.now(tz) + module.timedelta(seconds=seconds * (-1) ** next(sign))

    checkpoints.datetime = Jumping
    real = time.time
    time.time = lambda: real() + seconds * (-1) ** next(sign)


@pytest.mark.parametrize("seconds", [86_400.0, -86_400.0, 3600.0, 3e9])
def test_clock_jumps(one, calm, seconds):
    one.stop_after(3)
    process = one.train(before="faults.test_places:jump", given=[seconds])
    assert process.code == 0, process.err
    invariants.settled(one.results, calm, one.runs)


@pytest.mark.parametrize("when", [0.0, 4102444800.0], ids=["1970", "2100"])
def test_times_of_files_mean_nothing(lab, calm, when):
    shutil.copytree(calm, lab.results)
    before = invariants.records(lab.results)
    for path in lab.results.rglob("*"):
        os.utime(path, (when, when))
    invariants.no_work(lab.train(), lab.runs)
    invariants.unchanged(before, lab.results)


def test_a_fresh_clone_over_results(lab, calm):
    """Records brought from elsewhere, in any order, with new times, are the same records."""
    for path in sorted(calm.glob("records/*/*.json"), reverse=True):
        target = lab.results / path.relative_to(calm)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    invariants.no_work(lab.train(), lab.runs)
    invariants.settled(lab.results, calm, lab.runs)
