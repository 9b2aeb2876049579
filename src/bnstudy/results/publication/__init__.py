"""Published runs: real runs under version control, without weights, for readers who want the results but do not
have days to train. `merge` writes them; `results.valid` decides which of them count.

Importing this package imports no pyarrow; `index` imports it only if something is published.
"""

from pathlib import Path
from typing import Any

from bnstudy import paths
from bnstudy.results import digests


def index(results: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """Return, by (key, seed) of each published run, its key, seed, recipe, outcome and digest, unverified; fast.

    Raises DataError if the file is absent, though it has a digest, or damaged.
    """
    runs = paths.published(results, "runs")
    if not digests.lists(runs.parent, runs.name, digests.RESTORE):
        return {}
    from bnstudy.results.publication import files

    return files.index(results)
