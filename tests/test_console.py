"""What people see while they wait: nothing if it is short, else what is being done."""

import io
import time
from collections.abc import Callable
from contextlib import redirect_stderr

import pytest

from bnstudy import console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(console, "PATIENCE", 0.0)


def until(shown: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not shown():
        assert time.monotonic() < end
        time.sleep(0.01)


def failing(shown: io.StringIO) -> None:
    with redirect_stderr(shown), console.waiting("reading"):
        until(lambda: bool(shown.getvalue()))
        raise KeyError


def test_short_work_shows_nothing(monkeypatch):
    monkeypatch.setattr(console, "PATIENCE", 60.0)
    with redirect_stderr(io.StringIO()) as log, console.waiting("reading"):
        pass
    assert not log.getvalue()


def test_a_log_gets_one_line(impatient):
    with redirect_stderr(io.StringIO()) as log, console.waiting("reading"):
        until(lambda: bool(log.getvalue()))
    assert log.getvalue() == "reading ...\n"


def test_a_terminal_counts_seconds_and_is_clean_again_at_the_end(impatient):
    with redirect_stderr(Terminal()) as terminal, console.waiting("reading"):
        until(lambda: terminal.getvalue().count("reading ... 0 s") > 1)
    assert terminal.getvalue().endswith("\r\x1b[K")
    assert "\n" not in terminal.getvalue()


def test_a_line_takes_the_place_of_the_wait(impatient):
    with redirect_stderr(Terminal()) as terminal, console.waiting("reading"):
        until(lambda: bool(terminal.getvalue()))
        console.say("seen")
    assert "\r\x1b[Kseen\n" in terminal.getvalue()


def test_a_wait_within_another_shows_the_outer_one(impatient):
    with redirect_stderr(io.StringIO()) as log, console.waiting("reading"), console.waiting("looking"):
        until(lambda: bool(log.getvalue()))
    assert log.getvalue() == "reading ...\n"


def test_an_error_ends_the_wait(impatient):
    terminal = Terminal()
    with pytest.raises(KeyError):
        failing(terminal)
    assert terminal.getvalue().endswith("\r\x1b[K")
    with redirect_stderr(terminal), console.waiting("again"):
        until(lambda: "again" in terminal.getvalue())
