"""What batch norm costs in time (tables B.3 and B.4): what is timed, and what a timing is called.

Training and packed runs never enter these tables. A `Timing` is its own exclusive job: both norms in one
process, in turn, alone on the machine (`training.timing.measure`), kept as a timing record (`results.timings.record`)
and read into the frame `timings` (`results.timings.frame`). Stdlib only: the Snakefile reads this without torch.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from bnstudy.design.cell import Cell
from bnstudy.design.labels import SETTINGS, labels
from bnstudy.design.model_facts import facts_of
from bnstudy.design.study import Study

EPOCH_KINDS = ("training", "with_statistics", "with_validation")
"""What an epoch holds: training; and the statistics of layers; and validation. The thesis's epoch holds all three."""

PARTS = ("training", "sampled", "probe", "validation")
"""What is timed of an epoch: one pass over the training part; the same with the statistics of its sampled steps; what
is measured once an epoch on a fixed batch; validation."""

ENGINES = ("packed", "graph", "winograd", "reference")
"""The engines by name. `training.engine` maps the same names to classes; here they only name timing records."""
DEVICE_KINDS = ("cpu", "cuda")
BY_BATCH_SIZE = ("relu", *(setting for setting in SETTINGS if setting.startswith("batch_")))
"""The settings that tables B.3 and B.4 time: `relu` is the row of batch size 64."""
SMALL_BATCHES = (8, 16)
"""Batch sizes that no table holds and the thesis speaks of (7.1.5, claim M48); the study `timing_small` times them."""


TIMING_COLUMNS = [
    "model", "dataset", "norm", "batch_size", "engine", "device", "kind", "median_seconds", "iqr", "ratio", "ratio_low",
    "ratio_high", "pixels",
]  # fmt: skip
"""What tables and claims read of the frame `timings`."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Two cells that differ in nothing but the norm; `id` names the job that times them."""

    none: Cell
    batch: Cell

    @property
    def cells(self) -> dict[str, Cell]:
        return {"none": self.none, "batch": self.batch}

    @property
    def id(self) -> str:
        return _hash(self.none.key, self.batch.key)

    def key(self, engine: str, device: str) -> str:
        """The key of the record made by this engine on this kind of device: 12 hex."""
        return _hash(self.none.key, self.batch.key, engine, device.partition(":")[0])

    def record_keys(self) -> list[str]:
        """The keys of all records there may be of this timing."""
        return [self.key(engine, kind) for engine in ENGINES for kind in DEVICE_KINDS]

    @property
    def name(self) -> str:
        return f"{self.none.model} on {self.none.dataset}, batches of {self.none.batch_size}"


def timings(cells: Iterable[Cell]) -> list[Timing]:
    """The pairs among these cells, in their order; a cell without its counterpart is in none."""
    found: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        rest = {k: v for k, v in cell.non_default().items() if k != "norm"}
        found.setdefault(json.dumps(rest, sort_keys=True), {})[cell.norm] = cell
    return [Timing(pair["none"], pair["batch"]) for pair in found.values() if {"none", "batch"} <= set(pair)]


def shown(cells: Iterable[Cell]) -> list[Timing]:
    """Return the timings that a report on these cells shows: their own pairs, and each baseline's at SMALL_BATCHES."""
    cells = list(cells)
    baselines = [cell for cell in cells if labels(cell) == ("relu", "default")]
    return timings(dict.fromkeys([*cells, *(replace(c, batch_size=b) for c in baselines for b in SMALL_BATCHES)]))


def of_study(study: Study, times: bool) -> list[Timing]:
    """Return what a study times: its pairs if it times epochs; else, with `times`, what tables B.3 and B.4 and the
    claims on small batches read: its baselines by batch size. Networks that want a GPU skip SMALL_BATCHES."""
    if study.timing or not times:
        return timings(study.cells) if study.timing else []
    sized = [cell for cell in study.cells if (found := labels(cell))[1] == "default" and found[0] in BY_BATCH_SIZE]
    return [t for t in shown(sized) if t.none.batch_size not in SMALL_BATCHES or not facts_of(t.none.model).wants_gpu]


def _hash(*words: str) -> str:
    return hashlib.sha256(json.dumps(words, separators=(",", ":")).encode()).hexdigest()[:12]
