"""What `bnstudy` takes from its surroundings, and what it does not."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from bnstudy import paths
from bnstudy.cli import process
from bnstudy.errors import UsageError
from command_line import call, environment

BNSTUDY = str(Path(sys.executable).parent / "bnstudy")
STUDY = """\
seeds: 1
margins: {default: 1.0}
studies: {thesis: {question: Why so, cells: [{dataset: toy, model: mlp, norm: none}]}}
"""


def test_every_pinned_variable_has_its_value_in_this_process_and_its_children(monkeypatch):
    for name in (*process.PINNED, *process.DROPPED):
        monkeypatch.setenv(name, "7")
    process.prepare()
    code = "import os; print(sorted(os.environ.items()))"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(f"({name!r}, {value!r})" in seen for name, value in process.PINNED.items())
    assert not any(f"({name!r}, " in seen for name in process.DROPPED)


def test_as_many_files_may_be_open_as_the_system_allows():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(128, hard), hard))
    try:
        process.prepare()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] in (hard, process.FILES)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("kind", ["not UTF-8", "pipe"])
def test_a_matplotlibrc_that_matplotlib_cannot_read_is_named(tmp_path, monkeypatch, kind):
    """Matplotlib reads it on import, before any setting of ours counts."""
    monkeypatch.chdir(tmp_path)
    if kind == "pipe":
        os.mkfifo("matplotlibrc")
    else:
        Path("matplotlibrc").write_bytes(b"\xff\xfe axes")
    with pytest.raises(UsageError, match="matplotlibrc"):
        process.prepare()
    Path("matplotlibrc").unlink()
    Path("matplotlibrc").write_text("axes.grid: True")
    process.prepare()


@pytest.mark.parametrize(
    "more", [{"FORCE_COLOR": "1"}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"COLUMNS": "1"}]
)
def test_a_pipe_gets_plain_text_whatever_is_set(tmp_path, more):
    (tmp_path / "config.yaml").write_text(STUDY)
    words = [BNSTUDY, "figures", "--config", "config.yaml"]
    known = environment(tmp_path)
    plain, other = (
        subprocess.run(words, cwd=tmp_path, env=known | added, capture_output=True, check=True).stdout
        for added in ({}, more)
    )
    assert b"\x1b" not in other
    assert other in (plain, plain.decode().encode("ascii", "backslashreplace"))


def test_a_home_folder_is_meant_by_a_tilde_that_no_shell_replaced(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(STUDY)
    ended = call(capsys, "aggregate", "--config", "~/c.yaml", "--results=~/r=1")
    assert ended.code == 0, ended.err
    assert (tmp_path / "r=1" / "frames" / "thesis" / "runs.parquet").exists()
    ended = call(capsys, "train", "--cells=~/none.json")
    assert f"{tmp_path}/none.json" in ended.err
    ended = call(capsys, "data", "import", "mnist", "~/none.npz")
    assert f"{tmp_path}/none.npz" in ended.err
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize(("variable", "root"), [("RESULTS", paths.results_root), ("DATA", paths.data_root)])
def test_a_variable_may_name_the_home_folder(monkeypatch, variable, root):
    monkeypatch.setenv(f"BNSTUDY_{variable}", "~/r")
    monkeypatch.setenv("HOME", "/home/me")
    assert root() == Path("/home/me/r")
    monkeypatch.delenv("HOME")
    assert os.fspath(root())
