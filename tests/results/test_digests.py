"""A file of a folder is used only if it matches its digest."""

import os

import pytest

from bnstudy import disk
from bnstudy.errors import DataError
from bnstudy.results import digests

REMEDY = "Write them again."


@pytest.fixture
def folder(tmp_path):
    digests.put(tmp_path / "made", {"a": b"one", "b": b"two"}, {})
    return tmp_path / "made"


def test_what_was_put_is_read(folder):
    assert [digests.read(folder, name, REMEDY) for name in "ab"] == [b"one", b"two"]
    assert digests.stated(folder, REMEDY) == {"a": [digests.of(b"one")], "b": [digests.of(b"two")]}
    assert [digests.lists(folder, name, REMEDY) for name in "abc"] == [True, True, False]


@pytest.mark.parametrize(
    ("content", "message"), [(b"onf", "does not match"), (b"", "does not match"), (None, "cannot be")]
)
def test_a_changed_or_absent_file_is_refused_by_name(folder, content, message):
    (folder / "a").unlink()
    if content is not None:
        (folder / "a").write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        digests.read(folder, "a", REMEDY)
    assert (str(folder / "a") in error.value.cause, error.value.remedy) == (True, REMEDY)
    assert digests.lists(folder, "a", REMEDY)
    assert digests.read(folder, "b", REMEDY) == b"two"


def test_a_file_without_a_digest_is_refused(folder):
    (folder / "c").write_bytes(b"three")
    assert digests.lists(folder, "c", REMEDY)
    with pytest.raises(DataError, match=r"digests\.json beside it has no digest of it"):
        digests.read(folder, "c", REMEDY)


@pytest.mark.parametrize(
    "text", ["", "[", "[]", '{"a": 1}', '{"a": null}', '{"a": ["x"], "a": ["y"]}', "[" * 100_000, "\xff"]
)
def test_digests_of_another_form_are_refused_by_name(folder, text):
    (folder / digests.FILE).write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=r"digests\.json: cannot be read"):
        digests.stated(folder, REMEDY)


def test_digests_that_are_no_file_are_refused_at_once(folder):
    (folder / digests.FILE).unlink()
    os.mkfifo(folder / digests.FILE)
    with pytest.raises(DataError, match="not a regular file"):
        digests.stated(folder, REMEDY)


def test_a_folder_that_is_absent_or_a_file_has_no_digests(folder):
    assert digests.stated(folder / "none", REMEDY) == digests.stated(folder / "a", REMEDY) == {}


def test_a_kill_between_two_files_leaves_each_old_or_new(folder, monkeypatch):
    new, write = {"a": b"three", "b": b"four"}, disk.write
    for left in range(5):
        digests.put(folder, {"a": b"one", "b": b"two"}, {})
        calls: list[str] = []

        def dies(path, content, calls=calls, left=left):
            calls.append(path.name)
            if len(calls) > left:
                raise KeyboardInterrupt
            write(path, content)

        monkeypatch.setattr(disk, "write", dies)
        try:
            digests.put(folder, new, digests.stated(folder, REMEDY), one_by_one=True)
        except KeyboardInterrupt:
            assert left < 4
        monkeypatch.setattr(disk, "write", write)
        found = [digests.read(folder, name, REMEDY) for name in "ab"]
        assert found in ([b"one", b"two"], [b"three", b"two"], [b"three", b"four"])
    assert found == [b"three", b"four"]
    assert digests.stated(folder, REMEDY) == {name: [digests.of(content)] for name, content in new.items()}
