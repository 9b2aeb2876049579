"""A round's start, as jobs read it; its note, as the front does."""

import os

import pytest

from bnstudy.design.study import Study
from bnstudy.errors import UsageError
from bnstudy.results import rounds
from faults import small

STUDY = Study("tiny", "Why so?", small.CELLS, (0, 1))


@pytest.mark.parametrize("text", ["x", "nan", "inf", "-1", "1e999", "\x1b[31m", "2024-01-01", " ", "0x10"])
def test_a_start_that_is_no_time_is_refused(monkeypatch, text):
    monkeypatch.setenv(rounds.SINCE, text)
    with pytest.raises(UsageError, match=rounds.SINCE) as error:
        rounds.since()
    assert error.value.cause.isprintable()


@pytest.mark.parametrize(("text", "start"), [("", None), ("0", 0.0), ("1.5e9", 1.5e9)])
def test_a_start(monkeypatch, text, start):
    monkeypatch.setenv(rounds.SINCE, text)
    assert rounds.since() == start


def test_a_note_that_is_not_ours_is_no_round(tmp_path):
    began = rounds.begin(tmp_path, [STUDY])
    assert rounds.under_way(tmp_path, [STUDY]) == began
    note = tmp_path / "fresh" / "tiny.json"
    for spoil in (note.write_bytes, lambda _: os.mkfifo(note), lambda _: note.mkdir(), lambda _: note.symlink_to(note)):
        note.unlink(missing_ok=True)
        spoil(b"[" * 100_000)
        assert rounds.under_way(tmp_path, [STUDY]) is None
        if note.is_dir():
            note.rmdir()
