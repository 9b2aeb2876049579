"""From runs to stored records: find what is left to train, get data, device, engine and locks, train, store.

torch is imported only if something is left to train, so a job without work ends in a fraction of a second.
"""

import contextlib
import resource
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnstudy import console, datasets, lazy, lock, paths
from bnstudy.console import Say
from bnstudy.design.cell import Run
from bnstudy.design.labels import run_name
from bnstudy.errors import DataError, TryAgain, WriteError
from bnstudy.networks import models
from bnstudy.results import provenance, rounds, store, valid
from bnstudy.results.record import Record
from bnstudy.studies import choices
from bnstudy.training import devices
from bnstudy.training.checkpoints import Callbacks, DiskKeeper
from bnstudy.training.output import OnEpoch, record_line

if TYPE_CHECKING:
    from bnstudy.datasets import Arrays
    from bnstudy.results.publication.rows import Published
    from bnstudy.training.engine.contract import Engine


@dataclass(slots=True)
class Report:
    """The runs asked for: those done before, those trained now, and why others cannot be trained."""

    done: list[Run] = field(default_factory=list)
    published: dict[Run, str] = field(default_factory=dict)  # of `done`, those by a published run: its digest
    trained: list[Run] = field(default_factory=list)
    absent: dict[str, DataError] = field(default_factory=dict)  # data set, or model of pretrained weights: the reason

    def why_absent(self, run: Run) -> DataError | None:
        """Return the reason if data or pretrained weights of this run are unavailable, else None."""
        needs = (run.cell.dataset, run.cell.model) if run.cell.pretrained else (run.cell.dataset,)
        return next((self.absent[name] for name in needs if name in self.absent), None)


def train(
    runs: Sequence[Run],
    results: Path,
    data_root: Path,
    *,
    engine: str = "auto",
    device: str = "auto",
    fresh: bool = False,
    wait: bool = False,
    weights: bool = False,
    say: Say = console.say,
    on_epoch: OnEpoch = lambda run, row: None,
) -> Report:
    """Train every run without a valid result (`results.valid`), and store each record as soon as it is complete.

    Damaged records are moved aside. Runs whose data set or pretrained weights are unavailable are left out and named in
    the report.

    fresh     also train runs that have a result
    wait      wait for a run that another process is training, instead of refusing
    weights   keep the final weights of each trained run (`paths.weights`)
    Raises TryAgain on a signal, UsageError on an engine or device that cannot train the runs, WriteError, DataError.
    """
    runs = list(dict.fromkeys(runs))
    for run in runs:
        choices.check(run.cell)
    if weights:
        lazy.need("safetensors", "weights", "--weights")
    store.open_results(results)
    report = Report()
    since = rounds.since() or (0.0 if fresh else None)  # 0.0: own records are checked, published runs are not
    left = _left(valid.repaired(runs, results, say, since), results, report, fresh)
    if not left:
        return report
    store.check_locks(results)
    if unknown := provenance.unknown_commit():
        say(unknown)
    with _signals() as asked, devices.on_device(device, say, asked) as device:
        calls = Callbacks(asked, say, on_epoch)
        for arrays, chosen, members in _ready(left, data_root, engine, device, report):
            for run in members:
                choices.check_batches(run.cell, len(arrays.train_labels))  # an import may have fewer than is usual
            if asked():
                raise TryAgain("stopped before the next run", "Run this again to go on.")
            with _locked(members, results, wait, asked):
                _drop_older(members, results, since)
                found = valid.repaired(members, results, say, since or 0.0, locked=True)
                todo = _left(found, results, report, fresh)
                keeper = DiskKeeper(results, _made_by(chosen, todo, arrays, device), calls, weights)
                for record in _trained(chosen, todo, arrays, keeper, device):
                    store.put_record(results, record)
                    store.drop_checkpoints(results, record.run)
                    report.trained.append(record.run)
                    say(record_line(record))
    return report


def _left(
    found: "Iterable[tuple[Run, Record | Published | None]]", results: Path, report: Report, fresh: bool
) -> list[Run]:
    """Return the runs to train: those without a result, or all if `fresh`. The others are reported as done."""
    left = []
    for run, result in found:
        if result is None or fresh:
            left.append(run)
            continue
        report.done.append(run)
        if not isinstance(result, Record):
            report.published[run] = result.digest
        _tidy(run, results)
    return left


def _drop_older(runs: Sequence[Run], results: Path, since: float | None) -> None:
    """Remove checkpoints older than the round of `--fresh`, which trains each run from its start."""
    for run in runs:
        times = [rounds.written(file) for file in paths.checkpoints(results, run.cell.key, run.seed)]
        if any(time is not None and time < (since or 0.0) for time in times):
            store.drop_checkpoints(results, run)


def _tidy(run: Run, results: Path) -> None:
    """Remove checkpoints that a killed process left beside a complete record, unless the run is locked."""
    if store.has_checkpoints(results, run):
        held = lock.held(paths.run_lock(results, run.cell.key, run.seed), run.id)
        with contextlib.suppress(TryAgain, WriteError), held:
            store.drop_checkpoints(results, run)


def _ready(
    runs: Sequence[Run], data_root: Path, engine: str, device: str, report: Report
) -> "Iterator[tuple[Arrays, Engine, list[Run]]]":
    """Yield the runs whose data and pretrained weights are available, by data set and engine, and report the others."""
    for dataset, data_runs in _by_dataset(runs).items():
        try:
            arrays = datasets.load(dataset, data_root)
        except DataError as error:
            if paths.dataset(data_root, dataset).exists():
                raise
            report.absent[dataset] = error
            continue
        for chosen, members in _by_engine(_with_weights(data_runs, report), engine, device):
            for start in range(0, len(members), size := _at_once()):
                yield arrays, chosen, members[start : start + size]


def _at_once() -> int:
    """Return how many runs may be locked at once: each lock is an open file, and half of those allowed are left."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 65536 if soft == resource.RLIM_INFINITY else max(1, soft // 2)


def _by_dataset(runs: Sequence[Run]) -> dict[str, list[Run]]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.cell.dataset, []).append(run)
    return groups


def _with_weights(runs: Sequence[Run], report: Report) -> list[Run]:
    """Return the runs whose pretrained weights are available, and report why others are not."""
    for model, cell in {run.cell.model: run.cell for run in runs if run.cell.pretrained}.items():
        try:
            models.obtain(cell)
        except DataError as error:
            report.absent[model] = error
    return [run for run in runs if report.why_absent(run) is None]


def _by_engine(runs: Sequence[Run], engine: str, device: str) -> list[tuple["Engine", list[Run]]]:
    from bnstudy.training.engine import choose

    groups: dict[str, tuple[Engine, list[Run]]] = {}
    for run in runs:
        chosen = choose(run.cell, engine, device)
        groups.setdefault(chosen.name, (chosen, []))[1].append(run)
    return list(groups.values())


def _made_by(engine: "Engine", runs: Iterable[Run], arrays: "Arrays", device: str) -> dict[str, dict[str, Any]]:
    """Return the provenance of each run, by its id."""
    data = arrays.digest, arrays.source
    return {run.id: provenance.of_run(run.cell.recipe, engine.name, device, run.cell.precision, *data) for run in runs}


def _trained(engine: "Engine", runs: list[Run], arrays: "Arrays", keeper: DiskKeeper, device: str) -> Iterator[Record]:
    """Train runs and yield the record of each as soon as it has ended."""
    from bnstudy.training.engine.inputs import prepare

    for run, trained in engine.train(runs, lambda r: prepare(r.cell, r.seed, arrays), keeper, device):
        yield Record(cell=run.cell, seed=run.seed, **vars(trained), **keeper.origin(run))


@contextlib.contextmanager
def _locked(runs: Sequence[Run], results: Path, wait: bool, asked: Callable[[], bool]) -> Iterator[None]:
    """Hold the locks of all these runs, taken in a fixed order so that two processes cannot deadlock."""
    with contextlib.ExitStack() as stack:
        for run in sorted(runs, key=lambda r: (r.cell.key, r.seed)):
            path, patience = paths.run_lock(results, run.cell.key, run.seed), lock.PATIENCE if wait else 0.0
            stack.enter_context(lock.held(path, run_name(run), patience, stopping=asked))
        yield


@contextlib.contextmanager
def _signals() -> Iterator[Callable[[], bool]]:
    """Let SIGTERM, SIGINT and SIGHUP set a flag, and yield a function that returns it, which engines poll.

    Ignored signals stay ignored.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only the main thread can set handlers
        yield lambda: False
        return
    before = {s: signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda got, _frame: asked.append(got))
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def put_manifest(results: Path, pack: str, runs: Sequence[Run], report: Report) -> None:
    """Store the manifest of a pack: the digest of each run's own record, else that of the published run, else why its
    data are unavailable. Raises TryAgain if a run has none of these, WriteError."""
    rows = []
    for run, found in valid.verified(runs, results, console.say, since=0.0):
        row: dict[str, Any] = {"key": run.cell.key, "seed": run.seed, "digest": None}
        if found is not None:
            row["digest"] = store.record_digest(results, run)
        elif run in report.published:
            row["published"] = report.published[run]
        elif why := report.why_absent(run):
            row["absent"] = why.cause
        else:
            raise TryAgain(f"{run.id}: no valid record", "Run the same command again.")
        rows.append(row)
    store.put_manifest(results, pack, rows)
