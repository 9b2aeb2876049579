"""The source digest of a record is of every module that training can reach."""

import ast
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bnstudy.design.cell import Run
from bnstudy.results import provenance
from bnstudy.results.provenance import PACKAGE
from bnstudy.training.checkpoints import fingerprint
from faults import small


def files_of(module: str) -> list[Path]:
    """A module's file; of a package all files, for registries import them by name. None if it is no module of ours, nor
    for `bnstudy` itself, which offers `load` for reading."""
    place = PACKAGE.parent.joinpath(*module.split("."))
    if place == PACKAGE:
        return []
    return [*place.rglob("*.py")] if place.is_dir() else [f for f in [place.with_suffix(".py")] if f.exists()]


def imported(file: Path) -> Iterator[Path]:
    """The files that a file imports, inside its functions too; a name imported may be a module or stand in one."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: a relative import, which this test does not follow"
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "bnstudy":
                yield from files_of(name)


def reached(start: list[Path]) -> set[Path]:
    found, ahead = set(), list(start)
    while ahead:
        if (file := ahead.pop()) not in found:
            found.add(file)
            ahead += imported(file)
    return found


CARRIERS = {
    "console.py", "disk.py", "errors.py", "extensions.py", "lazy.py", "lock.py", "optional.py", "paths.py",
    "small_json.py",
}  # fmt: skip
"""Files that training uses and that compute nothing: they read and write files, or report."""


def test_every_module_that_an_engine_reaches_is_in_the_digest():
    files = reached(files_of("bnstudy.training.engine"))
    names = {f.relative_to(PACKAGE).as_posix() for f in files}
    assert {"training/engine/packed/step.py", "networks/norms/batch.py", "networks/byhand/sgd.py"} <= names
    outside = {f.relative_to(PACKAGE).as_posix() for f in files - set(provenance.sources())}
    assert outside <= CARRIERS | {"results/record.py"}  # what a record holds


def test_a_room_is_in_the_digest_because_training_needs_it():
    needed = {f.relative_to(PACKAGE).parts[0] for f in reached(files_of("bnstudy.training.engine"))}
    assert set(provenance.ROOMS) <= needed


def digest_of(folder, monkeypatch) -> str:
    monkeypatch.setattr(provenance, "PACKAGE", folder)
    return provenance._own_digest.__wrapped__()


@pytest.fixture
def copied(tmp_path):
    """A copy of the package's Python files."""
    for file in PACKAGE.rglob("*.py"):
        copy = tmp_path / file.relative_to(PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    return tmp_path


@pytest.mark.parametrize("room", sorted(p.name for p in PACKAGE.iterdir() if p.is_dir() and p.name != "__pycache__"))
def test_a_changed_byte_changes_the_digest_where_it_can_change_a_number(room, copied, monkeypatch):
    before = digest_of(copied, monkeypatch)
    assert before == digest_of(copied, monkeypatch)
    with next((copied / room).rglob("*.py")).open("a") as source:
        source.write("\n")
    assert (digest_of(copied, monkeypatch) != before) == (room in provenance.ROOMS)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of two modules in a repository of its own, in place of ours."""
    made = tmp_path / "src" / "package"
    (made / "engine").mkdir(parents=True)
    (made / "cell.py").write_text("one\n")
    (made / "engine" / "step.py").write_text("two\n")
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    monkeypatch.setattr(provenance, "PACKAGE", made)
    provenance.digest_at.cache_clear()
    provenance.commit.cache_clear()
    yield made
    provenance.digest_at.cache_clear()
    provenance.commit.cache_clear()


def test_a_commit_has_the_digest_of_its_sources(package):
    at = provenance.commit()["commit"]
    assert provenance.digest_at(at) == provenance.tree_digest(package)
    (package / "timing.py").write_text("three\n")
    assert provenance.digest_at(at) != provenance.tree_digest(package)


@pytest.mark.parametrize("word", ["0" * 40, "HEAD", "main", "--output=executed", ""])
def test_what_names_no_commit_has_no_digest(package, word, monkeypatch):
    monkeypatch.chdir(package)
    assert provenance.digest_at(word) is None
    assert not (package / "executed").exists()


def test_without_git_no_commit_has_a_digest(package, monkeypatch):
    monkeypatch.setenv("PATH", str(package))
    assert provenance.digest_at("0" * 40) is None


def test_where_there_is_no_repository_the_commit_may_be_named(package, monkeypatch):
    shutil.rmtree(package.parents[1] / ".git")
    assert provenance.commit() == {"commit": None, "dirty": None}
    provenance.commit.cache_clear()
    monkeypatch.setenv(provenance.COMMIT, "f" * 40)
    stated = provenance.tree_digest(package)
    assert provenance.commit() == {"commit": "f" * 40, "dirty": False, "stated": stated}


def anew() -> dict:
    provenance.commit.cache_clear()
    return provenance.commit()


def test_variables_of_git_name_no_other_commit(package, tmp_path, monkeypatch):
    right, other = provenance.commit(), tmp_path / "other"
    other.mkdir()
    for words in (
        ["init", "-q"],
        ["-c", "user.name=x", "-c", "user.email=x", "commit", "-q", "--allow-empty", "-m", "x"],
    ):
        subprocess.run(["git", "-C", str(other), *words], check=True)
    for name, value in {"GIT_DIR": other / ".git", "GIT_WORK_TREE": other, "GIT_INDEX_FILE": other / "none"}.items():
        monkeypatch.setenv(name, str(value))
    assert right["dirty"] is False
    assert anew() == right


@pytest.mark.parametrize("hidden", ["status.showUntrackedFiles=no", "core.excludesFile", "update-index"])
def test_a_changed_module_makes_the_commit_dirty_whatever_git_is_set_to(package, tmp_path, hidden):
    git = ["git", "-C", str(package)]
    if hidden == "update-index":
        subprocess.run([*git, "update-index", "--assume-unchanged", "cell.py"], check=True)
        (package / "cell.py").write_text("another\n")
    else:
        (tmp_path / "ignored").write_text("mine.py\n")
        key, _, value = hidden.partition("=")
        subprocess.run([*git, "config", key, value or str(tmp_path / "ignored")], check=True)
        (package / "mine.py").write_text("one\n")
    assert anew()["dirty"] is True


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_checkout_of_another_user_has_no_commit_and_a_line_says_so(package, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert provenance.unknown_commit() is None
    for path in (package.parents[1], package.parents[1] / ".git"):
        os.chown(path, 65534, 65534)
    assert anew() == {"commit": None, "dirty": None}
    assert "records will not name one" in str(provenance.unknown_commit())


def test_what_chooses_instructions_is_recorded_and_must_match_for_a_checkpoint(monkeypatch):
    for name in provenance.STEERING:
        monkeypatch.delenv(name, raising=False)
    run = Run(small.cell(), 0)
    plain = provenance.of_run(1, "reference", "cpu", "default", "d", "embedded")
    assert "environment" not in plain
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    steered = provenance.of_run(1, "reference", "cpu", "default", "d", "embedded")
    assert steered["environment"] == "MKL_CBWR=COMPATIBLE"
    assert fingerprint(run, steered) != fingerprint(run, plain)
