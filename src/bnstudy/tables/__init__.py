"""Tables of a study, as pure functions of its frames: B.1 to B.4, those beside them (`catalogue`), X.1, ...; and the
four formats."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from bnstudy import disk
from bnstudy.design.cell import Cell
from bnstudy.design.labels import BATCH_SIZES, NORMS, SIZE, THESIS_DATASETS
from bnstudy.design.study import describe
from bnstudy.design.timing import BY_BATCH_SIZE, TIMING_COLUMNS
from bnstudy.figures import style
from bnstudy.results.timings.machines import Machine, machine_of, machines
from bnstudy.tables import beside, formats, further, gradients
from bnstudy.tables.catalogue import CATALOGUE, SETTING_ROWS, Table, in_order
from bnstudy.tables.content import accuracy, seconds, shown_seconds, state
from bnstudy.tables.layout import Grid, accuracy_grid, seconds_grid
from bnstudy.verdicts import accuracies

FORMATS = {"csv": "CSV", "md": "Markdown", "tex": "LaTeX", "html": "HTML"}


class Written(Protocol):
    """A table that can be written in every format: of the thesis (`Shown`) or of a course report."""

    @property
    def stem(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def content(self) -> pd.DataFrame: ...

    def texts(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class Shown:
    """A table filled from a study. `planned`: the study asks for it; if not, it shows only printed numbers."""

    id: str
    table: Table
    reading: str
    planned: bool
    state: str
    content: pd.DataFrame
    grid: Grid

    @property
    def stem(self) -> str:
        """File name without ending: b1, b2_reduced."""
        return self.id.lower().replace(".", "").replace(" ", "_")

    @property
    def row(self) -> dict[str, str]:
        """As listed by `bnstudy tables`."""
        return {"id": self.id, "state": self.state, "title": self.grid.title}

    def texts(self) -> dict[str, str]:
        """The table in each of FORMATS."""
        return {"csv": formats.csv(self.content), "md": formats.markdown(self.grid), "tex": formats.latex(self.grid),
                "html": formats.html(self.grid)}  # fmt: skip


def planned(cells: Iterable[Cell], seeds: Sequence[int]) -> pd.DataFrame:
    """One row per cell of a study: labels, `seeds` and every field."""
    rows = [describe(cell, seeds) for cell in cells]
    return pd.DataFrame(
        rows, columns=None if rows else ["key", "model", "dataset", "norm", "setting", "reading", "seeds", *SIZE]
    )


def shown(
    plan: pd.DataFrame,
    runs: pd.DataFrame,
    timings: pd.DataFrame | None = None,
    margins: Mapping[str, float] | None = None,
    layers: pd.DataFrame | None = None,
) -> list[Shown]:
    """Return every table of a study with cells `plan` (see `planned`): B.1 to B.4 and those beside them, each followed
    by the tables of its reduced cells, then X.1, ... of cells that have no place in them.

    runs      the frame `runs`; only cells of the plan count
    timings   TIMING_COLUMNS; empty or None: not timed
    margins   as for `accuracies.number_verdicts`
    layers    the frame `layers`; None: without G.1 and G.2
    """
    runs = runs[runs["key"].isin(plan["key"])]
    timings = pd.DataFrame(columns=TIMING_COLUMNS) if timings is None else timings
    found: list[Shown] = []
    for table in CATALOGUE.values():
        if table.what == "accuracy":
            found.append(_accuracy(table, table.id, _of(plan, table, "default"), runs, "default", margins))
            for suffix, cells in _reduced(_of(plan, table, "reduced")):
                found.append(_accuracy(table, f"{table.id} reduced{suffix}", cells, runs, "reduced", margins))
        elif table.what == "seconds":
            found += _seconds(table, timings)
        elif table.what == "parts":
            found += _parts(table, timings)
        elif table.what == "memory":
            found += _memory(table, plan, runs)
        elif table.what == "validation":
            found += _validation(table, plan, runs)
        elif layers is not None:
            found += _gradients(table, plan, runs, layers)
    for table, cells in further.tables_of(plan):
        content = further.content(cells, runs)
        grid = further.grid(table, content)
        found.append(Shown(table.id, table, "default", True, state(content), content, grid))
    return found


def numbers(found: Iterable[Shown]) -> pd.DataFrame:
    """The printed accuracies that tables B.1 and B.2 of a study hold, with their verdicts.

    `model` and content.ACCURACY_COLUMNS, one row per number in the order of the thesis's tables; `seeds` is 0 where
    the study does not ask for the cell.
    """
    judged = [
        one.content.assign(model=one.table.model)
        for one in found
        if one.id in CATALOGUE and one.table.what == "accuracy"
    ]
    return pd.concat(judged, ignore_index=True).dropna(subset=["printed"])


def has_numbers(one: Written) -> bool:
    """Return True if a table shows a number: of a run, or a printed one."""
    return one.state != "not run" or ("printed" in one.content and bool(one.content["printed"].notna().any()))


def write(found: Iterable[Written], folder: Path) -> list[Path]:
    """Write each table in every format into `folder`. Returns the paths. Raises WriteError."""
    written = []
    for one in found:
        for ending, text in one.texts().items():
            written.append(folder / f"{one.stem}.{ending}")
            disk.write(written[-1], text.encode())
    return written


def _of(plan: pd.DataFrame, table: Table, reading: str) -> pd.DataFrame:
    """The cells of a study that belong in a table: of its model, of this reading, of a setting with a row."""
    rows = [setting for _, setting, _ in SETTING_ROWS]
    return plan[(plan["model"] == table.model) & (plan["reading"] == reading) & plan["setting"].isin(rows)]


def _accuracy(
    table: Table,
    shown_id: str,
    cells: pd.DataFrame,
    runs: pd.DataFrame,
    reading: str,
    margins: Mapping[str, float] | None,
) -> Shown:
    names = in_order(cells["dataset"]) or list(THESIS_DATASETS)
    own = runs[runs["key"].isin(cells["key"])]
    content = accuracy(table, own, cells, names, reading, margins)
    grid = accuracy_grid(table, shown_id, content, f"{_remark(cells, names, reading)} {_mixed(own)}".strip())
    return Shown(shown_id, table, reading, bool(len(cells)), state(content), content, grid)


def _remark(cells: pd.DataFrame, names: list[str], reading: str) -> str:
    if reading == "reduced":
        return (
            f"Not the thesis's protocol but a smaller one, {size_of(cells)}: not comparable with the printed numbers."
        )
    return "" if set(names) & set(THESIS_DATASETS) else "The thesis has no numbers for this data."


def _mixed(runs: pd.DataFrame) -> str:
    """A remark on data sets whose cells have runs on different images, such as official and imported files."""
    if "data_digest" not in runs:
        return ""
    digests = runs.groupby(["dataset", "key"])["data_digest"].nunique()
    mixed = in_order(digests[digests > 1].index.get_level_values("dataset"))
    return f"Means over runs on different images: {', '.join(map(style.dataset, mixed))}." if mixed else ""


def _reduced(cells: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """(suffix of the id, cells) of each size: cells of different sizes never share a table."""
    groups = [group for _, group in cells.groupby(list(SIZE), dropna=False)] if len(cells) else []
    for i, group in enumerate(groups, 1):
        yield ("" if len(groups) == 1 else f" {i}"), group


def size_of(cells: pd.DataFrame) -> str:
    """Width, epochs and images of cells of one size, as `width 0.25, at most 15 epochs, 5,000 training images`."""
    first = cells.iloc[0]
    images = "" if pd.isna(first["train_size"]) else f", {int(first['train_size']):,} training images"
    return f"width {first['width']:g}, at most {first['epochs']} epochs{images}"


def _sizes(table: Table, plan: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame, str]]:
    """Yield (id, reading, cells, remark): the default cells, and reduced cells of each size; nothing where the study
    has no cell."""
    default, reduced = (_of(plan, table, reading) for reading in ("default", "reduced"))
    for shown_id, cells in [(table.id, default), *((f"{table.id} reduced{s}", c) for s, c in _reduced(reduced))]:
        if not cells.empty:
            reading = str(cells["reading"].iloc[0])
            yield shown_id, reading, cells, _remark(cells, in_order(cells["dataset"]), reading)


def _gradients(table: Table, plan: pd.DataFrame, runs: pd.DataFrame, layers: pd.DataFrame) -> Iterator[Shown]:
    for shown_id, reading, cells, remark in _sizes(table, plan):
        content = gradients.content(gradients.slots(cells), runs, layers)
        grid = gradients.grid(table, shown_id, content, remark)
        yield Shown(shown_id, table, reading, True, state(content), content, grid)


def _validation(table: Table, plan: pd.DataFrame, runs: pd.DataFrame) -> Iterator[Shown]:
    for shown_id, reading, cells, remark in _sizes(table, plan):
        content = beside.validation(cells[cells["norm"].isin(NORMS)], runs)
        grid = beside.validation_grid(table, shown_id, content, remark)
        yield Shown(shown_id, table, reading, True, state(content), content, grid)


def _memory(table: Table, plan: pd.DataFrame, runs: pd.DataFrame) -> Iterator[Shown]:
    """The memory of the cells that differ by batch size, if any of them was trained on a GPU."""
    cells = plan[(plan["model"] == table.model) & (plan["reading"] == "default") & plan["setting"].isin(BY_BATCH_SIZE)]
    content = beside.memory(cells[cells["norm"].isin(NORMS)], runs)
    if content["n"].any():
        yield Shown(table.id, table, "default", True, state(content.assign(seeds=1)), content,
                    beside.memory_grid(table, table.id, content))  # fmt: skip


def _parts(table: Table, timings: pd.DataFrame) -> Iterator[Shown]:
    """One table per machine, if any was timed at the thesis's batch sizes; ids as in `_seconds`."""
    rows = [r for r in accuracies.each(timings) if r.model == table.model and r.batch_size in BATCH_SIZES]
    for shown_id, machine in _by_machine(table, rows):
        part = pd.DataFrame([row for row in rows if machine_of(row) == machine], columns=timings.columns)
        content = beside.parts(part, in_order(part["dataset"]))
        hardware = f", {machine[2]}" if machine[2] else ""
        grid = beside.parts_grid(table, shown_id, content, f"engine {machine[0]} on {machine[1]}{hardware}")
        yield Shown(shown_id, table, "default", True, state(content), content, grid)


def _seconds(table: Table, timings: pd.DataFrame) -> list[Shown]:
    """One table per machine; that of the machine whose times are judged has the plain id."""
    rows = list(accuracies.each(shown_seconds(table, timings)))
    found = []
    for shown_id, machine in _by_machine(table, rows) or [(table.id, ())]:
        part = pd.DataFrame([row for row in rows if machine_of(row) == machine], columns=timings.columns)
        names = in_order(part["dataset"]) or list(THESIS_DATASETS)
        content = seconds(table, part, names)
        grid = seconds_grid(table, shown_id, content)
        found.append(Shown(shown_id, table, "default", bool(len(part)), state(content), content, grid))
    return found


def _by_machine(table: Table, rows: Sequence[Any]) -> list[tuple[str, Machine]]:
    """Return (id of the machine's table, machine), first the machine that is judged."""
    taken: Counter[str] = Counter()
    ids = [f"{table.id} {engine} {device.replace(':', '')}" for engine, device, *_ in machines(rows)]
    return [
        (table.id if i == 0 else _numbered(shown_id, taken), machine)
        for i, (shown_id, machine) in enumerate(zip(ids, machines(rows), strict=True))
    ]


def _numbered(name: str, taken: Counter[str]) -> str:
    """The name; with a number, if it was taken before."""
    taken[name] += 1
    return name if taken[name] == 1 else f"{name} {taken[name]}"
