"""Locks between real processes: taken, waited for, left by the dead; and whom the message names."""

import errno
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bnstudy import lock
from bnstudy.errors import TryAgain, WriteError

HOLD = """
import sys, time
from pathlib import Path
from bnstudy import lock
printed = []
def waits():
    if not printed:
        print("waits", flush=True)
        printed.append(True)
    return False
with lock.held(Path(sys.argv[1]), "x", wait=200, stopping=waits):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Starts a process that holds the lock at a path; all are killed in the end."""
    started = []

    def hold(path: Path, read: bool = True) -> subprocess.Popen:
        source = str(Path(lock.__file__).parents[1])
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, path],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": source},
        )
        started.append(process)
        assert not read or (process.stdout and process.stdout.readline() == "held\n")
        return process

    yield hold
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "locks" / "run.lock"


def test_a_taken_lock_names_its_owner(path, holder):
    process = holder(path)
    told = f"the run: held by process {process.pid} on {lock.identity()['host']}"
    with pytest.raises(TryAgain, match=told), lock.held(path, "the run"):
        pass


def test_the_lock_of_a_killed_owner_is_free_and_its_file_stays(path, holder):
    process = holder(path)
    before = path.stat().st_ino
    process.kill()
    process.wait()
    assert lock.owner(path) == lock.UNKNOWN
    with lock.held(path, "the run"):
        assert lock.owner(path).startswith(f"process {os.getpid()} ")
    assert path.stat().st_ino == before


def test_waiting_ends_when_the_owner_dies(path, holder):
    process = holder(path)
    os.kill(process.pid, signal.SIGSTOP)  # a stopped owner still owns
    with pytest.raises(TryAgain), lock.held(path, "the run", wait=0.3, poll=0.05):
        pass
    process.kill()
    with lock.held(path, "the run", wait=200, poll=0.01):
        pass


def test_waiting_ends_when_asked_to_stop(path, holder):
    holder(path)
    answers = iter([False, False, True])
    with (
        pytest.raises(TryAgain),
        lock.held(path, "the run", wait=250, poll=0.01, stopping=lambda: next(answers)),
    ):
        pass
    assert list(answers) == []


def test_a_removed_lock_file_cannot_give_two_owners(path, holder):
    """A process that waits on a file that is gone must not take it for the lock: somebody may hold the new one."""
    first = holder(path)
    waiting = holder(path, read=False)
    assert waiting.stdout.readline() == "waits\n"
    path.unlink()
    with lock.held(path, "the run"):  # a new file, free
        first.kill()
        assert not select.select([waiting.stdout], [], [], 0.7)[0]
    assert waiting.stdout.readline() == "held\n"


def test_a_file_that_is_replaced_while_it_is_taken(path, monkeypatch):
    real, calls = fcntl.flock, []

    def flock(descriptor, how):
        calls.append(how)
        if len(calls) == 1:
            path.unlink()
        elif len(calls) == 2:
            path.unlink()
            path.write_text("new")
        return real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with lock.held(path, "the run") as descriptor:
        assert os.path.samestat(os.fstat(descriptor), path.stat())
    assert len(calls) == 3


def test_a_child_that_inherits_the_descriptor_holds_the_lock(path):
    with lock.held(path, "the run") as descriptor:
        child = subprocess.Popen(["sleep", "60"], pass_fds=(descriptor,))
        other = subprocess.Popen(["sleep", "60"])
    with pytest.raises(TryAgain), lock.held(path, "the run"):
        pass
    child.kill()
    child.wait()
    with lock.held(path, "the run"):  # the other child has not inherited it
        other.kill()
        other.wait()


DEAD = 2**22 + 1  # above the largest pid


def foreign(**changes) -> str:
    return json.dumps(lock.identity(os.getppid()) | changes)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (foreign(), f"process {os.getppid()} on {lock.identity()['host']}"),
        (foreign(host="far.example", pid=7), "process 7 on far.example"),
        (foreign(host="far\x1b[31m\n" * 9, pid=7), r"process 7 on far\x1b[31m\nfar"),
        (foreign(pid=DEAD), lock.UNKNOWN),
        (foreign(start="1"), lock.UNKNOWN),
        (foreign(boot="before the restart"), lock.UNKNOWN),
        ("", lock.UNKNOWN),
        ("{", lock.UNKNOWN),
        ("[]", lock.UNKNOWN),
        ("3", lock.UNKNOWN),
        ('{"pid": 3}', lock.UNKNOWN),
        ('{"pid": "x", "host": "h"}', lock.UNKNOWN),
        ('{"pid": Infinity, "host": "h"}', lock.UNKNOWN),
        ("[" * 10_000, lock.UNKNOWN),
        ("x" * 10_000_000, lock.UNKNOWN),
        (b"\xff\xfe\x00", lock.UNKNOWN),
        (None, lock.UNKNOWN),
    ],
    ids=range(17),
)
def test_whom_a_lock_file_names(tmp_path, content, named):
    """Alive; of another host; hostile; a dead pid; a reused pid; a restarted machine; garbage; gone."""
    path = tmp_path / "x.lock"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert lock.owner(path).startswith(named)
    assert len(lock.owner(path)) < 300
    assert lock.owner(path).isprintable()
    with lock.held(path, "the run"):  # whatever stands in it, a free lock is free
        assert json.loads(path.read_text()) == lock.identity()


def test_identity_where_there_is_no_proc(monkeypatch):
    monkeypatch.setattr(lock, "Path", lambda name: Path("/nowhere") / name.lstrip("/"))
    assert lock.identity() | {"host": ""} == {"pid": os.getpid(), "start": "", "boot": "", "host": ""}


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir()) if Path("/proc/self/fd").exists() else 0


def test_a_folder_without_locks_is_refused(path, monkeypatch):
    def flock(descriptor, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    before = open_files()
    with pytest.raises(WriteError, match="no working locks"), lock.held(path, "the run"):
        pass
    assert open_files() == before


def test_working_locks_pass_the_probe(path, holder):
    before = open_files()
    lock.probe(path)
    holder(path)
    lock.probe(path)  # another process has it: refused, as it should be
    assert open_files() == before + 1  # the pipe from the holder


def test_a_file_system_that_grants_every_lock_is_refused(path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", lambda descriptor, how: None)
    before = open_files()
    with pytest.raises(WriteError, match="grants a lock twice") as told:
        lock.probe(path)
    assert str(told.value).count("\n") == 1
    assert open_files() == before


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_fails_the_probe(path, monkeypatch, number):
    def flock(descriptor, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(WriteError, match="no working locks"):
        lock.probe(path)


def test_locks_that_end_at_the_machine_are_refused(path, holder, monkeypatch):
    """What started a job holds a lock; a job elsewhere that could take it is in a folder not truly shared."""
    lock.check_reach(path)  # started by hand
    monkeypatch.setenv(lock.FRONT, lock.identity()["host"])
    lock.check_reach(path)  # started on this machine
    monkeypatch.setenv(lock.FRONT, "login.example")
    with pytest.raises(WriteError, match=r"held on login\.example but free on"):
        lock.check_reach(path)
    holder(path)
    lock.check_reach(path)


def test_a_full_disk_leaves_the_lock_without_a_name(path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with lock.held(path, "the run"), pytest.raises(TryAgain, match=lock.UNKNOWN), lock.held(path, "the run"):
        pass


def test_a_lock_that_cannot_be_opened(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot be opened"), lock.held(tmp_path / "file" / "x.lock", "the run"):
        pass
    (tmp_path / "link.lock").symlink_to(tmp_path / "file")
    with pytest.raises(WriteError, match="cannot be opened"), lock.held(tmp_path / "link.lock", "the run"):
        pass
    assert (tmp_path / "file").read_text() == ""


def test_the_holder_is_told_without_taking_the_lock(path, holder):
    assert lock.holder(path) is None
    process = holder(path)
    found = lock.holder(path)
    assert found == lock.identity(process.pid)
    process.kill()
    process.wait()
    assert lock.holder(path) is None


def test_a_holder_on_another_machine_is_believed_while_the_lock_is_taken(path):
    elsewhere = json.dumps(lock.identity() | {"host": "elsewhere"})
    with lock.held(path, "the run"):
        path.write_text(elsewhere)
        assert lock.holder(path) == json.loads(elsewhere)
    assert lock.holder(path) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"host": "here", "pid": "x"}', "9" * 2000])
def test_what_is_no_identity_holds_nothing(path, text):
    path.parent.mkdir()
    path.write_text(text)
    assert lock.holder(path) is None


def test_a_process_of_another_user_is_alive(monkeypatch):
    def refuse(pid, number):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert lock.lives(1)
