"""Imports point one way (docs/design.md): between the folders of the package, and between its files."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import bnstudy

SOURCE = Path(bnstudy.__file__).parent

GROUND = ("errors", "small_json", "lazy", "paths", "extensions", "lock", "disk", "console")
"""Single files that know nothing of the subject; any folder may import them."""

ORDER = (
    "design", "datasets", "networks", "results", "studies", "training", "printed", "questions", "verdicts", "figures",
    "tables", "claims", "illustrations", "report", "exports", "workflow", "extend", "bench", "cli", "__main__",
)  # fmt: skip
"""A folder may import those before it."""


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name below `bnstudy`; the package itself is ``."""
    found = {}
    for file in SOURCE.rglob("*.py"):
        parts = file.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(tree: ast.AST, known: dict[str, Path]) -> Iterator[str]:
    """The modules that a file imports, also inside functions and for annotations alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name[len("bnstudy.") :] for alias in node.names if alias.name.startswith("bnstudy."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "bnstudy":
            base = str(node.module)[len("bnstudy.") :]
            for alias in node.names:
                whole = f"{base}.{alias.name}".strip(".")
                yield whole if whole in known else base


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    known = modules()
    return {name: set(imported(ast.parse(file.read_text()), known)) - {name} for name, file in known.items()}


def test_the_written_order_names_every_folder(imports):
    rooms = {name.partition(".")[0] for name in imports} - {""}
    assert rooms == {*GROUND, *ORDER}


def test_folders_import_only_those_before_them(imports):
    place = dict.fromkeys(GROUND, 0) | {room: i for i, room in enumerate(ORDER, 1)}
    wrong = [
        f"{name} imports {other}"
        for name, others in imports.items()
        for other in others
        if name and other
        if (room := name.partition(".")[0]) != (theirs := other.partition(".")[0]) and place[theirs] > place[room]
    ]
    assert not wrong
    assert any(other.startswith("design.") for other in imports["results.frames"])  # imports are seen


def test_no_file_is_reached_from_itself(imports):
    graph = {name: others & imports.keys() for name, others in imports.items() if name}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
