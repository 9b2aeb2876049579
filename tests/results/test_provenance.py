"""The source digest of a record is of every module that training can reach."""

import ast
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bnstudy.results import provenance
from bnstudy.results.provenance import PACKAGE


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
