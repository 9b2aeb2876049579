"""Published runs: real runs under version control, without weights, for readers who want the answer but have no days
to train. `merge` writes them; `standing` decides which of them count.

Importing this imports no pyarrow; `index` imports it only if something is published.
"""

from pathlib import Path
from typing import Any

from bnstudy import paths

EVERY_EPOCH_TO, THEN_EVERY = 20, 5


def kept_epochs(epochs_run: int) -> list[int]:
    """The epochs whose layer statistics are published: all up to the 20th, then every fifth, and the last."""
    return [e for e in range(1, epochs_run + 1) if e <= EVERY_EPOCH_TO or e % THEN_EVERY == 0 or e == epochs_run]


def index(results: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """By (key, seed) of each published run: key, seed, recipe, outcome and digest, unverified; fast. Raises
    DataError if the file is damaged."""
    if not paths.published(results, "runs").exists():
        return {}
    from bnstudy.publication import files

    return files.index(results)
