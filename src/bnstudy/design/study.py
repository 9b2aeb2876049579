"""Studies (named sets of cells that answer a question), cells as rows, and packs. Stdlib only.

A pack is a list of runs that one process trains. Packs are planned from the study alone, so every process plans the
same ones.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from bnstudy.design.cell import Cell, Run
from bnstudy.design.fields import FIELDS
from bnstudy.design.labels import labels, name
from bnstudy.design.model_facts import facts_of
from bnstudy.design.words import plain, short_word

MAX_SEEDS = 1_000
MAX_SEED = 2**31 - 1
STUDY_PATTERN = r"[a-z][a-z0-9_]{0,39}"


@dataclass(frozen=True, slots=True)
class Study:
    """A named set of cells; `seeds` are trained for each of them. A study of `timing` times epochs and trains none."""

    name: str
    question: str
    cells: tuple[Cell, ...]
    seeds: tuple[int, ...]
    timing: bool = False

    @property
    def trained(self) -> tuple[Cell, ...]:
        """The cells that are trained: none in a study of timing."""
        return () if self.timing else self.cells

    def runs(self) -> list[Run]:
        return [Run(cell, seed) for cell in self.trained for seed in self.seeds]


@dataclass(frozen=True, slots=True)
class Pack:
    """Runs that one process trains; `id` is a hash of their sorted (key, seed) list."""

    id: str
    runs: tuple[Run, ...]


def describe(cell: Cell, seeds: Iterable[int] = ()) -> dict[str, Any]:
    """Return a cell as one flat row: labels first, then every field."""
    setting, reading = labels(cell)
    row = {"name": name(cell), "key": cell.key, "model": cell.model, "dataset": cell.dataset, "norm": cell.norm}
    return row | {"setting": setting, "reading": reading, "seeds": list(seeds)} | asdict(cell)


def changed(row: Mapping[Any, Any]) -> dict[str, str]:
    """Return the fields of a described cell that differ from their default, as words for `bnstudy try`."""
    values = {f: plain(row[f]) for f in FIELDS}
    return {f: short_word(values[f]) for f, spec in FIELDS.items() if not _same(values[f], plain(spec.default))}


def _same(value: Any, default: Any) -> bool:
    """Compare with a default; a frame has NaN for None."""
    return value == default or (default is None and value != value)


def plan(runs: Sequence[Run]) -> list[Pack]:
    """Divide runs into packs of one data set and model each, sorted by shape, key and seed.

    So runs that an engine can train side by side are neighbours in a pack.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in dict.fromkeys(runs):
        groups.setdefault((run.cell.model, run.cell.dataset), []).append(run)
    packs = []
    for (model, _), members in sorted(groups.items()):
        members.sort(key=lambda r: (shape(r.cell), r.cell.key, r.seed))
        count = -(-len(members) // facts_of(model).runs_per_pack)
        bounds = [round(i * len(members) / count) for i in range(count + 1)]
        packs += [_pack(members[a:b]) for a, b in pairwise(bounds)]
    return packs


def wants_gpu(cell: Cell) -> bool:
    """Return True if this takes days without a GPU: convolutions at full width."""
    return facts_of(cell.model).wants_gpu and cell.width == 1


def shape(cell: Cell) -> str:
    """Return the fields that cells must share to be trained in one stack: all but lr, init, penalty and the like."""
    free = ("lr", "init", "init_std", "penalty", "penalty_strength", "penalty_factor", "penalty_on", "kaiming_gain",
            "init_distribution", "init_std_on", "gamma_init", "fan")  # fmt: skip
    return json.dumps({k: v for k, v in cell.non_default().items() if k not in free}, sort_keys=True)


def _pack(runs: Sequence[Run]) -> Pack:
    listing = json.dumps(sorted((run.cell.key, run.seed) for run in runs), separators=(",", ":"))
    return Pack(hashlib.sha256(listing.encode()).hexdigest()[:12], tuple(runs))
