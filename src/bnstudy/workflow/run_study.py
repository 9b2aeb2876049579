"""`bnstudy run`: print an estimate, run the DAG with Snakemake, print a summary."""

import time
from collections.abc import Sequence
from pathlib import Path

from bnstudy import console, datasets, lock, paths
from bnstudy.design.cell import Run
from bnstudy.design.study import Study
from bnstudy.design.timing import Timing, timings
from bnstudy.errors import DataError, Disturbed, UsageError
from bnstudy.results import rounds, store, valid
from bnstudy.results.timings.record import is_made
from bnstudy.workflow.outlook import Work, asked, outlook, put
from bnstudy.workflow.snakemake_process import Place, scheduling, snakemake

HOPELESS_HOURS = 24.0


def run(
    place: Place,
    studies: Sequence[Study],
    narrowed: dict[str, str],
    processes: int,
    yes: bool,
    fresh: bool,
    profile: Path | None = None,
    times: bool = False,
) -> None:
    """Train the missing runs of studies and write their pages.

    narrowed   how the studies were narrowed: only_where and only_seeds, as `dag.Dag.plan` reads them
    profile    Snakemake profile: where jobs run and how many at a time; without it, `processes` on this machine
    fresh      True to retrain every run in a round; repeating the command resumes an interrupted round
    times      True to time epochs for tables B.3 and B.4, too, and to print first what is reused
    Raises UsageError if the estimate exceeds a day (unless `yes`), TryAgain on a signal, if another process runs a
    study in this folder or if timings were disturbed, DataError if a study has no result because its data are absent,
    StudyError if a job failed.
    """
    how = scheduling(processes, profile)
    lock.probe(paths.lock(place.results, "probe"))
    with lock.held(paths.lock(place.results, "run"), str(place.results)):
        since = rounds.under_way(place.results, studies) if fresh else None
        work, outcomes = work_of(studies, times, place.results, fresh, since)
        if times:
            put(work, place.results, "auto", processes)
        elif outcomes:
            console.say(f"{len(work.runs)} runs: {valid.summary(outcomes, place.results)}")
        if work.to_train and profile:
            console.say(f"{len(work.to_train)} runs to train, by {profile}")
        elif work.to_train:
            how = scheduling(check_start(work, place.results, "auto", processes, yes), None)
        if fresh and since is None:
            since = rounds.begin(place.results, studies)
        elif fresh:
            console.say(f"resuming the round begun {time.strftime('%Y-%m-%d %H:%M', time.localtime(since))}")
        options = narrowed | ({"times": "1"} if times else {})
        snakemake(place, studies, options, how, work.to_train, outcomes, since)
        rounds.end(place.results, studies)
    for study in studies:
        summary(place, study, outcomes, work.to_train)
    check_times(work.timings, place.results)


def work_of(
    studies: Sequence[Study], times: bool, results: Path, fresh: bool, since: float | None
) -> tuple[Work, dict[Run, str]]:
    """Return what the studies ask for and what of it is left, with the outcome of each run that has a valid result.

    fresh   True if only results of a round of `--fresh` count: those since `since`, none if it is None
    Damaged records are moved aside. Raises Unreadable.
    """
    runs, timings = asked(studies, times)
    if fresh and since is None:
        return Work(runs, runs, timings, timings, page=True), {}
    outcomes = outcomes_of(runs, results, since)
    to_time = [timing for timing in timings if not is_made(results, timing, since)]
    return Work(runs, [run for run in runs if run not in outcomes], timings, to_time, page=True), outcomes


def outcomes_of(runs: Sequence[Run], results: Path, since: float | None = None) -> dict[Run, str]:
    """Return the outcome of each run that has a valid result. Damaged records are moved aside. Raises Unreadable."""
    found = valid.repaired(runs, results, console.say, since)
    return {run: result.outcome for run, result in found if result is not None}


def check_start(work: Work, results: Path, device: str, processes: int, yes: bool) -> int:
    """Print an estimate of how long `work` takes; return how many of the `processes` this machine can use. Raises
    UsageError if it takes more than a day (unless `yes`)."""
    with console.waiting("estimating how long it takes"):
        from bnstudy.training import devices

        device = devices.choose_device(device, console.say)
        at_a_time = devices.at_a_time(device, processes)
        found = outlook(work, results, device, at_a_time)
    total, where = console.hours(found.hours), devices.words(device, at_a_time)
    resume = sum(store.has_checkpoints(results, run) for run in work.to_train)
    what = f"{len(work.to_train)} runs to train" + f" ({resume} from a checkpoint)" * bool(resume)
    what += f", {len(work.to_time)} timings" * bool(work.to_time)
    console.say(f"{what}, about {total} by {where} (details: bnstudy run --estimate)")
    if found.hours > HOPELESS_HOURS and not yes:
        model, dataset, longest = found.longest
        remedy = "Add --yes to start anyway, or select a part: --where model=mlp (make: YES=1, WHERE=model=mlp)"
        raise UsageError(
            f"{model} on {dataset} alone would take about {console.hours(longest)} here, all runs together {total}",
            remedy + (" (no GPU was found)." if device == "cpu" else "."),
        )
    return devices.places(device, processes)


def summary(place: Place, study: Study, outcomes: dict[Run, str], were_left: Sequence[Run]) -> None:
    """Print how many runs or timings are done. Raises DataError if no run could be trained because data are absent.

    were_left   the runs that had no result before
    """
    if study.timing:
        done = sum(is_made(place.results, timing) for timing in timings(study.cells))
        console.say(f"{study.name}: {done} timings are done")
        return say_pages(place, study)
    runs = study.runs()
    unrun = {run.cell.dataset for run in runs if run not in outcomes}
    for dataset in sorted(unrun & datasets.noted(place.results).keys()):
        title = datasets.REGISTRY[dataset].title
        console.say(f"{title}: not run, its data are absent (bnstudy data fetch {dataset}, or import)")
    done = [run for run in runs if run in outcomes]
    if not done:
        raise DataError(f"{study.name}: nothing could be trained", "Get the data: bnstudy data fetch|import NAME.")
    diverged = sum(outcomes[run] == "diverged" for run in done)
    new = len(set(done).intersection(were_left))
    news = f"{new} of them now" if new else "nothing was left to train"
    console.say(f"{study.name}: {len(done)} of {len(runs)} runs trained, {news}; {diverged} diverged")
    say_pages(place, study)


def say_pages(place: Place, study: Study) -> None:
    """Print the paths of a study's page and of the front page of all studies."""
    console.say(f"report: {paths.report(place.reports, study.name).resolve()}")
    console.say(f"front page: {paths.front(place.reports).resolve()}")


def check_times(timings: Sequence[Timing], results: Path) -> None:
    """Raise Disturbed if other programs kept the machine too busy for one of these timings."""
    left = [timing for timing in timings if not is_made(results, timing)]
    if left:
        raise Disturbed(
            f"{len(left)} of {len(timings)} timings were disturbed by other programs: {left[0].name}",
            "Everything else is done. Run the same command again on an idle machine.",
        )
