"""The progress of studies: a row per study and model, the runs in training, and how long the rest will take.

Durations were measured on this machine: those of runs of the same cell, else of the same network, data and protocol,
else projected from checkpoints of runs in training. Without a measurement a duration is unknown, unless it is estimated
from the operation count (`count`), which imports torch.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bnstudy import console
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import name
from bnstudy.design.study import Study
from bnstudy.design.timing import timings
from bnstudy.results import provenance
from bnstudy.results.timings.record import is_made
from bnstudy.training.estimate import typical_share
from bnstudy.workflow.progress.watch import DONE, RUNNING, WAITING, RunState, Watch

Row = dict[str, Any]
States = Mapping[Run, RunState]
Seconds = Mapping[Run, float]

LENGTH = ("model", "dataset", "width", "hidden", "dense_layers", "train_size", "epochs", "steps", "batch_size")
ALIKE: tuple[Callable[[Cell], Any], ...] = (
    lambda cell: cell.key,
    lambda cell: (*(getattr(cell, field) for field in LENGTH), cell.norm),
    lambda cell: tuple(getattr(cell, field) for field in LENGTH),
)
"""Keys for similar cells, most specific first: runs of two cells with an equal key take about as long."""


def machine() -> tuple[str, int | None]:
    """Return what a duration depends on: the processor model and the number of cores."""
    return provenance.cpu_model(), os.cpu_count()


@dataclass(frozen=True, slots=True)
class Now:
    """A snapshot: a row per study and model (see `rows`), and `total` over all their runs, each counted once; its
    `timings` are those left, which no hours are known of."""

    rows: list[Row]
    total: Row


class Look:
    """Takes snapshots of the progress of studies.

    count   estimates the seconds of runs that were never measured; called once, because they do not change
    """

    def __init__(self, studies: Sequence[Study], results: Path, count: Callable[[States], Seconds] | None = None):
        self._studies, self._results = studies, results
        self._runs = list(dict.fromkeys(run for study in studies for run in study.runs()))
        self._watch = Watch(results, machine())
        self._counted: Seconds = count(self._watch.look(self._runs)) if count else {}

    def __call__(self) -> Now:
        states = self._watch.look(self._runs)
        seconds = {**self._counted, **remaining(states)}
        found = rows(self._studies, states, seconds, self._results)
        return Now(found, _total(found, states, seconds))


def rows(studies: Sequence[Study], states: States, seconds: Seconds, results: Path) -> list[Row]:
    """Return a row per study and model: study, model, timed; runs = done + running + waiting; how many of the done runs
    are published and how many diverged; damaged (records that do not verify); hours_left with one process (None if
    unknown) and unmeasured, the number of runs it leaves out; in_training, a row per run.

    seconds   remaining seconds of each unfinished run, as far as known
    """
    found = []
    for study in studies:
        if study.timing:
            found += _timed(study, results)
        for model in dict.fromkeys(cell.model for cell in study.trained):
            own = {run: states[run] for run in study.runs() if run.cell.model == model}
            found.append(_row(study.name, model, own, seconds))
    return found


def _total(found: Sequence[Row], states: States, seconds: Seconds) -> Row:
    """The row of all runs, each counted once, and of all timings."""
    total = _row("all", "", states, seconds) | {"timings": 0}
    for row in found:
        if row["timed"]:
            total |= {column: total[column] + row[column] for column in ("runs", "done", "published", "waiting")}
            total["timings"] += row["waiting"]
    return total | ({"hours_left": None} if total["timings"] == total["running"] + total["waiting"] > 0 else {})


def _row(study: str, model: str, own: States, seconds: Seconds) -> Row:
    phases = Counter(s.phase for s in own.values())
    left = [run for run, s in own.items() if s.phase != DONE]
    known = [seconds[run] for run in left if run in seconds]
    return {
        "study": study, "model": model, "timed": False, "runs": len(own),
        "done": phases[DONE], "published": sum(s.published for s in own.values()),
        "diverged": sum(s.outcome == "diverged" for s in own.values()),
        "running": phases[RUNNING], "waiting": phases[WAITING], "damaged": sum(s.damaged for s in own.values()),
        "hours_left": sum(known) / 3600 if known or not left else None, "unmeasured": len(left) - len(known),
        "in_training": [_in_training(run, s) for run, s in own.items() if s.phase == RUNNING],
    }  # fmt: skip


def _in_training(run: Run, state: RunState) -> Row:
    pid, host = state.owner or (None, None)
    label = {"name": name(run.cell), "key": run.cell.key, "seed": run.seed}
    return label | {"epoch": state.epoch, "epochs": run.cell.periods, "pid": pid, "host": host}


def _timed(study: Study, results: Path) -> list[Row]:
    """Return the rows of a study that times epochs: it counts timings instead of runs."""
    found = []
    for model in dict.fromkeys(cell.model for cell in study.cells):
        asked = timings(cell for cell in study.cells if cell.model == model)
        done = sum(is_made(results, timing) for timing in asked)
        found.append({
            "study": study.name, "model": model, "timed": True, "runs": len(asked), "done": done,
            "published": 0, "diverged": 0, "running": 0, "waiting": len(asked) - done, "damaged": 0,
            "hours_left": 0.0 if done == len(asked) else None, "unmeasured": 0, "in_training": [],
        })  # fmt: skip
    return found


def in_training(states: States) -> str:
    """Return a line on the runs in training, the furthest of them by its newest checkpoint, and how long the rest takes
    if every kind of run was measured here."""
    running = {run: state for run, state in states.items() if state.phase == RUNNING}
    if not running:
        return "no run is in training at the moment"
    processes = len({state.owner for state in running.values()})
    runs = f"{len(running)} run{'s' if len(running) > 1 else ''}"
    who = f"in training: {runs} in {processes} process{'es' if processes > 1 else ''}"
    run, furthest = max(running.items(), key=lambda item: item[1].epoch or 0)
    epochs = f"the furthest at epoch {furthest.epoch} of {run.cell.periods}"
    line = f"{who}, {epochs if furthest.epoch else 'none with a checkpoint yet'}"
    seconds = remaining(states)
    if not seconds:
        return line
    unknown = sum(state.phase != DONE for state in states.values()) - len(seconds)
    without = f", without {unknown} run{'s' * (unknown > 1)} of a kind never measured here" * bool(unknown)
    return f"{line}; about {console.hours(sum(seconds.values()) / processes / 3600)} left{without}"


# how long


def remaining(states: States) -> dict[Run, float]:
    """Return the remaining seconds of each unfinished run, with one process. Runs of unknown duration are left out."""
    measured = _by_likeness((run.cell, s.seconds) for run, s in states.items() if s.seconds is not None)
    projected = _by_likeness((run.cell, p) for run, s in states.items() if (p := _projected(run.cell, s)))
    found = {}
    for run, state in states.items():
        whole = _nearest(run.cell, measured) or _nearest(run.cell, projected)
        if whole is not None and state.phase != DONE:
            found[run] = _rest(whole, state)
    return found


def _projected(cell: Cell, state: RunState) -> float | None:
    """Return the total seconds of a run in training, projected from its checkpoint; None without one."""
    if state.epoch is None or not state.epoch_seconds:
        return None
    return max(state.epoch + 1, cell.periods * typical_share(cell)) * state.epoch_seconds


def _rest(whole: float, state: RunState) -> float:
    """Return the remaining seconds of a run that takes `whole` seconds: at least one epoch if it has begun."""
    if state.epoch is None or not state.epoch_seconds:
        return whole
    return max(whole - state.epoch * state.epoch_seconds, state.epoch_seconds)


def _by_likeness(durations: Iterable[tuple[Cell, float]]) -> list[dict[Any, float]]:
    """Return, for each key of ALIKE, the median duration of the cells with each value of it."""
    kinds: list[dict[Any, list[float]]] = [{} for _ in ALIKE]
    for cell, seconds in durations:
        for group, alike in zip(kinds, ALIKE, strict=True):
            group.setdefault(alike(cell), []).append(seconds)
    return [{kind: median(values) for kind, values in group.items()} for group in kinds]


def _nearest(cell: Cell, durations: Sequence[Mapping[Any, float]]) -> float | None:
    found = (group.get(alike(cell)) for group, alike in zip(durations, ALIKE, strict=True) if group)
    return next((seconds for seconds in found if seconds is not None), None)


def count(states: States, device: str) -> dict[Run, float]:
    """Estimate the seconds of unfinished, never measured runs from their multiplications and this machine's rate."""
    from bnstudy.training.estimate import estimate

    known = remaining(states)
    unknown = [run for run, s in states.items() if s.phase != DONE and run not in known]
    hours = {(e.model, e.dataset): e.typical_hours / e.runs for e in estimate(unknown, device, 1)} if unknown else {}
    return {run: 3600 * hours[run.cell.model, run.cell.dataset] for run in unknown}


def at_work(found: Iterable[Row]) -> int:
    """Return the number of processes that train."""
    return len({(run["pid"], run["host"]) for row in found for run in row["in_training"]})
