"""Published records: real runs under version control, without weights, for anyone who wants the answer but has no
days to train. `merge` writes them; whatever asks for records reads them here, after the own ones.

Importing this imports no pyarrow, and where nothing is published nothing is read.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnstudy import paths, store
from bnstudy.cell import Run
from bnstudy.labels import name
from bnstudy.record import Record

if TYPE_CHECKING:
    from bnstudy.publication.rows import Published

EVERY_EPOCH_TO, THEN_EVERY = 20, 5


def kept_epochs(epochs_run: int) -> list[int]:
    """The epochs whose layer statistics are published: each up to the 20th, every fifth after it, and the last."""
    return [e for e in range(1, epochs_run + 1) if e <= EVERY_EPOCH_TO or e % THEN_EVERY == 0 or e == epochs_run]


def listed(results: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """key, seed, recipe, outcome and digest of what is published, by (key, seed): as the file says, unverified."""
    if not paths.published(results, "runs").exists():
        return {}
    from bnstudy.publication import files

    return {(row["key"], row["seed"]): row for row in files.index(results)}


def unlisted(runs: Iterable[Run], results: Path) -> list[Run]:
    """Those of the runs that are not published by their recipe. Costs a moment, and nothing where nothing is."""
    if not (runs := list(runs)):
        return runs
    found = listed(results)
    return [run for run in runs if not _is_of(found.get((run.cell.key, run.seed)), run)]


def _is_of(row: dict[str, Any] | None, run: Run) -> bool:
    return row is not None and row["recipe"] == run.cell.recipe


def verified(results: Path, runs: Iterable[Run], say: Callable[[str], None]) -> dict[Run, "Published"]:
    """Those of the runs that are published and verify; of one that does not, a line is said. Raises DataError."""
    found = listed(results)
    wanted = [run for run in runs if _is_of(found.get((run.cell.key, run.seed)), run)]
    if not wanted:
        return {}
    from bnstudy.publication import files

    published = files.read(results)
    return {run: each for run in wanted if _is_whole(each := published[run.cell.key, run.seed], say)}


def stand_words(runs: Collection[Run], results: Path) -> str:
    """Of runs that stand: how many, and how many of them only as published."""
    published = sum(not paths.record(results, run.cell.key, run.seed).exists() for run in runs)
    which = "all" if published == len(runs) else published
    return f"{len(runs)} stood already" + (f", {which} of them as published (--fresh trains them)" if published else "")


def _is_whole(published: "Published", say: Callable[[str], None]) -> bool:
    if not (whole := published.verifies()):
        say(f"{published.id}: the published run does not verify, left out; bring results/published back")
    return whole


def records(results: Path, runs: Iterable[Run], say: Callable[[str], None]) -> Iterator[Record]:
    """The records of those of the runs that are published and verify, as far as they were published."""
    if found := verified(results, runs, say):
        from bnstudy.publication.rows import restore

        yield from map(restore, found.values())


def records_of(results: Path, word: str, say: Callable[[str], None]) -> list[Record]:
    """The records of the cell of this name or key, by seed: its own, and published ones of other seeds."""
    key = word.rpartition("-")[2]
    own = {record.seed: record for record in store.find_records(results, key)}
    published = {record.seed: record for record in _published_of(results, key, say)}
    return [r for _, r in sorted((published | own).items()) if word in (r.cell.key, name(r.cell))]


def _published_of(results: Path, key: str, say: Callable[[str], None]) -> list[Record]:
    if not any(row["key"] == key for row in listed(results).values()):
        return []
    from bnstudy.publication import files
    from bnstudy.publication.rows import restore

    found = [published for published in files.read(results).values() if published.row["key"] == key]
    return [restore(published) for published in found if _is_whole(published, say)]
