"""Published records: real runs under version control, without weights, for anyone who wants the answer but has no
days to train. `merge` writes them; whatever asks for records reads them here, after the own ones.

Importing this imports no pyarrow, and where nothing is published nothing is read.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from bnstudy import paths
from bnstudy.cell import Run
from bnstudy.record import Record

IGNORE = "BNSTUDY_IGNORE_PUBLISHED"
"""Variable: if set, nothing counts as published (`bnstudy run --fresh` sets it for its jobs)."""


def listed(results: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """key, seed, recipe, outcome and digest of what is published, by (key, seed): as the file says, unverified."""
    if os.environ.get(IGNORE) or not paths.published(results, "runs").exists():
        return {}
    from bnstudy.publication import files

    return {(row["key"], row["seed"]): row for row in files.index(results)}


def unlisted(runs: Iterable[Run], results: Path) -> list[Run]:
    """Those of the runs that are not published by their recipe. Costs a moment, and nothing where nothing is."""
    found = listed(results)
    return [run for run in runs if not _same(found.get((run.cell.key, run.seed)), run)]


def _same(row: dict[str, Any] | None, run: Run) -> bool:
    return row is not None and row["recipe"] == run.cell.recipe


def standing(results: Path, runs: Iterable[Run], say: Callable[[str], None]) -> dict[Run, str]:
    """The digests of those of the runs that are published and verify; of one that does not, a line is said."""
    return {run: published.digest for run, published in _verified(results, runs, say)}


def records(results: Path, runs: Iterable[Run], say: Callable[[str], None]) -> Iterator[Record]:
    """The records of those of the runs that are published and verify, as far as they were published."""
    for _, published in _verified(results, runs, say):
        from bnstudy.publication.rows import restore

        yield restore(published)


def _verified(results: Path, runs: Iterable[Run], say: Callable[[str], None]) -> Iterator[tuple[Run, Any]]:
    found = listed(results)
    wanted = [run for run in runs if _same(found.get((run.cell.key, run.seed)), run)]
    if not wanted:
        return
    from bnstudy.publication import files

    published = files.read(results)
    for run in wanted:
        each = published[run.cell.key, run.seed]
        if each.verifies():
            yield run, each
        else:
            say(f"{run.id}: the published run does not verify, left out; bring results/published back")
