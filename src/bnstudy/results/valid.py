"""Does a run have a valid result? This module alone decides.

The result of a run is its own record if that verifies, else the published run if that verifies. `since` limits what
counts: if it is a time (seconds since 1970), only own records written at or after it count, and no published run; 0.0
admits every own record, None published runs too.

The question can be asked at three depths:

    by_stat     one stat per run, and a look into the index of published runs if a record is absent; verifies nothing
    by_digest   reads own records and verifies their digests; skips layer statistics, and records that have not changed
    verified    reads and verifies own records and published runs in full; `repaired` also moves damaged records aside

pyarrow is imported only if there are published runs and a run without an own record.
"""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bnstudy import disk, lock, paths
from bnstudy.console import Say
from bnstudy.design.cell import Run
from bnstudy.design.labels import name
from bnstudy.errors import DataError, TryAgain, Unreadable
from bnstudy.results import publication, rounds, store
from bnstudy.results.record import REDO, Record, without_layers

if TYPE_CHECKING:
    from bnstudy.results.publication.rows import Published

Row = dict[str, Any]
Damaged = Callable[[Run, DataError], object]
"""Called with each run whose own record exists but does not verify, and with the reason."""

Own = TypeVar("Own")
Other = TypeVar("Other")


def _own_else_published(
    own: Iterable[tuple[Run, Own | DataError | None]],
    published: Callable[[Run], Other | None],
    damaged: Damaged = lambda run, error: None,
) -> Iterator[tuple[Run, Own | Other | None]]:
    """Yield each run with its own record, else the published run, else None: the rule at every depth."""
    for run, found in own:
        if isinstance(found, DataError):
            damaged(run, found)
            found = None
        yield run, published(run) if found is None else found


def _record(results: Path, run: Run) -> Path:
    return paths.record(results, run.cell.key, run.seed)


def _each(
    runs: Iterable[Run], results: Path, look: Callable[[Path], Own | DataError | None]
) -> Iterator[tuple[Run, Own | DataError | None]]:
    """Yield each run with what `look` finds at the path of its record; cells without a folder of records are not looked
    at, since a study may have millions of runs to come."""
    begun = disk.names(results / "records")
    for run in runs:
        yield run, look(_record(results, run)) if run.cell.key in begun else None


def without_published(results: Path) -> str:
    """Return the end of a remedy where no published runs were found, as outside a checkout; else an empty string."""
    file = paths.published(results, "runs")
    return (
        "" if file.exists() else f" ({file.parent} was not found: published runs are in a checkout; give its --results)"
    )


class _Published:
    """The published runs, if they count. Files are read once, when a run first needs them."""

    def __init__(self, results: Path, since: float | None = None):
        self._results, self._count = results, since is None

    @cached_property
    def _index(self) -> dict[tuple[str, int], Row]:
        return publication.index(self._results) if self._count else {}

    @cached_property
    def _runs(self) -> "dict[tuple[str, int], Published]":
        from bnstudy.results.publication import files

        return files.read(self._results)

    def listed(self, run: Run) -> Row | None:
        """Return the run's row in the index, unverified; None if it is not published by its recipe."""
        row = self._index.get((run.cell.key, run.seed))
        return row if row is not None and row["recipe"] == run.cell.recipe else None

    def verified(self, run: Run, say: Say) -> "Published | None":
        if self.listed(run) is None:
            return None
        found = self._runs[run.cell.key, run.seed]
        return found if _verifies(found, say) else None

    def of_cell(self, key: str, own: Collection[int], say: Say) -> list[Record]:
        """Return the verified published runs of a cell, as records, without the seeds of `own` records."""
        if not (seeds := [seed for of, seed in self._index if of == key and seed not in own]):
            return []
        from bnstudy.results.publication.rows import restore

        return [restore(found) for seed in seeds if _verifies(found := self._runs[key, seed], say)]


def _verifies(published: "Published", say: Say) -> bool:
    if not (sound := published.verifies()):
        say(f"{published.id}: the published run does not verify and is left out; restore results/published")
    return sound


# by stat: to plan


def by_stat(runs: Iterable[Run], results: Path, since: float | None = None) -> dict[Run, float | Row | None]:
    """Return when each run's own record was written, else its row in the index of published runs, else None."""
    own = _each(runs, results, lambda path: rounds.written(path, since))
    return dict(_own_else_published(own, _Published(results, since).listed))


def missing(runs: Iterable[Run], results: Path) -> list[Run]:
    """Return the runs without an own record that are not published either, by stat."""
    return [run for run, found in by_stat(runs, results).items() if found is None]


def summary(done: Collection[Run], results: Path) -> str:
    """Return a phrase: how many runs are done, and how many of them only by a published run. By stat."""
    published = sum(not isinstance(found, float) for found in by_stat(done, results).values())
    which = "all" if published == len(done) else published
    words = f"{len(done)} already done" + (f", {which} of them published" if published else "")
    return words + (" (--fresh trains them again)" if done else "")


# by digest: to show progress


@dataclass(frozen=True, slots=True)
class Digested:
    """What progress needs of an own record: outcome, seconds of training, and the processor and number of cores."""

    outcome: str
    seconds: float
    machine: tuple[str | None, int | None]


Cache = dict[Path, tuple[tuple[int, int], Digested | DataError]]
"""By path of a record: its modification time (ns) and size when it was read, and what was found."""


def by_digest(runs: Iterable[Run], results: Path, cache: Cache, damaged: Damaged) -> dict[Run, Digested | Row | None]:
    """Return each run's own record, else its row in the index of published runs, else None. A record that is unchanged
    since it entered `cache` is not read again. Raises DataError if the published files cannot be read."""
    own = _each(runs, results, lambda path: _cached(path, cache))
    return dict(_own_else_published(own, _Published(results).listed, damaged))


def _cached(path: Path, cache: Cache) -> Digested | DataError | None:
    try:
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        if path not in cache or cache[path][0] != stamp:
            cache[path] = (stamp, _digested(disk.read(path).decode(), str(path)))
        return cache[path][1]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        return DataError(f"{path}: cannot be read ({error})", "Make the file readable.")


def _digested(text: str, source: str) -> Digested | DataError:
    try:
        body = without_layers(text, source)
        seconds = sum(s for s in body["epochs"]["seconds"] if isinstance(s, int | float))
        machine = (body["provenance"].get("cpu"), body["provenance"].get("cores"))
        return Digested(body["outcome"], seconds, machine)
    except DataError as error:
        return error
    except (KeyError, TypeError, AttributeError) as error:
        return DataError(f"{source}: not a record of this program ({error})", REDO)


# verified: to train and to report


def verified(
    runs: Iterable[Run], results: Path, say: Say, since: float | None = None, damaged: Damaged | None = None
) -> "Iterator[tuple[Run, Record | Published | None]]":
    """Yield each run with its own record, else the published run, else None; both verified.

    say      gets a line for each published run that does not verify
    damaged  by default `say` gets the reason
    Raises DataError if the published files cannot be read.
    """
    published = _Published(results, since)

    def reported(_: Run, error: DataError) -> None:
        say(f"bnstudy: {error.cause}")

    own = ((run, _recent(found, results, since)) for run, found in store.get_records(results, runs))
    return _own_else_published(own, lambda run: published.verified(run, say), damaged or reported)


def _recent(found: Record | DataError | None, results: Path, since: float | None) -> Record | DataError | None:
    if since and isinstance(found, Record) and rounds.written(_record(results, found.run), since) is None:
        return None
    return found


def repaired(
    runs: Iterable[Run], results: Path, say: Say, since: float | None = None, locked: bool = False
) -> "Iterator[tuple[Run, Record | Published | None]]":
    """As `verified`, but a damaged record is moved aside, unless another process holds the lock of its run.

    locked   the caller holds the locks of all runs
    Raises Unreadable, DataError if the published files cannot be read, and WriteError.
    """

    def move(run: Run, error: DataError) -> None:
        if isinstance(error, Unreadable):
            raise error
        path = paths.run_lock(results, run.cell.key, run.seed)
        with contextlib.suppress(TryAgain), contextlib.nullcontext() if locked else lock.held(path, run.id):
            _move_aside(run, results, say)

    return verified(runs, results, say, since, move)


def _move_aside(run: Run, results: Path, say: Say) -> None:
    """Move a record aside if it does not verify. Its lock must be held, or a good record could be hit."""
    for _, found in store.get_records(results, [run]):
        if isinstance(found, DataError) and not isinstance(found, Unreadable):
            aside = disk.move_aside(_record(results, run))
            say(f"{found.cause}; moved aside to {aside.name}")


def records_of(results: Path, word: str, say: Say) -> list[Record]:
    """Return the results of all seeds of the cell with this name or key, by seed, as records; published runs have what
    was published. An own record that does not verify is reported and left out."""
    return [record for _, record in with_origins(results, word, say)]


def with_origins(results: Path, word: str, say: Say, hidden: bool = False) -> list[tuple[str, Record]]:
    """Return the results of a cell as `records_of` does, with their origin: own or published. `hidden` adds the
    published runs that own records hide, each after its own record."""
    key = word.rpartition("-")[2]
    found = []
    for record in store.find_records(results, key):
        if isinstance(record, DataError):
            say(f"{record.cause}; left out")
        else:
            found.append(("own", record))
    own = () if hidden else [record.seed for _, record in found]
    found += [("published", record) for record in _Published(results).of_cell(key, own, say)]
    found = [(origin, record) for origin, record in found if word in (record.cell.key, name(record.cell))]
    return sorted(found, key=lambda each: (each[1].seed, each[0]))
