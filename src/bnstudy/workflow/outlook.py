"""What a start reuses, from which machine, and what it trains and times, in hours: the table before a start."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnstudy import console
from bnstudy.design.cell import Run
from bnstudy.design.study import Study
from bnstudy.design.timing import Timing, of_study
from bnstudy.results import valid
from bnstudy.results.timings.record import is_made

COLUMNS = ("model", "data set", "runs", "own", "published", "to do", "hours with early stops", "with all epochs")


@dataclass(frozen=True, slots=True)
class Work:
    """What studies ask for, and what of it is left: runs to train, and timings to measure; `page`, whether tables,
    figures and a page follow."""

    runs: Sequence[Run]
    to_train: Sequence[Run]
    timings: Sequence[Timing] = ()
    to_time: Sequence[Timing] = ()
    page: bool = False


def asked(studies: Sequence[Study], times: bool) -> tuple[list[Run], list[Timing]]:
    """Return the runs and timings that the studies ask for, each once; with `times`, also those of tables B.3, B.4."""
    runs = dict.fromkeys(run for study in studies for run in study.runs())
    return list(runs), list(dict.fromkeys(timing for study in studies for timing in of_study(study, times)))


def glance(runs: Sequence[Run], results: Path, fresh: bool, timings: Sequence[Timing] = (), page: bool = False) -> Work:
    """Return what is left by stat, changing no file; with `fresh` everything is."""
    if fresh:
        return Work(runs, runs, timings, timings, page)
    return Work(runs, valid.missing(runs, results), timings, [t for t in timings if not is_made(results, t)], page)


@dataclass(frozen=True, slots=True)
class Outlook:
    """Rows of COLUMNS, a line per machine whose results are reused, and the hours with early stops; `longest` is the
    model and data set that take most of them."""

    rows: list[list[Any]]
    reused: list[str]
    hours: float
    longest: tuple[str, str, float]


def outlook(work: Work, results: Path, device: str, at_a_time: int) -> Outlook:
    """Return what `work` means on this device, `at_a_time` processes training at once. Imports torch."""
    from bnstudy.training.estimate import beside_training, estimate, timing_hours

    hours = {(e.model, e.dataset): e for e in estimate(work.to_train, device, at_a_time)} if work.to_train else {}
    done = valid.by_digest(set(work.runs).difference(work.to_train), results, {}, lambda run, error: None)
    own, published = (_by_kind(r for r, found in done.items() if isinstance(found, t)) for t in (valid.Digested, dict))
    every = _by_kind(work.runs)
    rows = []
    for kind in sorted(every):
        left = every[kind] - own[kind] - published[kind]
        spans = (hours[kind].typical_hours, hours[kind].hours) if kind in hours else (0.0, 0.0)
        rows.append([*kind, every[kind], own[kind], published[kind], left, *map(console.hours, spans)])
    typical, full = (sum(getattr(e, field) for e in hours.values()) for field in ("typical_hours", "hours"))
    count = len(work.timings)
    if count:
        timing = timing_hours(work.to_time, device) if work.to_time else 0.0
        left = len(work.to_time)
        rows.append(["timings", "", count, count - left, 0, left, *[console.hours(timing)] * 2])
        typical, full = typical + timing, full + timing
    if work.page and (work.to_train or work.to_time):
        beside = beside_training(work.to_train, at_a_time)
        rows.append(["start-ups, report", "", *[""] * 4, *[console.hours(beside)] * 2])
        typical, full = typical + beside, full + beside
    sums = [sum(row[i] or 0 for row in rows) for i in range(2, 6)]
    rows.append(["all", "", *sums, console.hours(typical), console.hours(full)])
    longest = max(hours.values(), key=lambda e: e.typical_hours, default=None)
    most = (longest.model, longest.dataset, longest.typical_hours) if longest else ("timings", "", typical)
    return Outlook(rows, _machines(done.values()), typical, most)


def put(work: Work, results: Path, device: str, processes: int) -> None:
    """Print what is reused and from which machine, what is trained and timed, and how long that takes."""
    with console.waiting("estimating how long it takes"):
        from bnstudy.training import devices

        device = devices.choose_device(device, console.say)
        at_a_time = devices.at_a_time(device, processes)
        found = outlook(work, results, device, at_a_time)
    console.put_table(f"to do, by {devices.words(device, at_a_time)}", COLUMNS, found.rows)
    for line in found.reused:
        console.say(line)


def _by_kind(runs: Iterable[Run]) -> Counter[tuple[str, str]]:
    return Counter((run.cell.model, run.cell.dataset) for run in runs)


def _machines(found: Iterable[valid.Digested | valid.Row | None]) -> list[str]:
    made: Counter[tuple[str, str]] = Counter()
    for each in found:
        if isinstance(each, valid.Digested):
            made["own records", each.machine[0] or "an unknown processor"] += 1
        elif each is not None:
            made["published runs (--fresh trains them)", each["gpu"] or each["cpu"]] += 1
    return [f"reused: {count} {which}, made on {machine}" for (which, machine), count in made.most_common()]
