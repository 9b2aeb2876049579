"""Build the evidence from frames: means with standard errors, redraws of them, histories by seed."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from bnstudy import printed
from bnstudy.claims.catalogue import ACCURACY, TIMING
from bnstudy.claims.evidence import Evidence, Timed
from bnstudy.claims.history import History
from bnstudy.claims.terms import Place, Slot
from bnstudy.design.fields import FIELDS
from bnstudy.design.labels import axes
from bnstudy.design.words import plain
from bnstudy.results.frames import Frames, by_epoch, of_largest_protocol
from bnstudy.results.publication.kept import kept_epochs
from bnstudy.results.record import EPOCH_COLUMNS
from bnstudy.results.timings.machines import Machine, machine_of, machines
from bnstudy.verdicts.accuracies import SLOT, SPLIT, cell_means, each, pooled_by, spreads

REDRAWS = 10_000
STREAM = 2016
"""Seed of all redraws. Each cell has its own stream, so a verdict does not depend on which others are computed."""

TIMED_EPOCHS = 5
"""Minimum number of epochs of a timing."""

EXTRAS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "exponential": ({"schedule": "exponential"}, ("lr", "decay_rate")),
    "power": ({"schedule": "power"}, ("lr", "decay_rate")),
    "adam": ({"optimizer": "adam"}, ("lr", "momentum")),
    "rmsprop": ({"optimizer": "rmsprop"}, ("lr", "momentum")),
    "lr_high_weight_decay": ({"lr": 0.1, "penalty": "l2", "penalty_strength": 5e-4}, ()),
    "lr_high_clip": ({"lr": 0.1}, ("grad_clip",)),
}
"""Cells outside the tables: name -> (axis fields that must have these values, axis fields that may have any)."""


@dataclass(frozen=True)
class Mean:
    """A measured mean of n runs. `error` is its standard error; NaN if unknown.

    broken   True if the cell is broken: more than half its seeds are
    freedom  degrees of freedom of the error; infinite if it is known exactly
    seeds    (accuracy, broken) of each seed, if the seeds disagree about being broken; else empty
    """

    value: float
    error: float
    n: int
    broken: bool = False
    freedom: float = np.inf
    seeds: tuple[tuple[float, bool], ...] = ()

    @property
    def known(self) -> bool:
        return bool(np.isfinite(self.error))


def redraws(at: Any, of: Mean) -> tuple[np.ndarray, Any]:
    """Return REDRAWS of a mean, and in which of them the cell is broken (an array, or one value for all).

    Drawn from Student's t with the error's degrees of freedom, around the mean and scaled by the error; all equal to
    the mean if the error is 0 or unknown. If some seeds are broken and others not, that distribution does not fit: the
    seeds are resampled with replacement.
    """
    stream = np.random.default_rng([STREAM, crc32(repr(at).encode())])
    if of.seeds and of.known:
        values, broken = np.array(of.seeds)[stream.integers(0, of.n, (REDRAWS, of.n))].transpose(2, 0, 1)
        return values.mean(axis=1), 2 * broken.sum(axis=1) > of.n
    drawn = stream.standard_t(of.freedom, REDRAWS) if np.isfinite(of.freedom) else stream.standard_normal(REDRAWS)
    return of.value + (of.error if of.known else 0.0) * drawn, of.broken


def extra(row: Mapping[str, Any]) -> str | None:
    """Return the name in EXTRAS of a run outside the tables, from its fields; None if it has none."""
    varied = {f: row[f] for f in axes() if not pd.isna(row[f]) and plain(row[f]) != plain(FIELDS[f].default)}
    for name, (required, free) in EXTRAS.items():
        if {f: v for f, v in varied.items() if f not in free or f in required} == required:
            return name
    return None


def accuracies(runs: pd.DataFrame, column: str = "test_accuracy") -> dict[Slot, Mean]:
    """Return the mean accuracy of each cell with the error of that mean.

    The deviation of one run is pooled over the cells of the same model and data set (and column `pool`, if `runs` has
    it) in which no seed is broken. Outlying cells and cells with a broken seed keep their own; it is 0 if all seeds
    answer alike, and unknown for one seed. If no pooled cell has two seeds, the pooled deviation is unknown.
    The error includes what another split of the training images would add (SPLIT), except to cells with a broken seed
    and for the course reports (column `pool`), which have no validation images.
    Of several cells with one name in EXTRAS, the one with the best mean counts.
    """
    pool = pooled_by(runs)
    labels = list(dict.fromkeys([*SLOT, "reading", "key", "outcome", "broken", *pool]))
    runs = runs[labels].assign(test_accuracy=runs[column])
    cells = cell_means(runs).sort_values("mean", kind="stable")
    found: dict[Slot, Mean] = {}
    for _, group in cells.groupby(pool, sort=False):
        spread, s, freedom = spreads(group[group["broken_seeds"] == 0])
        for row in each(group.join(spread).fillna({"s": s, "freedom": freedom})):
            deviation = row.std if row.broken_seeds else row.s
            slot = (str(row.model), str(row.setting), str(row.dataset), str(row.norm))
            seeds = _seeds(runs, row.key) if 0 < row.broken_seeds < row.n else ()
            own = row.n - 1 if row.broken_seeds else row.freedom
            split = 0.0 if row.broken_seeds or "pool" in runs else SPLIT
            error = deviation * np.sqrt(1 / row.n + split)
            found[slot] = Mean(row.mean, error, int(row.n), bool(row.broken), own or np.inf, seeds)
    return found


def _seeds(runs: pd.DataFrame, key: str) -> tuple[tuple[float, bool], ...]:
    """Return (accuracy, broken) of each seed of a cell."""
    own = runs[runs["key"] == key]
    return tuple(zip(own["test_accuracy"].astype(float), own["broken"].astype(bool), strict=True))


def timings(frame: pd.DataFrame | None) -> tuple[dict[Timed, Mean], dict[str, Machine]]:
    """Return seconds per epoch with validation (7.1.6), each model on one machine, and these machines (see `machines`).

    frame   `timing.TIMING_COLUMNS`: model, dataset, norm, batch_size, engine, device, kind, median_seconds, iqr; may
            have `epochs`, the number of timed epochs, and `hardware`, `threads` and `torch`
    The standard error of a median of n normal values is 1.253 s / sqrt(n), and s is IQR / 1.349.
    """
    rows = [row for row in each(frame) if row.kind == "with_validation"] if frame is not None else []
    judged = {model: machines(r for r in rows if r.model == model)[0] for model in {row.model for row in rows}}
    return {
        (row.model, int(row.batch_size), row.dataset, row.norm): Mean(
            row.median_seconds, 1.253 / 1.349 * row.iqr / np.sqrt(epochs), int(epochs)
        )
        for row in rows
        if machine_of(row) == judged[row.model]
        for epochs in [getattr(row, "epochs", TIMED_EPOCHS)]
    }, judged


class Measured:
    """The frames of a study as claims read them: the cells of one `reading`, and the timings."""

    def __init__(self, frames: Frames, timing: pd.DataFrame | None = None, reading: str = "default"):
        self.runs = self._chosen(frames.runs[frames.runs["reading"] == reading])
        self.timings, self.machines = timings(timing)
        self.missing = set(self._missing(frames.missing[frames.missing["reading"] == reading]))
        self._frames = frames
        self._draws: dict[str, tuple[dict[Any, np.ndarray], dict[Any, Any]]] = {}

    def _chosen(self, runs: pd.DataFrame) -> pd.DataFrame:
        """Return the runs with a place in the tables or in EXTRAS, those of the largest protocol by place."""
        adhoc = runs["setting"] == "adhoc"
        named = [extra(row._asdict()) or "adhoc" for row in each(runs[adhoc])]
        runs = runs.assign(setting=runs["setting"].mask(adhoc, pd.Series(named, index=runs.index[adhoc], dtype="str")))
        runs = runs[runs["setting"] != "adhoc"]
        places = [of_largest_protocol(part) for _, part in runs.groupby(["model", "dataset"], sort=False)]
        return pd.concat(places) if places else runs

    def _missing(self, rows: pd.DataFrame) -> Iterator[Slot]:
        """Yield the slots in which a seed is missing, unless another cell of the slot is judged. A cell outside the
        tables is identified by its other seeds."""
        cells = {row.key: (row.model, row.setting, row.dataset, row.norm) for row in each(self.runs)}
        judged = set(cells.values())
        for row in each(rows):
            slot = (row.model, row.setting, row.dataset, row.norm)
            if row.key in cells or slot not in judged:
                yield cells.get(row.key, slot)

    @property
    def on_thesis_gpu(self) -> bool:
        """Return True if all timings were measured on the thesis's GPU (A.2)."""
        return all(printed.GPU in machine[2] for machine in self.machines.values())

    @cached_property
    def test(self) -> dict[Slot, Mean]:
        return accuracies(self.runs)

    @cached_property
    def validation(self) -> dict[Slot, Mean]:
        """Mean over seeds of each run's best validation accuracy."""
        epochs = self._frames.epochs
        best = epochs[epochs["epoch"] > 0].groupby(["key", "seed"])["validation_accuracy"].max()
        return accuracies(self.runs.join(best.rename("best"), on=["key", "seed"]), "best")

    def means(self, kind: str) -> Mapping[Any, Mean]:
        """Return every mean of this kind: accuracy, validation accuracy or timing."""
        return self.timings if kind == TIMING else self.test if kind == ACCURACY else self.validation

    def draws(self, kind: str) -> tuple[dict[Any, np.ndarray], dict[Any, Any]]:
        """Return redraws of every mean of this kind, and in which of them its cell is broken."""
        if kind not in self._draws:
            drawn = {at: redraws((kind, at), mean) for at, mean in self.means(kind).items()}
            self._draws[kind] = ({at: d[0] for at, d in drawn.items()}, {at: d[1] for at, d in drawn.items()})
        return self._draws[kind]

    @cached_property
    def histories(self) -> "Histories":
        return Histories(self.runs, self._frames.epochs, self._frames.layers, self._frames.early)

    def evidence(self, kind: str, places: Collection[Place]) -> Any:
        """Return the evidence for a predicate of this kind: redraws of every mean."""
        if kind == TIMING:
            return Evidence(places, seconds=self.draws(TIMING)[0], machines=self.machines)
        accuracies, broken = self.draws(kind)
        return Evidence(places, accuracies, broken=broken)

    def history(self, places: Collection[Place], seed: int) -> Any:
        """Return the evidence of one seed for a predicate of curves."""
        return History(places, self.histories, seed, {at: mean.value for at, mean in self.timings.items()})

    @cached_property
    def _keys(self) -> dict[Slot, str]:
        """The key of each slot's cell; of several with one name in EXTRAS, of the most accurate, as in `accuracies`."""
        cells = cell_means(self.runs).sort_values("mean", kind="stable")
        return {(row.model, row.setting, row.dataset, row.norm): row.key for row in each(cells)}

    def cells(self, read: Iterable[Any]) -> dict[Any, str]:
        """Return the key of the cell that each of these numbers is of; without those that are of no single cell."""
        return {at: self._keys[at[-4:]] for at in read if at[-4:] in self._keys}

    def lacks(self, asked: Iterable[Any]) -> bool:
        """Return True if any cell that was read lacks a seed."""
        return bool({at[-4:] for at in asked} & self.missing)


class Histories:
    """The curves and layer statistics of single runs, by cell and seed (a `curves.Source`)."""

    def __init__(self, runs: pd.DataFrame, epochs: pd.DataFrame, layers: pd.DataFrame, early: pd.DataFrame):
        self._runs = {
            ((row.model, row.setting, row.dataset, row.norm), row.seed): (row.key, row.first_batch_loss)
            for row in each(runs)
        }
        self.seeds = tuple(sorted(runs["seed"].unique().tolist()))
        self._epochs, self._epoch_rows = epochs, _rows(epochs)
        self._layers, self._layer_rows = layers, _rows(layers)
        self._early, self._early_rows = early, _rows(early)
        self._kept: dict[Any, dict[str, np.ndarray]] = {}

    def epochs(self, slot: Slot, seed: int) -> Mapping[str, np.ndarray]:
        key, first = self._runs[slot, seed]
        return self._keep(("epochs", key, seed), lambda: self._epoch_columns(key, seed, first))

    def layers(self, slot: Slot, seed: int) -> Mapping[str, np.ndarray]:
        key, _ = self._runs[slot, seed]
        return self._keep(("layers", key, seed), lambda: self._layer_columns(key, seed))

    def early(self, slot: Slot, seed: int) -> Mapping[str, np.ndarray]:
        key, _ = self._runs[slot, seed]
        rows = self._early.iloc[self._early_rows[key, seed]]
        return by_epoch(rows.rename(columns={"step": "epoch"}), ["weight_grad.mean_abs"])

    def _keep(self, at: Any, build: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        if at not in self._kept:
            self._kept[at] = build()
        return self._kept[at]

    def _epoch_columns(self, key: str, seed: int, first: float) -> dict[str, np.ndarray]:
        rows = self._epochs.iloc[self._epoch_rows[key, seed]]
        numbers = {c: rows[c].to_numpy(float) for c in EPOCH_COLUMNS if c != "weights_digest"}
        return numbers | {"first_batch_loss": np.array([first])}

    def _layer_columns(self, key: str, seed: int) -> dict[str, np.ndarray]:
        columns = ("weight_grad.mean_abs", "pre_activation.mean", "zero_share", "dead_share", "saturated_share")
        found = by_epoch(self._layers.iloc[self._layer_rows[key, seed]], columns)
        return {c: _every_epoch(found["epoch"], found[c]) for c in columns} | {"size": found["size"]}


def _every_epoch(epochs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return a layer column, (epochs, layers), at each epoch from 1, interpolated linearly between the epochs that are
    published. Own records are reduced to those epochs too, so that a verdict does not depend on a record's origin."""
    last = int(epochs[-1])
    kept = np.isin(epochs, kept_epochs(last))
    layers = values[kept].astype(float).T
    return np.column_stack([np.interp(np.arange(1, last + 1), epochs[kept], layer) for layer in layers])


def _rows(frame: pd.DataFrame) -> dict[tuple[str, int], np.ndarray]:
    """Return the row positions of each run, in the order of epochs and layers."""
    groups: dict[Any, Any] = frame.groupby(["key", "seed"], sort=False, observed=True).indices
    return {(str(key), int(seed)): at for (key, seed), at in groups.items()}
