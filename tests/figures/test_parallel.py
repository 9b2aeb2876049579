"""Figures are written by all processors at once, and are the same by however many."""

import os
import sys
import time
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure as Page

from bnstudy.errors import WriteError
from bnstudy.figures import parallel
from bnstudy.figures.writer import Drawing, Target, is_written

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems draw in one process")


@pytest.fixture(autouse=True)
def three_processors(monkeypatch):
    monkeypatch.setattr(parallel, "_processors", lambda: 3)


def page(narrow: bool) -> Page:
    return Page(figsize=(1, 1))


def by_whom() -> pd.DataFrame:
    time.sleep(0.05)  # so that no process draws all before the others have started
    return pd.DataFrame({"process": [os.getpid()]})


def drawings(page=page, count: int = 24) -> list[Drawing]:
    return [Drawing(f"fig_{i}", (i,), page, by_whom) for i in range(count)]


def processes(folder: Path) -> set[int]:
    return {int(pd.read_csv(path)["process"].iloc[0]) for path in folder.glob("*.csv")}


def test_every_figure_is_written_once_by_several_processes(tmp_path):
    drawn, target = drawings(), Target(tmp_path)
    parallel.write_all(drawn, target)
    assert all(is_written(drawing, target) for drawing in drawn)
    assert os.getpid() in processes(tmp_path)
    assert len(processes(tmp_path)) > 1


def test_few_figures_are_written_by_this_process(tmp_path):
    parallel.write_all(drawings(count=3), Target(tmp_path))
    assert processes(tmp_path) == {os.getpid()}


def test_what_is_written_stays_as_it_is(tmp_path):
    parallel.write_all(drawings(), Target(tmp_path))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    parallel.write_all(drawings(), Target(tmp_path))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def only_in(process: int, narrow: bool) -> Page:
    if os.getpid() != process:
        raise OSError("no room")
    return page(narrow)


def test_what_helpers_fail_to_draw_is_drawn_by_this_process(tmp_path):
    drawn, target = drawings(partial(only_in, os.getpid())), Target(tmp_path)
    parallel.write_all(drawn, target)
    assert all(is_written(drawing, target) for drawing in drawn)


def test_an_error_is_reported_by_this_process(tmp_path):
    (tmp_path / "figures").write_text("a file where a folder is needed")
    with pytest.raises(WriteError):
        parallel.write_all(drawings(), Target(tmp_path / "figures"))
