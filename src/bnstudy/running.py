"""`bnstudy run`: an honest look before the start, the DAG by Snakemake, a summary after the end."""

import time
from collections.abc import Sequence
from pathlib import Path

from bnstudy import again, console, datasets, lock, paths, publication, training
from bnstudy.cell import Run
from bnstudy.errors import DataError, UsageError
from bnstudy.launch import Place, scheduling, snakemake
from bnstudy.study import Study
from bnstudy.timing import timings

HOPELESS_HOURS = 24.0


def run(
    place: Place, study: Study, narrowed: dict[str, str], processes: int, yes: bool, fresh: bool,
    profile: Path | None = None,
) -> None:  # fmt: skip
    """Train what is missing of a study and write its page.

    narrowed   only_where and only_seeds, as `dag.Dag.plan` reads them, for what `study` was narrowed by
    profile    how to run: where and how many at a time; without one, `processes` on this machine
    Raises UsageError before a hopeless start without `yes`, TryAgain on a signal or if another process runs a study
    here, DataError if the study has no record because its data are absent, and StudyError if a job failed.
    """
    how = scheduling(processes, profile)
    lock.probe(paths.lock(place.results, "probe"))
    with lock.held(paths.lock(place.results, "run"), str(place.results)):
        began = again.under_way(place.results, study) if fresh else 0.0
        outcomes = {} if fresh and not began else outcomes_of(study.runs(), place.results, began)
        todo = [r for r in study.runs() if r not in outcomes]
        if outcomes:
            console.say(f"of {len(study.runs())} runs {publication.stand_words(outcomes, place.results)}")
        if todo and profile:
            console.say(f"{len(todo)} runs to train, by {profile}")
        elif todo:
            how = scheduling(check_start(todo, "auto", processes, yes), None)
        if fresh and not began:
            began = again.begin(place.results, study)
        elif fresh:
            console.say(f"going on with what was begun {time.strftime('%Y-%m-%d %H:%M', time.localtime(began))}")
        snakemake(place, study, narrowed, how, todo, outcomes, began)
        again.end(place.results, study)
    summary(place, study, outcomes, len(todo))


def outcomes_of(runs: Sequence[Run], results: Path, began: float = 0.0) -> dict[Run, str]:
    """The outcome of each run with a record or as published, verified; a record that does not verify is moved aside
    and said. In a round of `--fresh` that `began`, of those recorded since. Raises Unreadable."""
    outcomes = {record.run: record.outcome for record in training.own_records(runs, results, console.say, began)}
    if began:
        return outcomes
    unrecorded = [run for run in runs if run not in outcomes]
    published = publication.verified(results, unrecorded, console.say)
    return outcomes | {run: found.row["outcome"] for run, found in published.items()}


def check_start(runs: Sequence[Run], device: str, processes: int, yes: bool) -> int:
    """Say how long the runs will take; refuse a start of more than a day without `yes`. How many of the processes the
    machine has work for. Raises UsageError."""
    from bnstudy import devices
    from bnstudy.estimate import estimate

    device = devices.choose_device(device, console.say)
    at_a_time = devices.at_a_time(device, processes)
    rows = estimate(runs, device, at_a_time)
    total = sum(row.typical_hours for row in rows)
    where = devices.words(device, at_a_time)
    console.say(
        f"{len(runs)} runs to train, about {console.hours(total)} by {where} (bnstudy run --estimate says more)"
    )
    if total > HOPELESS_HOURS and not yes:
        slow = max(rows, key=lambda row: row.typical_hours)
        remedy = "Add --yes to start all the same, or take a part: --where model=mlp (make: YES=1, WHERE=model=mlp)"
        raise UsageError(
            f"{slow.model} on {slow.dataset} alone would take about {console.hours(slow.typical_hours)} here, "
            f"all of it {console.hours(total)}",
            remedy + (" (no GPU was found)." if device == "cpu" else "."),
        )
    return devices.places(device, processes)


def missing(runs: Sequence[Run], results: Path) -> list[Run]:
    """The runs without a record file that are not published either. A stat per run."""
    unrecorded = [run for run in runs if not paths.record(results, run.cell.key, run.seed).exists()]
    return publication.unlisted(unrecorded, results)


def summary(place: Place, study: Study, outcomes: dict[Run, str], asked: int) -> None:
    """Say what there is now. Raises DataError if there is no record because all data sets are absent."""
    if study.timing:
        console.say(f"{study.name}: {len(timings(study.cells))} timings stand")
        return console.say(f"report: {paths.report(place.reports, study.name).resolve()}")
    runs = study.runs()
    unrun = {run.cell.dataset for run in runs if run not in outcomes}
    for dataset in sorted(unrun & datasets.noted(place.results).keys()):
        title = datasets.REGISTRY[dataset].title
        console.say(f"{title}: not run, its data are absent (bnstudy data fetch {dataset}, or import)")
    if not outcomes:
        raise DataError(f"{study.name}: nothing could be trained", "Bring in data: bnstudy data fetch|import NAME.")
    diverged = sum(outcome == "diverged" for outcome in outcomes.values())
    new = len(outcomes) - (len(runs) - asked)
    news = f"{new} of them now" if new else "nothing was left to train"
    console.say(f"{study.name}: {len(outcomes)} of {len(runs)} runs trained, {news}; {diverged} diverged")
    console.say(f"report: {paths.report(place.reports, study.name).resolve()}")
