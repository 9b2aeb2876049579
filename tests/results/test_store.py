"""Every system call of a training fails once, in every way: what remains is whole, and the same training resumes."""

import contextlib
import errno
import fcntl
import json
import os
from pathlib import Path

import pytest

from bnstudy import disk, paths
from bnstudy.design.cell import Run
from bnstudy.errors import DataError, StudyError, Unreadable, WriteError
from bnstudy.results import store
from bnstudy.results.record import Record
from faults import small, tally
from faults.disk import ERRORS, Crash, FaultyDisk, ForgetfulDisk
from synthetic import record

RUN = small.RUNS[0]
RECORD = record(RUN, epochs_run=2)
MARK = {"key": RUN.cell.key, "seed": 0, "engine": "packed"}
STATES = [b"state of epoch %d " % epoch * 20 for epoch in range(4)]


def trainer(results: Path) -> None:
    """What a training does to the disk, from start to end, going on where it can."""
    store.open_results(results)
    if store.get_record(results, RUN) is None:
        after = next(store.get_checkpoints(results, RUN, MARK), None)
        for epoch in range(STATES.index(after) + 1 if after else 0, len(STATES)):
            store.put_checkpoint(results, RUN, MARK, STATES[epoch])
        store.put_record(results, RECORD)
    store.drop_checkpoints(results, RUN)
    store.put_manifest(results, "0123456789ab", [{"key": RUN.cell.key, "seed": 0}])


def whole(results: Path) -> None:
    """I1: what is there verifies."""
    for file in results.glob("records/*/*.json"):
        assert Record.from_text(file.read_text()) == RECORD
    for file in results.glob("packs/*.json"):
        assert json.loads(file.read_text())["runs"]


def files(results: Path) -> set[str]:
    return {f.relative_to(results).as_posix() for f in results.rglob("*") if f.is_file()}


@pytest.fixture(scope="module")
def calls(tmp_path_factory) -> list[str]:
    """The names of the system calls of an undisturbed training."""
    system = FaultyDisk()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "system", system)
        trainer(tmp_path_factory.mktemp("calls") / "results")
    return system.calls


def test_a_training_makes_every_kind_of_call(calls):
    assert len(calls) > 80
    assert set(calls) == {"mkdir", "open", "read", "write", "fsync", "close", "replace", "unlink", "listdir"}


def outcome(results: Path) -> StudyError | None:
    try:
        trainer(results)
    except Crash:
        return None
    except StudyError as error:
        return error


@pytest.mark.parametrize("fault", ["crash", "short", *ERRORS])
def test_every_call_fails_once(tmp_path, monkeypatch, calls, fault):
    for at in range(1, len(calls) + 1):
        results = tmp_path / str(at)
        monkeypatch.setattr(disk, "system", FaultyDisk(at, fault))
        told = outcome(results)
        assert not told or fault in ERRORS
        if told:
            assert str(results) in told.cause
            assert os.strerror(getattr(errno, fault)) in told.cause
        monkeypatch.setattr(disk, "system", FaultyDisk())
        whole(results)
        if told and list(results.glob("checkpoints/*.newest")):  # an error leaves a generation that can be used
            assert next(store.get_checkpoints(results, RUN, MARK), None) in STATES
        trainer(results)
        whole(results)
        left = {f for f in files(results) if f"{os.getpid()}.tmp" not in f}
        assert left == {f"records/{RUN.cell.key}/0.json", "packs/0123456789ab.json"}


def test_a_checkpoint_is_never_lost_by_a_crash(tmp_path, monkeypatch, calls):
    """Once the first checkpoint has been kept, a crash at any later call leaves one, until the record stands."""
    first = calls.index("replace") + 2
    for at in range(first, len(calls) + 1):
        results = tmp_path / str(at)
        monkeypatch.setattr(disk, "system", FaultyDisk(at))
        with pytest.raises(Crash):
            trainer(results)
        monkeypatch.setattr(disk, "system", FaultyDisk())
        if store.get_record(results, RUN) is None and calls[: at - 1].count("replace") > 1:
            assert next(store.get_checkpoints(results, RUN, MARK), None) in STATES, at


@pytest.mark.parametrize("names_too", [False, True])
def test_power_cuts_lose_nothing_that_was_committed(tmp_path, monkeypatch, calls, names_too):
    for at in range(1, len(calls) + 2):
        results, system = tmp_path / str(at), ForgetfulDisk(at)
        monkeypatch.setattr(disk, "system", system)
        with contextlib.suppress(Crash):
            trainer(results)
        stood = "unlink" in system.calls[: at - 1]  # checkpoints are dropped once the record is durable
        system.cut_power(names_too)
        monkeypatch.setattr(disk, "system", FaultyDisk())
        whole(results)
        assert not stood or store.get_record(results, RUN) == RECORD
        trainer(results)
        whole(results)


def test_what_a_killed_trainer_left_is_swept_by_the_next(tmp_path):
    newest = paths.checkpoints(tmp_path, RUN.cell.key, 0)[0]
    newest.parent.mkdir()
    newest.with_name(f"{disk._temporaries(newest)}{2**70}.tmp").write_text("half")
    assert list(store.get_checkpoints(tmp_path, RUN, MARK)) == []
    assert list(newest.parent.iterdir()) == []


def test_results_that_are_renamed_are_not_made_again(tmp_path):
    store.open_results(tmp_path / "results")
    (tmp_path / "results").rename(tmp_path / "elsewhere")
    for put in (
        lambda: store.put_record(tmp_path / "results", RECORD),
        lambda: store.put_checkpoint(tmp_path / "results", RUN, MARK, b"state"),
    ):
        with pytest.raises(WriteError, match="no longer exists"):
            put()
    assert not (tmp_path / "results").exists()


def test_a_folder_whose_locks_exclude_nobody_is_refused(tmp_path, monkeypatch):
    store.check_locks(tmp_path)
    monkeypatch.setattr(fcntl, "flock", lambda descriptor, how: None)
    with pytest.raises(WriteError, match="no working locks"):
        store.check_locks(tmp_path)


def test_records_are_found_by_key_in_order_of_seed(tmp_path):
    for seed in (10, 0, 9):
        store.put_record(tmp_path, record(Run(RUN.cell, seed)))
    folder = tmp_path / "records" / RUN.cell.key
    (folder / "1.json.bad").write_text("{")
    (folder / "note.json").write_text("{")
    assert [getattr(r, "seed", r) for r in store.find_records(tmp_path, RUN.cell.key)] == [0, 9, 10]
    assert store.find_records(tmp_path, "0" * 12) == store.find_records(tmp_path, "../records") == []
    (folder / "3.json").write_text((folder / "0.json").read_text())
    _, bad, *_ = store.find_records(tmp_path, RUN.cell.key)
    assert isinstance(bad, DataError)
    assert "holds the record of" in bad.cause


def test_a_record_of_another_run_is_refused(tmp_path):
    path = store.put_record(tmp_path, RECORD)
    path.rename(path.with_name("1.json"))
    with pytest.raises(DataError, match="holds the record of"):
        store.get_record(tmp_path, Run(RUN.cell, 1))
    assert [type(found) for _, found in store.get_records(tmp_path, [RUN, Run(RUN.cell, 1)])] == [type(None), DataError]


def test_what_cannot_be_read_is_not_called_bad(tmp_path):
    path = paths.record(tmp_path, RUN.cell.key, 0)
    path.mkdir(parents=True)
    with pytest.raises(Unreadable, match="Is a directory"):
        store.get_record(tmp_path, RUN)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(DataError, match="not a complete record"):  # and no waiting for a writer
        store.get_record(tmp_path, RUN)
    assert disk.move_aside(path).name == "0.json.bad"


def test_checkpoints_of_another_owner_are_kept_and_not_used(tmp_path):
    for epoch in range(2):
        store.put_checkpoint(tmp_path, RUN, MARK | {"seed": epoch}, STATES[epoch])
    assert list(store.get_checkpoints(tmp_path, RUN, MARK | {"engine": "reference"})) == []
    assert list(store.get_checkpoints(tmp_path, RUN, MARK)) == [STATES[0]]
    assert list(store.get_checkpoints(tmp_path, RUN, MARK | {"seed": 1})) == [STATES[1]]
    assert store.has_checkpoints(tmp_path, RUN)


DAMAGES = {
    "empty": lambda b: b"",
    "one byte": lambda b: b[:1],
    "header only": lambda b: b.partition(b"\n")[0],
    "half": lambda b: b[: len(b) // 2],
    "last byte": lambda b: b[:-1],
    "a list": lambda b: b"[]\n",
    "no digest": lambda b: b"{}\n",
    "deep": lambda b: b"[" * 100_000,
    "not text": lambda b: b"\xff\n",
    "a number": lambda b: b'{"digest": 3}\n',
} | {f"bit {i}": lambda b, i=i: _flipped(b, i * len(b) * 8 // 100) for i in range(100)}


def _flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("which", [0, 1])
def test_damaged_checkpoints_are_removed_and_the_other_is_used(tmp_path, monkeypatch, which):
    monkeypatch.setattr(disk, "system", FaultyDisk())
    for damage, change in DAMAGES.items():
        for epoch in range(2):
            store.put_checkpoint(tmp_path, RUN, MARK, STATES[epoch], {"epoch": epoch, "epoch_seconds": 0.25})
        path = paths.checkpoints(tmp_path, RUN.cell.key, 0)[which]
        path.write_bytes(change(path.read_bytes()))
        tally.count("damaged files")
        found = list(store.get_checkpoints(tmp_path, RUN, MARK))
        assert found == [STATES[which]], damage  # the newest is state 1, the older state 0
        if path.exists():  # the bit was in the fingerprint: it may be somebody else's, so it is kept
            assert json.loads(path.read_bytes().partition(b"\n")[0]).get("fingerprint") != MARK


def test_a_glance_tells_the_progress_of_checkpoints_unopened(tmp_path):
    assert store.glance(tmp_path, RUN) == []
    for epoch in range(2):
        store.put_checkpoint(tmp_path, RUN, MARK, STATES[epoch], {"epoch": epoch})
    assert [found["progress"]["epoch"] for found in store.glance(tmp_path, RUN)] == [1, 0]
    paths.checkpoints(tmp_path, RUN.cell.key, 0)[0].write_bytes(b"no header")
    assert [found.get("progress") for found in store.glance(tmp_path, RUN)] == [None, {"epoch": 0}]


def test_the_digest_of_a_record_and_a_path_outside(tmp_path):
    path = store.put_record(tmp_path, RECORD)
    assert store.record_digest(tmp_path, RUN) == json.loads(path.read_text())["digest"]
    with pytest.raises(StudyError, match="not a cell key"):
        paths.record(tmp_path, "../../etc", 0)
