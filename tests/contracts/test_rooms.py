"""Imports point one way (docs/design.md): no room is reached from itself through others."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import bnstudy

SOURCE = Path(bnstudy.__file__).parent
FREE = {"__init__", "cli", "extending"}
"""The front doors, which no room asks for, and what enters a user's names into registries of any room."""


def imported(tree: ast.AST) -> Iterator[str]:
    """The rooms that a module asks for, also in its functions; but not for its annotations alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("bnstudy."))
        elif isinstance(node, ast.ImportFrom) and node.module == "bnstudy":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("bnstudy."):
            yield str(node.module).split(".")[1]
        yield from imported(node)


def test_no_room_is_reached_from_itself():
    rooms: dict[str, set[str]] = {}
    for file in SOURCE.rglob("*.py"):
        room = file.relative_to(SOURCE).with_suffix("").parts[0]
        rooms.setdefault(room, set()).update(set(imported(ast.parse(file.read_text()))) - {room})
    graph = {room: asked & set(rooms) - FREE for room, asked in rooms.items() if room not in FREE}
    assert "cell" in graph["frames"]
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
