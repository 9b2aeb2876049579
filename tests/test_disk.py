"""A file appears whole or not at all, whichever system call of `disk` fails."""

import errno
import os
import re
import stat
from pathlib import Path

import pytest

from bnstudy import disk
from bnstudy.errors import DataError, WriteError
from faults.disk import ERRORS, Crash, FaultyDisk, ForgetfulDisk

BEFORE, AFTER = b"before" * 20, b"after" * 30


def calls_of(monkeypatch, path: Path, older: Path | None = None) -> int:
    """Count the system calls of replacing the file at `path`."""
    path.parent.mkdir(parents=True)
    path.write_bytes(BEFORE)
    monkeypatch.setattr(disk, "system", system := FaultyDisk())
    disk.write(path, AFTER, older)
    assert path.read_bytes() == AFTER
    return len(system.calls)


def failure(path: Path) -> Crash | WriteError | None:
    try:
        disk.write(path, AFTER)
    except (Crash, WriteError) as error:
        return error


@pytest.mark.parametrize("fault", ["crash", "short", *ERRORS])
def test_a_write_that_fails_leaves_the_old_file_or_the_new_one(tmp_path, monkeypatch, fault):
    for at in range(1, calls_of(monkeypatch, tmp_path / "0" / "file") + 1):
        path = tmp_path / str(at) / "file"
        path.parent.mkdir()
        path.write_bytes(BEFORE)
        monkeypatch.setattr(disk, "system", FaultyDisk(at, fault))
        error = failure(path)
        if isinstance(error, WriteError):
            assert str(path) in error.cause
            assert os.strerror(getattr(errno, fault)) in error.cause
        assert path.read_bytes() in ((BEFORE, AFTER) if error else (AFTER,))


@pytest.mark.parametrize("names_too", [False, True])
def test_a_file_that_was_written_survives_a_power_cut(tmp_path, monkeypatch, names_too):
    path = tmp_path / "made" / "file"
    monkeypatch.setattr(disk, "system", system := ForgetfulDisk())
    disk.write(path, AFTER)
    system.cut_power(names_too)
    assert path.read_bytes() == AFTER


def test_the_previous_file_is_kept_as_the_older_one(tmp_path, monkeypatch):
    older = tmp_path / "0" / "older"
    for at in range(1, calls_of(monkeypatch, tmp_path / "0" / "file", older) + 1):
        path, kept = tmp_path / str(at) / "file", tmp_path / str(at) / "older"
        path.parent.mkdir()
        path.write_bytes(BEFORE)
        monkeypatch.setattr(disk, "system", FaultyDisk(at))
        with pytest.raises(Crash):
            disk.write(path, AFTER, kept)
        assert BEFORE in [file.read_bytes() for file in (path, kept) if file.exists()]
    assert older.read_bytes() == BEFORE


def test_what_a_killed_writer_left_is_swept(tmp_path):
    path = tmp_path / "records" / "x.json"
    path.parent.mkdir()
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    os.waitpid(dead, 0)
    start = disk._temporaries(path)
    kept = [
        f"{start}{os.getppid()}.tmp",
        f"{start}1.tmp",
        ".x.json.elsewhere.1.tmp",
        f"{start}word.tmp",
        f"{start}.tmp",
    ]
    for name in (*kept, f"{start}{dead}.tmp", f"{start}{2**70}.tmp"):
        (path.parent / name).write_text("half")
    disk.write(path, b"whole")
    assert {f.name for f in path.parent.iterdir()} == {*kept, "x.json"}
    assert path.read_bytes() == b"whole"


def test_a_folder_that_another_process_makes_first(tmp_path, monkeypatch):
    class Slow(FaultyDisk):
        def perform(self, name, *arguments):
            if name == "mkdir":
                super().perform(name, *arguments)
            return super().perform(name, *arguments)

    monkeypatch.setattr(disk, "system", Slow())
    disk.write(tmp_path / "a" / "b" / "file", b"1")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"1"


def test_a_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "folder").write_text("")
    for act in (
        lambda: disk.make_folder(tmp_path / "folder" / "more"),
        lambda: disk.write(tmp_path / "folder" / "x", b""),
        lambda: disk.move_aside(tmp_path / "folder" / "x"),
    ):
        with pytest.raises(WriteError, match="Not a directory"):
            act()
    disk.remove(tmp_path / "folder" / "x")
    disk.sweep(tmp_path / "folder" / "x")
    assert (tmp_path / "folder").read_text() == ""


def test_a_link_in_place_of_a_file_is_replaced_and_not_followed(tmp_path):
    outside, path = tmp_path / "outside", tmp_path / "folder" / "file"
    outside.write_text("mine")
    path.parent.mkdir()
    path.symlink_to(outside)
    path.with_name(f"{disk._temporaries(path)}{os.getpid()}.tmp").symlink_to(outside)
    with pytest.raises(WriteError):
        disk.write(path, b"whole")
    disk.write(path, b"whole")
    assert not path.is_symlink()
    assert path.read_bytes() == b"whole"
    assert outside.read_text() == "mine"


def test_a_file_that_is_moved_aside_keeps_its_content(tmp_path):
    (tmp_path / "x.json").write_bytes(b"bad")
    assert disk.move_aside(tmp_path / "x.json").name == "x.json.bad"
    assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [("x.json.bad", b"bad")]


WRITES = re.compile(
    r"\.write_(text|bytes)\(|\bopen\([^)\n]*[\"'][wax]b?\+?[\"']|\bos\.(replace|rename|link|symlink|truncate)\("
)
MAY_WRITE = {"cli/__init__.py", "workflow/snakemake_process.py"}
"""Modules that write logs: the failures `bnstudy run` reports, and Snakemake's output."""


def test_no_other_module_writes():
    package = Path(disk.__file__).parent
    files = {f.relative_to(package).as_posix() for f in package.rglob("*.py") if WRITES.search(f.read_text())}
    assert {f for f in files if not f.startswith("bench/")} - {"disk.py"} == MAY_WRITE  # bench has a folder of its own


class WithoutFolderSync(FaultyDisk):
    """As CIFS and shared folders of virtual machines are: a folder cannot be synced."""

    def __init__(self, number: int):
        super().__init__()
        self.number = number

    def perform(self, name, *arguments):
        if name == "fsync" and stat.S_ISDIR(os.fstat(arguments[0]).st_mode):
            raise OSError(self.number, os.strerror(self.number))
        return super().perform(name, *arguments)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_is_written_where_folders_cannot_be_synced(tmp_path, monkeypatch, number):
    monkeypatch.setattr(disk, "system", WithoutFolderSync(number))
    disk.write(tmp_path / "made" / "file", AFTER)
    assert (tmp_path / "made" / "file").read_bytes() == AFTER


def test_a_folder_that_should_be_synced_but_fails_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "system", WithoutFolderSync(errno.EIO))
    with pytest.raises(WriteError, match="Input/output error"):
        disk.write(tmp_path / "file", AFTER)


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.EMFILE, "ulimit -n"), (errno.EFBIG, "ulimit -f"), (errno.ENOSPC, "Free space")]
)
def test_the_remedy_names_what_ran_out(tmp_path, monkeypatch, number, remedy):
    monkeypatch.setattr(disk, "system", WithoutFolderSync(number))
    with pytest.raises(WriteError, match=remedy):
        disk.write(tmp_path / "file", AFTER)


def test_the_names_in_a_folder(tmp_path):
    disk.write(tmp_path / "folder" / "file", AFTER)
    assert disk.names(tmp_path / "folder") == {"file"}
    assert disk.names(tmp_path / "none") == disk.names(tmp_path / "folder" / "file") == frozenset()


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "system", FaultyDisk(1, "EIO"))
    with pytest.raises(DataError, match="cannot be read"):
        disk.names(tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with (tmp_path / "file").open("wb") as file:
        file.truncate(disk.LARGEST + 1)
    with pytest.raises(OSError, match="File too large"):
        disk.read(tmp_path / "file")
