"""Expand grids into cells: every combination of a grid's values, each built and checked as a `Cell`."""

import math
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from pydantic import BaseModel

from bnstudy.design.cell import Cell
from bnstudy.design.labels import ALL_SETTINGS, READINGS, SETTINGS, cell_of
from bnstudy.design.labels import name as cell_name
from bnstudy.design.study import Study
from bnstudy.design.timing import timings
from bnstudy.errors import UsageError
from bnstudy.studies import choices
from bnstudy.studies.config.blocks import StudyBlock, Top
from bnstudy.studies.config.text import Place, Tree

MAX_CELLS = 20_000  # per file; counted before any cell is built
MAX_ERRORS = 50

Axes = dict[str, list[Any]]  # key of a grid -> its values


def expand(tree: Tree, top: Top) -> dict[str, Study]:
    """Return the studies by name. An invalid combination adds an error to the tree, at the offending value."""
    grids = [
        (("studies", name, "cells", i), _axes(grid), _drawn(grid))
        for name, block in top.studies.items()
        for i, grid in enumerate(block.cells)
    ]
    sizes = [math.prod(map(len, axes.values())) * len(drawn) for _, axes, drawn in grids]
    if sum(sizes) > MAX_CELLS:
        at = grids[sizes.index(max(sizes))][0]
        tree.error(
            at, f"this grid has {max(sizes):,} cells, all together {sum(sizes):,}; At most {MAX_CELLS:,} are allowed."
        )
        return {}
    cells: dict[str, dict[Cell, None]] = {name: {} for name in top.studies}
    for at, axes, drawn in grids:
        cells[str(at[1])] |= dict.fromkeys(_cells(tree, at, axes, drawn))
    for name, block in top.studies.items():
        if block.timing and (single := _single(cells[name])):
            why = f"{single} has no counterpart; A timing compares norm none with norm batch: give both."
            tree.error(("studies", name, "timing"), why)
    return {name: _study(name, block, top, tuple(cells[name])) for name, block in top.studies.items()}


def _study(name: str, block: StudyBlock, top: Top, cells: tuple[Cell, ...]) -> Study:
    return Study(name, block.question, cells, block.seeds or top.seeds, block.timing)


def _single(cells: Iterable[Cell]) -> str:
    """Return the name of the first cell without a counterpart to time it against, or an empty string."""
    paired = {cell for timing in timings(cells) for cell in timing.cells.values()}
    return next((cell_name(cell) for cell in cells if cell not in paired), "")


def _drawn(grid: Any) -> list[dict[str, Any]]:
    """Return the drawn fields of each draw; one of none if nothing is drawn."""
    return grid.random.values() if grid.random is not None else [{}]


def _axes(grid: BaseModel) -> Axes:
    """Return the keys given, with `setting: all` expanded, without what is drawn."""
    given = [name for name in type(grid).model_fields if name in grid.model_fields_set and name != "random"]
    axes: Axes = {name: getattr(grid, name) for name in given}
    if "setting" in axes:
        written = (ALL_SETTINGS if name == "all" else (name,) for name in axes["setting"])
        axes["setting"] = list(dict.fromkeys(name for names in written for name in names))
    return axes


def _cells(tree: Tree, at: Place, axes: Axes, drawn: list[dict[str, Any]]) -> Iterator[Cell]:
    if conflicts := _conflicts(axes, drawn[0]):
        for key, why in conflicts.items():
            tree.error((*at, key if key in axes else "random"), why, at_key=True)
        return
    for *combination, draw in product(*axes.values(), drawn):
        values = dict(zip(axes, combination, strict=True)) | draw
        setting, reading = values.pop("setting", "relu"), values.pop("reading", "default")
        try:
            yield choices.check(cell_of(values, setting, reading))
        except UsageError as error:
            if len(tree.errors) >= MAX_ERRORS:
                return
            _tell(tree, at, axes, values | {"setting": setting}, error)


def _tell(tree: Tree, at: Place, axes: Axes, values: dict[str, Any], error: UsageError) -> None:
    """Add an error at the offending value: that of the key, or the setting that implies it."""
    field, _, why = error.cause.partition(": ")
    if field in values and field not in axes:
        tree.error((*at, "random"), f"{field} {why}; {error.remedy}", at_key=True)
        return
    key = field if field in axes or "setting" not in axes or field not in SETTINGS[values["setting"]] else "setting"
    if key == field:
        tree.error((*at, key, axes.get(key, [None]).index(values.get(key))), f"{why}; {error.remedy}")
    else:
        tree.error((*at, key), f"{values['setting']}: {field} {why}; {error.remedy}")


def _conflicts(axes: Axes, drawn: dict[str, Any]) -> dict[str, str]:
    """Return the keys that a setting or a reading of the same grid also sets, or draws, each with an error."""
    found = {key: "also drawn by random; Remove one of the two." for key in drawn if key in axes}
    for kind, table in (("setting", SETTINGS), ("reading", READINGS)):
        for choice in axes.get(kind, ()):
            for key in table[choice]:
                if key in axes or key in drawn:
                    found.setdefault(key, f"also set by {kind} {choice}; Remove one of the two.")
    return found
