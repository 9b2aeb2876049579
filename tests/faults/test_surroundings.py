"""Variables, settings, folders and limits around a command: none changes a result, and none is executed."""

import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bnstudy.design.cell import Cell
from bnstudy.errors import DONE, TRY_AGAIN
from bnstudy.results import provenance, store
from bnstudy.results.record import Record
from command_line import Ended, environment
from faults import invariants, small, tally
from faults.dag import Front

BNSTUDY = str(Path(sys.executable).parent / "bnstudy")
CELLS = (small.cell(), small.cell(model="numpy_mlp", norm="none", hidden=(900, 500), width=1.0, epochs=2))
"""The second is where OpenBLAS gives other bits on two threads."""

HOSTILE = {
    "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2",  # add in another order
    "GOTO_NUM_THREADS": "2", "BLIS_NUM_THREADS": "2", "VECLIB_MAXIMUM_THREADS": "2",
    "GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/nowhere", "GIT_INDEX_FILE": "/nowhere",  # another commit
    "GIT_CEILING_DIRECTORIES": "/", "GIT_CONFIG_GLOBAL": "/nowhere",
    "HOME": "/proc", "XDG_CACHE_HOME": "/proc", "XDG_CONFIG_HOME": "/proc",  # folders that cannot be made
    "MPLBACKEND": "module://matplotlib_inline.backend_inline", "MPLCONFIGDIR": "/proc", "MATPLOTLIBRC": "/nowhere",
    "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1", "COLUMNS": "1", "LINES": "1", "TERM": "none",
    "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "LANG": "tr_TR.UTF-8",  # texts
    "PYTHONHASHSEED": "7", "PYTHONOPTIMIZE": "2", "PYTHONUTF8": "0", "PYTHONDONTWRITEBYTECODE": "1",  # Python
    "TZ": "Pacific/Kiritimati", "SOURCE_DATE_EPOCH": "0",  # times
    "SNAKEMAKE_PROFILE": "/nowhere",  # a scheduler
    "CUDA_VISIBLE_DEVICES": "", "TORCH_SHOW_CPP_STACKTRACES": "1", "TORCHINDUCTOR_CACHE_DIR": "/proc",  # torch
    "BNSTUDY_TRACEBACK": "", "BNSTUDY_FRONT": "", "BNSTUDY_EXTENSIONS": "",  # ours, empty
}  # fmt: skip
"""Variables that have been seen to move a result, or could, with values as they are met or worse."""
TOGETHER = sorted(HOSTILE)


def train(folder: Path, cells: Sequence[Cell] = CELLS, limits: tuple[int, int] | None = None, **more: str) -> Ended:
    """`bnstudy train` as a user starts it, in `folder`; `limits`: what it may have, as in `resource`."""
    small.put(folder / "cells.json", cells, (0,))
    return run(folder, "train", "--cells", "cells.json", limits=limits, **more)


def run(folder: Path, *words: str, limits: tuple[int, int] | None = None, **more: str) -> Ended:
    variables = {k: v for k, v in environment(folder).items() if k not in provenance.STEERING} | more

    def limit() -> None:
        if limits:
            resource.setrlimit(limits[0], (limits[1], limits[1]))

    done = subprocess.run(
        [BNSTUDY, *words],
        cwd=folder, env=variables, capture_output=True, text=True, timeout=300, check=False, preexec_fn=limit,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    ended = train(folder)
    assert ended.code == DONE, ended.err
    return folder


def same(folder: Path, plain: Path) -> None:
    """The same results, by the same provenance but for sources that are edited meanwhile."""
    runs = [small.Run(cell, 0) for cell in CELLS]
    invariants.settled(folder / "results", plain / "results", runs)
    one, other = (store.get_record(each / "results", runs[0]) for each in (folder, plain))
    assert isinstance(one, Record)
    assert isinstance(other, Record)
    edited = ("dirty", "source_digest")
    assert {k: v for k, v in one.provenance.items() if k not in edited} == {
        k: v for k, v in other.provenance.items() if k not in edited
    }


@pytest.mark.slow
def test_hostile_variables_change_nothing(tmp_path, plain):
    tally.count("hostile variables", len(HOSTILE))
    ended = train(tmp_path, **HOSTILE)
    assert ended.code == DONE, ended.err
    assert "\x1b" not in ended.err + ended.out
    same(tmp_path, plain)


@pytest.mark.faults
@pytest.mark.parametrize("name", TOGETHER)
def test_each_hostile_variable_alone_changes_nothing(tmp_path, plain, name):
    ended = train(tmp_path, **{name: HOSTILE[name]})
    assert ended.code == DONE, ended.err
    same(tmp_path, plain)


EXECUTED = "import pathlib; pathlib.Path(__file__).with_name('executed').touch(); raise SystemExit(3)"
MODULES = (
    "numpy", "torch", "queue", "json", "typing", "yaml", "pandas", "snakemake", "matplotlib", "sitecustomize",
    "usercustomize", "bnstudy", "conftest",
)  # fmt: skip
FILES = {
    "matplotlibrc": "text.usetex: True\naxes.grid: True\nbackend: none\n", "setup.cfg": "[x", "pyproject.toml": "[",
    "pyvenv.cfg": "home = /nowhere\n", ".env": "A=1", ".condarc": "{", "python3": "#!/bin/false\n",
    "git": "#!/bin/false\n", "bnstudy": "#!/bin/false\n", "snakemake": "#!/bin/false\n",
}  # fmt: skip


def furnish(folder: Path) -> None:
    """Put files into a working folder that programs look for, or might import."""
    tally.count("files in the working folder", len(MODULES) + len(FILES))
    for name in MODULES:
        (folder / f"{name}.py").write_text(EXECUTED)
    for name, content in FILES.items():
        (folder / name).write_text(content)
        (folder / name).chmod(0o755)
    (folder / ".git").mkdir()


def test_a_furnished_working_folder_changes_nothing(tmp_path, plain):
    furnish(tmp_path)
    ended = train(tmp_path)
    assert ended.code == DONE, ended.err
    invariants.not_executed(tmp_path / "executed")
    same(tmp_path, plain)


@pytest.mark.faults
def test_a_study_is_run_in_a_furnished_folder_with_hostile_variables(tmp_path, monkeypatch):
    """Through Snakemake, to tables and pages: the same bytes as without."""
    calm, front = (Front(tmp_path / name, settings="[relu]") for name in ("calm", "hostile"))
    assert calm.run() == DONE, calm.words
    (front.folder / "Snakefile").unlink()  # what lies beside a Snakefile is its code; the packaged one is used
    shutil.rmtree(front.folder / "workflow")
    furnish(front.folder)
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    assert front.run(program=[BNSTUDY]) == DONE, front.words
    invariants.not_executed(front.folder / "executed")
    invariants.same_as_calm(front.results, calm.results, calm.runs)
    assert front.outputs() == calm.outputs()


@pytest.mark.faults
def test_a_dry_run_writes_nothing(tmp_path):
    front = Front(tmp_path, settings="[relu]")
    assert front.run() == DONE, front.words
    next(front.results.glob("records/*/*.json")).unlink()
    (front.results / "data" / "toy.json").write_text("[]")
    before = {path: path.stat().st_mtime_ns for path in front.results.rglob("*")}
    for words in (["-n", "tiny"], ["--summary"], ["--rulegraph"]):
        command = [sys.executable, "-m", "snakemake", "--cores", "1", *words]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=True
        )
        assert {path: path.stat().st_mtime_ns for path in front.results.rglob("*")} == before
        assert done.stderr.count("would be removed first") == 2


# limits


def test_fewer_open_files_than_runs(server, tmp_path):
    """Locks are taken in portions."""
    small.put(tmp_path / "cells.json", [small.cell(epochs=1)], range(150))
    process = server.run(
        "train", "--cells", tmp_path / "cells.json", "--results", tmp_path / "results",
        before="faults.test_surroundings:limit_files", given=[100],
    )  # fmt: skip
    assert process.code == DONE, process.err
    assert len(list(tmp_path.glob("results/records/*/*.json"))) == 150


def limit_files(most: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@pytest.mark.parametrize("megabytes", [60, 100, 400, 500, 600, 850])
def test_too_little_memory_for_the_libraries_is_named(tmp_path, megabytes):
    """OpenBLAS tries again for ever, and Arrow ends the process."""
    ended = run(tmp_path, "aggregate", "--study", "thesis", limits=(resource.RLIMIT_AS, megabytes * 10**6))
    invariants.told_in_two_lines(ended, TRY_AGAIN)
    assert "ulimit -v" in ended.err


LARGE = small.cell(hidden=(65536, 65536), width=1.0)
"""Its weights take 17 GB."""


@pytest.mark.parametrize(("gigabytes", "cells"), [(0.3, CELLS), (2.8, CELLS), (2.9, CELLS), (8.0, [LARGE])])
def test_too_little_memory_is_named(tmp_path, gigabytes, cells):
    """As torch is loaded, or as weights are made: exit 75, and the limit in the remedy."""
    ended = train(tmp_path, cells=cells, limits=(resource.RLIMIT_AS, int(gigabytes * 2**30)))
    if cells == CELLS and ended.code == DONE:  # a torch without CUDA needs less
        return
    invariants.told_in_two_lines(ended, TRY_AGAIN)
    assert "out of memory" in ended.err
    assert "ulimit -v" in ended.err
