"""Verbs on whole studies: cells, run."""

from typing import Annotated

import typer

from bnstudy import console, paths
from bnstudy.cli import options
from bnstudy.cli.options import (
    DataOption,
    EstimateOption,
    FreshOption,
    JsonOption,
    Narrowing,
    ProfileOption,
    ReportsOption,
    ResultsOption,
    StudyOption,
    YesOption,
)
from bnstudy.design.study import changed, describe
from bnstudy.errors import UsageError

IN_NAMES = ("dataset", "model", "norm")
"""Fields that a cell's name shows."""


def add_to(app: typer.Typer) -> None:
    app.command()(options.grouped(cells))
    app.command()(options.grouped(run))


def cells(
    *,
    study: StudyOption = "thesis",
    narrowing: Narrowing,
    as_json: JsonOption = False,
) -> None:
    """List the cells of a study, and the fields in which they differ from the defaults."""
    chosen = narrowing.study(study)
    rows = [describe(cell, chosen.seeds) for cell in chosen.cells]
    if as_json:
        return console.put_json(rows)
    named = ("name", "key", "reading")
    fields = [{f"{f}={word}": None for f, word in changed(row).items() if f not in IN_NAMES} for row in rows]
    common = [word for word in fields[0] if all(word in of_cell for of_cell in fields)]
    table = [
        [*(row[column] for column in named), " ".join(word for word in of_cell if word not in common)]
        for row, of_cell in zip(rows, fields, strict=True)
    ]
    title = f"{study}: {len(rows)} cells, seeds {', '.join(map(str, chosen.seeds))}"
    console.put_table("; all ".join(filter(None, (title, " ".join(common)))), (*named, "fields"), table)


def run(
    *,
    study: StudyOption = "thesis",
    also: Annotated[list[str] | None, typer.Option("--with", help="Further studies, each with its page.")] = None,
    narrowing: Narrowing,
    results: ResultsOption = None,
    data: DataOption = None,
    reports: ReportsOption = None,
    cores: Annotated[str | None, typer.Option("--cores", help="Processes at a time: a number, or all.")] = None,
    profile: ProfileOption = None,
    estimate: EstimateOption = False,
    yes: YesOption = False,
    fresh: FreshOption = False,
    times: Annotated[bool, typer.Option("--times", help="Also time epochs here, for tables B.3 and B.4.")] = False,
) -> None:
    """Train what is missing of a study and write its report, through the DAG."""
    from bnstudy.workflow import outlook, run_study

    chosen = narrowing.those([study, *(also or [])])
    if profile and cores:
        raise UsageError("run: --cores and --profile", "A profile sets how many jobs run at a time.")
    count = options.processes("all" if cores is None else cores)
    folder = paths.results_root(results)
    options.announce(chosen)
    if estimate:
        runs, timings = outlook.asked(chosen, times)
        return outlook.put(outlook.glance(runs, folder, fresh, timings, page=True), folder, "auto", count)
    place = run_study.Place(narrowing.config, folder, paths.data_root(data), paths.reports_root(reports))
    narrowed = {"only_where": " ".join(narrowing.where or []), "only_seeds": narrowing.seeds or ""}
    run_study.run(place, chosen, narrowed, count, yes, fresh, profile, times)
