"""The verb that puts own records among the published ones."""

from pathlib import Path
from typing import Annotated

import typer

from bnstudy import console, paths
from bnstudy.cli import options
from bnstudy.cli.options import Narrowing, ResultsOption
from bnstudy.design.cell import Run
from bnstudy.design.labels import name, run_name
from bnstudy.errors import DataError, UsageError
from bnstudy.studies import selection

NamesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME[:SEED]]...", help="Names or keys of cells that have records.")
]
ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="An own record that differs takes the place of the published run.")
]


def add_to(app: typer.Typer) -> None:
    app.command()(options.grouped(publish))


def publish(
    *,
    names: NamesArgument = None,
    study: Annotated[str | None, typer.Option("--study", help="All records of a study [of all studies].")] = None,
    narrowing: Narrowing,
    results: ResultsOption = None,
    replace: ReplaceOption = False,
) -> None:
    """Merge own records, and timings unless cells are named, into the published ones, without weights."""
    from bnstudy.results.publication.merge import merge, merge_timings, own_timings

    if names and study is not None:
        raise UsageError("publish: names and --study", "Give names of cells, or --study, or neither.")
    folder = paths.results_root(results)
    timings = own_timings(folder, _timed(names or [], study, narrowing))  # before anything is written
    merged = merge(folder, _runs(folder, names or [], study, narrowing), replace, console.say)
    timed = merge_timings(folder, timings, replace, console.say)
    counts = {"added": merged.added, "replaced": merged.replaced, "as published": merged.equal, "left": merged.stayed}
    changes = ", ".join(f"{len(runs)} {what}" for what, runs in counts.items() if runs) or "no own record"
    size = sum(file.stat().st_size for file in paths.published(folder, "runs").parent.glob("*.parquet"))
    console.say(
        f"runs: {changes}; timings: {timed}; {size / 2**20:.2f} MiB in {paths.published(folder, 'runs').parent}"
    )


def _runs(results: Path, names: list[str], study: str | None, narrowing: Narrowing) -> list[Run]:
    """What is to be published: the runs of a study, or the stored records of named cells or of all studies' cells.

    Raises UsageError on a stored record whose cell is in no study, unless it is named.
    """
    if study is not None:
        return narrowing.study(study).runs()
    wanted = None if narrowing.seeds is None else selection.parse_seeds(narrowing.seeds)
    found = [run for word in names for run in _named(results, word)] if names else _stored(results)
    stored = selection.meeting([run for run in found if wanted is None or run.seed in wanted], narrowing.where)
    known = {cell.key for one in narrowing.studies().values() for cell in one.cells}
    for run in () if names else stored:
        if run.cell.key not in known:
            raise UsageError(
                f"{run_name(run)}: its cell is in no study of {narrowing.config}",
                f"Name it to publish it all the same: bnstudy publish {run.cell.key}; or choose by --study.",
            )
    return stored


def _timed(names: list[str], study: str | None, narrowing: Narrowing) -> set[str] | None:
    """The keys of the cells whose timings are to be published; None for all."""
    if study is not None:
        return {cell.key for cell in narrowing.study(study).cells}
    return set() if names or narrowing.where or narrowing.seeds is not None else None


def _stored(results: Path) -> list[Run]:
    """The runs that have a record here. Raises DataError on one that does not verify."""
    keys = sorted(folder.name for folder in (results / "records").glob("*"))
    return [run for key in keys for run in _of_cell(results, key)]


def _of_cell(results: Path, key: str) -> list[Run]:
    from bnstudy.results import store

    runs = []
    for record in store.find_records(results, key):
        if isinstance(record, DataError):
            raise record
        runs.append(record.run)
    return runs


def _named(results: Path, word: str) -> list[Run]:
    which, _, seed = word.partition(":")
    runs = _of_cell(results, which.rpartition("-")[2])
    found = [r for r in runs if which in (r.cell.key, name(r.cell)) and seed in ("", str(r.seed))]
    if not found:
        raise UsageError(f"{word}: no record", f"Train it first: bnstudy train {word}")
    return found
