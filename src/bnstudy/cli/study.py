"""Verbs on whole studies: cells, run."""

from pathlib import Path
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
from bnstudy.design.cell import Run
from bnstudy.design.study import describe
from bnstudy.errors import UsageError
from bnstudy.results import valid


def add_to(app: typer.Typer) -> None:
    app.command()(options.grouped(cells))
    app.command()(options.grouped(run))


def cells(
    *,
    study: StudyOption = "thesis",
    narrowing: Narrowing,
    as_json: JsonOption = False,
) -> None:
    """List the cells of a study."""
    chosen = narrowing.study(study)
    rows = [describe(cell, chosen.seeds) for cell in chosen.cells]
    if as_json:
        return console.put_json(rows)
    shown = ("name", "key", "reading")
    title = f"{study}: {len(rows)} cells, seeds {', '.join(map(str, chosen.seeds))}"
    console.put_table(title, shown, [[r[c] for c in shown] for r in rows])


def run(
    *,
    study: StudyOption = "thesis",
    narrowing: Narrowing,
    results: ResultsOption = None,
    data: DataOption = None,
    reports: ReportsOption = None,
    cores: Annotated[str | None, typer.Option("--cores", help="Processes at a time: a number, or all.")] = None,
    profile: ProfileOption = None,
    estimate: EstimateOption = False,
    yes: YesOption = False,
    fresh: FreshOption = False,
) -> None:
    """Train what is missing of a study and write its report, through the DAG."""
    from bnstudy.workflow import run_study

    chosen = narrowing.study(study)
    if profile and cores:
        raise UsageError("run: --cores and --profile", "A profile sets how many jobs run at a time.")
    count = options.processes("all" if cores is None else cores)
    folder = paths.results_root(results)
    if estimate and chosen.timing:
        raise UsageError(f"{study}: times epochs instead of training", "How long that takes is not estimated.")
    options.announce([chosen])
    if estimate:
        return put_estimate(chosen.runs(), folder, fresh, "auto", count, page=True)
    place = run_study.Place(narrowing.config, folder, paths.data_root(data), paths.reports_root(reports))
    narrowed = {"only_where": " ".join(narrowing.where or []), "only_seeds": narrowing.seeds or ""}
    run_study.run(place, chosen, narrowed, count, yes, fresh, profile)


def put_estimate(runs: list[Run], results: Path, fresh: bool, device: str, processes: int, page: bool = False) -> None:
    """Print a table of hours by model and data set for the missing runs, and a line on those that are done.

    page   count start-ups, tables, figures and the page, too
    """
    from bnstudy.training import devices
    from bnstudy.training.estimate import beside_training, estimate

    todo = runs if fresh else valid.missing(runs, results)
    device = devices.choose_device(device, console.say)
    processes = devices.at_a_time(device, processes)
    rows = estimate(todo, device, processes)
    beside = beside_training(todo, processes) if page and todo else 0.0
    sums = (beside + sum(r.typical_hours for r in rows), beside + sum(r.hours for r in rows))
    table = [[r.model, r.dataset, r.runs, console.hours(r.typical_hours), console.hours(r.hours)] for r in rows]
    if beside:
        table.append(["start-ups, report", "", "", *[console.hours(beside)] * 2])
    table.append(["all", "", len(todo), *map(console.hours, sums)])
    columns = ("model", "data set", "runs", "with early stops", "all epochs")
    console.put_table(f"to train, by {devices.words(device, processes)}", columns, table)
    if done := set(runs).difference(todo):
        console.say(f"of {len(runs)} runs {valid.summary(done, results)}")
