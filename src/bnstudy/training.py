"""From runs to stored records: what is done already, data, device, engine, locks.

torch is imported only when something is left to train, so a job whose records stand ends in a moment.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnstudy import again, choices, console, datasets, devices, extras, lock, models, paths, publication, store
from bnstudy.cell import Run
from bnstudy.checkpoints import DiskKeeper
from bnstudy.errors import DataError, TryAgain, Unreadable, WriteError
from bnstudy.labels import run_name
from bnstudy.record import Record

if TYPE_CHECKING:
    from bnstudy.datasets import Arrays
    from bnstudy.engine.contract import Engine

PATIENCE_FOR_LOCKS = 24 * 3600.0

Say = Callable[[str], None]


@dataclass(slots=True)
class Report:
    """What became of the runs asked for."""

    stood: list[Run] = field(default_factory=list)
    trained: list[Run] = field(default_factory=list)
    absent: dict[str, DataError] = field(default_factory=dict)  # data set, or model of pretrained weights -> why
    published: dict[Run, str] = field(default_factory=dict)  # stood without an own record -> digest

    def why_absent(self, run: Run) -> DataError | None:
        """Why what this run needs is not to be had, if it is not."""
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
    on_epoch: Callable[[Run, dict[str, Any]], None] = lambda run, row: None,
) -> Report:
    """Train every run that has no valid record and is not published, and store each record as it is finished.

    Records that do not verify are moved aside, and their runs trained again unless they are published. Runs whose data
    set or whose pretrained weights are absent are left out and named in the report. `wait`: a run in another process's
    hands is waited for instead of refused. `weights`: keep the final weights of what is trained (`paths.weights`).
    Raises TryAgain on a signal, UsageError on an engine or device that cannot do it, WriteError, DataError.
    """
    runs = list(dict.fromkeys(runs))
    for run in runs:
        choices.check(run.cell)
    if weights:
        extras.need("safetensors", "weights", "--weights")
    store.open_results(results)
    began = again.since()
    own = {record.run for record in own_records(runs, results, say, began)}
    unrecorded = [] if fresh or began else [run for run in runs if run not in own]
    report = Report(published=_published(unrecorded, results, say))
    if not (missing := _missing(runs, own, results, report, fresh)):
        return report
    store.check_locks(results)
    with _signals() as asked, devices.on_device(device, say, asked) as device:
        for arrays, chosen, members in _ready(missing, data_root, engine, device, report):
            if asked():
                raise TryAgain("stopped before the next run", "Run this again to go on.")
            with _locked(members, results, wait, asked):
                set_aside(members, results, say)
                own = {record.run for record in own_records(members, results, say, began)}
                _drop_older(members, results, began)
                todo = _missing(members, own, results, report, fresh)
                _train_on(chosen, todo, arrays, results, device, asked, report, say, on_epoch, weights)
    return report


def own_records(runs: Iterable[Run], results: Path, say: Say, began: float = 0.0) -> Iterator[Record]:
    """The records of those of the runs that have one of their own, in a round of `--fresh` since it `began`. One that
    does not verify is moved aside and said, unless somebody is at work on that run, so that it hides no published one.
    Raises Unreadable."""
    if began:
        runs = [run for run in runs if again.counts(paths.record(results, run.cell.key, run.seed), began)]
    for run, found in store.get_records(results, runs):
        if isinstance(found, Unreadable):
            raise found
        if isinstance(found, DataError):
            with contextlib.suppress(TryAgain), lock.held(paths.run_lock(results, run.cell.key, run.seed), run.id):
                set_aside([run], results, say)
        elif found is not None:
            yield found


def _published(unrecorded: Sequence[Run], results: Path, say: Say) -> dict[Run, str]:
    """The digests of those runs that need no record of their own, being published."""
    return {run: found.digest for run, found in publication.verified(results, unrecorded, say).items()}


def _missing(runs: Sequence[Run], own: set[Run], results: Path, report: Report, fresh: bool) -> list[Run]:
    """The runs neither recorded (`own`) nor published; the others are noted as standing."""
    stands = set() if fresh else own | report.published.keys()
    for run in runs:
        if run in stands:
            report.stood.append(run)
            _tidy(run, results)
    return [run for run in runs if run not in stands]


def set_aside(runs: Sequence[Run], results: Path, say: Say) -> None:
    """Move records that do not verify out of the way; only under their locks, or a good one could be hit.

    Raises WriteError."""
    for run, found in store.get_records(results, runs):
        if isinstance(found, DataError) and not isinstance(found, Unreadable):
            aside = store.move_aside(paths.record(results, run.cell.key, run.seed))
            say(f"{found.cause}; kept as {aside.name}, counts no more")


def _drop_older(runs: Sequence[Run], results: Path, began: float) -> None:
    """Remove checkpoints of before the round of `--fresh` that `began`: all of a run is to be done once more."""
    for run in runs:
        files = paths.checkpoints(results, run.cell.key, run.seed)
        if any(file.exists() and not again.counts(file, began) for file in files):
            store.drop_checkpoints(results, run)


def _tidy(run: Run, results: Path) -> None:
    """Remove checkpoints that a kill has left beside a finished record, unless somebody is at work on that run."""
    if store.has_checkpoints(results, run):
        held = lock.held(paths.run_lock(results, run.cell.key, run.seed), run.id)
        with contextlib.suppress(TryAgain, WriteError), held:
            store.drop_checkpoints(results, run)


def _ready(
    runs: Sequence[Run], data_root: Path, engine: str, device: str, report: Report
) -> "Iterator[tuple[Arrays, Engine, list[Run]]]":
    """The runs whose data and weights are here, by data set and engine; what is absent is noted in the report."""
    for dataset, data_runs in _by_dataset(runs).items():
        try:
            arrays = datasets.load(dataset, data_root)
        except DataError as error:
            if paths.dataset(data_root, dataset).exists():
                raise
            report.absent[dataset] = error
            continue
        for chosen, members in _by_engine(_with_weights(data_runs, report), engine, device):
            yield arrays, chosen, members


def _by_dataset(runs: Sequence[Run]) -> dict[str, list[Run]]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.cell.dataset, []).append(run)
    return groups


def _with_weights(runs: Sequence[Run], report: Report) -> list[Run]:
    """The runs but those whose pretrained weights cannot be had; why is noted in the report."""
    for model, cell in {run.cell.model: run.cell for run in runs if run.cell.pretrained}.items():
        try:
            models.obtain(cell)
        except DataError as error:
            report.absent[model] = error
    return [run for run in runs if report.why_absent(run) is None]


def _by_engine(runs: Sequence[Run], engine: str, device: str) -> list[tuple["Engine", list[Run]]]:
    from bnstudy.engine import choose

    groups: dict[str, tuple[Engine, list[Run]]] = {}
    for run in runs:
        chosen = choose(run.cell, engine, device)
        groups.setdefault(chosen.name, (chosen, []))[1].append(run)
    return list(groups.values())


def _train_on(
    engine: "Engine", runs: list[Run], arrays: "Arrays", results: Path, device: str, asked: Callable[[], bool],
    report: Report, say: Say, on_epoch: Callable[[Run, dict[str, Any]], None], weights: bool,
) -> None:  # fmt: skip
    from bnstudy import provenance
    from bnstudy.engine.inputs import prepare

    made_by = {
        run.id: provenance.of_run(
            run.cell.recipe, engine.name, device, run.cell.precision, arrays.digest, arrays.source
        )
        for run in runs
    }
    keeper = DiskKeeper(results, made_by, asked, say, on_epoch, weights)
    for run, trained in engine.train(runs, lambda r: prepare(r.cell, r.seed, arrays), keeper, device):
        told = {"attempts": keeper.attempts(run), "provenance": made_by[run.id]}
        record = Record(cell=run.cell, seed=run.seed, **vars(trained), **told)
        store.put_record(results, record)
        store.drop_checkpoints(results, run)
        report.trained.append(run)
        say(console.record_line(record))


@contextlib.contextmanager
def _locked(runs: Sequence[Run], results: Path, wait: bool, asked: Callable[[], bool]) -> Iterator[None]:
    """Hold the locks of all these runs, taken in one order so that two processes cannot wait for each other."""
    with contextlib.ExitStack() as stack:
        for run in sorted(runs, key=lambda r: (r.cell.key, r.seed)):
            path, patience = paths.run_lock(results, run.cell.key, run.seed), PATIENCE_FOR_LOCKS if wait else 0.0
            stack.enter_context(lock.held(path, run_name(run), patience, stopping=asked))
        yield


@contextlib.contextmanager
def _signals() -> Iterator[Callable[[], bool]]:
    """SIGTERM, SIGINT and SIGHUP only set a flag; the engine stops at the next batch. What nohup ignores stays so."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # as in some tests: signals stay as they are
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
    """The manifest of a pack: each run with the digest of its record, or why there is none."""
    rows = []
    for run, found in store.get_records(results, runs):
        row: dict[str, Any] = {"key": run.cell.key, "seed": run.seed, "digest": None}
        if isinstance(found, Record):
            row["digest"] = store.record_digest(results, run)
        elif run in report.published:
            row["published"] = report.published[run]
        elif why := report.why_absent(run):
            row["absent"] = why.cause
        else:
            raise TryAgain(f"{run.cell.key}/{run.seed}: no valid record", "Run the same command again.")
        rows.append(row)
    store.put_manifest(results, pack, rows)
