"""`bnstudy run`: print an estimate, run the DAG with Snakemake, print a summary."""

import time
from collections.abc import Sequence
from pathlib import Path

from bnstudy import console, datasets, lock, paths
from bnstudy.design.cell import Run
from bnstudy.design.study import Study
from bnstudy.design.timing import timings
from bnstudy.errors import DataError, UsageError
from bnstudy.results import rounds, valid
from bnstudy.workflow.snakemake_process import Place, scheduling, snakemake

HOPELESS_HOURS = 24.0


def run(
    place: Place,
    study: Study,
    narrowed: dict[str, str],
    processes: int,
    yes: bool,
    fresh: bool,
    profile: Path | None = None,
) -> None:
    """Train the missing runs of a study and write its page.

    narrowed   how `study` was narrowed: only_where and only_seeds, as `dag.Dag.plan` reads them
    profile    Snakemake profile: where jobs run and how many at a time; without it, `processes` on this machine
    fresh      True to retrain every run in a round; repeating the command resumes an interrupted round
    Raises UsageError if the estimate exceeds a day (unless `yes`), TryAgain on a signal or if another process runs a
    study in this folder, DataError if the study has no result because its data are absent, StudyError if a job failed.
    """
    how = scheduling(processes, profile)
    lock.probe(paths.lock(place.results, "probe"))
    with lock.held(paths.lock(place.results, "run"), str(place.results)):
        since = rounds.under_way(place.results, study) if fresh else None
        outcomes = {} if fresh and since is None else outcomes_of(study.runs(), place.results, since)
        todo = [r for r in study.runs() if r not in outcomes]
        if outcomes:
            console.say(f"of {len(study.runs())} runs {valid.summary(outcomes, place.results)}")
        if todo and profile:
            console.say(f"{len(todo)} runs to train, by {profile}")
        elif todo:
            how = scheduling(check_start(todo, "auto", processes, yes), None)
        if fresh and since is None:
            since = rounds.begin(place.results, study)
        elif fresh:
            console.say(f"resuming the round begun {time.strftime('%Y-%m-%d %H:%M', time.localtime(since))}")
        snakemake(place, study, narrowed, how, todo, outcomes, since)
        rounds.end(place.results, study)
    summary(place, study, outcomes, len(todo))


def outcomes_of(runs: Sequence[Run], results: Path, since: float | None = None) -> dict[Run, str]:
    """Return the outcome of each run that has a valid result. Damaged records are moved aside. Raises Unreadable."""
    found = valid.repaired(runs, results, console.say, since)
    return {run: result.outcome for run, result in found if result is not None}


def check_start(runs: Sequence[Run], device: str, processes: int, yes: bool) -> int:
    """Print an estimate of how long the runs take; return how many of the `processes` this machine can use. Raises
    UsageError if they take more than a day (unless `yes`)."""
    from bnstudy.training import devices
    from bnstudy.training.estimate import beside_training, estimate

    device = devices.choose_device(device, console.say)
    at_a_time = devices.at_a_time(device, processes)
    rows = estimate(runs, device, at_a_time)
    total = sum(row.typical_hours for row in rows) + beside_training(runs, at_a_time)
    where = devices.words(device, at_a_time)
    console.say(f"{len(runs)} runs to train, about {console.hours(total)} by {where} (details: bnstudy run --estimate)")
    if total > HOPELESS_HOURS and not yes:
        slow = max(rows, key=lambda row: row.typical_hours)
        remedy = "Add --yes to start anyway, or select a part: --where model=mlp (make: YES=1, WHERE=model=mlp)"
        raise UsageError(
            f"{slow.model} on {slow.dataset} alone would take about {console.hours(slow.typical_hours)} here, "
            f"all runs together {console.hours(total)}",
            remedy + (" (no GPU was found)." if device == "cpu" else "."),
        )
    return devices.places(device, processes)


def summary(place: Place, study: Study, outcomes: dict[Run, str], asked: int) -> None:
    """Print how many runs or timings are done. Raises DataError if no run could be trained because data are absent."""
    if study.timing:
        console.say(f"{study.name}: {len(timings(study.cells))} timings are done")
        return console.say(f"report: {paths.report(place.reports, study.name).resolve()}")
    runs = study.runs()
    unrun = {run.cell.dataset for run in runs if run not in outcomes}
    for dataset in sorted(unrun & datasets.noted(place.results).keys()):
        title = datasets.REGISTRY[dataset].title
        console.say(f"{title}: not run, its data are absent (bnstudy data fetch {dataset}, or import)")
    if not outcomes:
        raise DataError(f"{study.name}: nothing could be trained", "Get the data: bnstudy data fetch|import NAME.")
    diverged = sum(outcome == "diverged" for outcome in outcomes.values())
    new = len(outcomes) - (len(runs) - asked)
    news = f"{new} of them now" if new else "nothing was left to train"
    console.say(f"{study.name}: {len(outcomes)} of {len(runs)} runs trained, {news}; {diverged} diverged")
    console.say(f"report: {paths.report(place.reports, study.name).resolve()}")
