"""Evidence for the predicates of curves and layer statistics: the histories of one seed.

Epochs count from 1. A loss or gradient that is NaN counts as infinite: the network has diverged.
Gradients are mean absolute values per step over all weight entries (layers weighted by size; no biases, gamma,
beta), averaged over the sampled steps of an epoch.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from typing import Any, Protocol

import numpy as np

from bnstudy.claims.terms import NotGiven, Place, Slot, betters_chance, rank_correlation, some
from bnstudy.results.publication.kept import EVERY_EPOCH_TO
from bnstudy.verdicts.mean_gradient import mean_gradient
from bnstudy.verdicts.reached import reached

FIRST = LAST = 3
"""Number of epochs that count as the first, and as the last, of a training."""

EARLY = 10
"""Number of epochs in which a peak counts as early: in the thesis the loss jumps near epoch 5 (7.1.2)."""


class Source(Protocol):
    """A source of histories. All methods raise KeyError if the run is missing."""

    def epochs(self, slot: Slot, seed: int) -> Mapping[str, np.ndarray]:
        """The epoch columns of a record, from epoch 0; also first_batch_loss (one value)."""
        ...

    def layers(self, slot: Slot, seed: int) -> Mapping[str, np.ndarray]:
        """The layer columns of a record, each (epochs, layers), and size (layers,)."""
        ...

    def early(self, slot: Slot, seed: int) -> Mapping[str, np.ndarray]:
        """The gradient of single steps of the first epoch, weight_grad.mean_abs (steps, layers), and size (layers,).
        Raises KeyError also if the record has none."""
        ...


def _measured(measure: Callable[..., Any]) -> Callable[..., float]:
    """Record every number that a predicate reads, with its column, to show it as evidence."""

    @wraps(measure)
    def kept(self: "History", model: str, setting: str, dataset: str, norm: str, *more: Any) -> float:
        value = float(measure(self, model, setting, dataset, norm, *more))
        what = " ".join([measure.__name__, *(word for word in more if isinstance(word, str))])
        self.used[(what, model, setting, dataset, norm)] = value
        return value

    return kept


class History:
    """The trained runs of one seed at the `places` to judge; accessors raise NotGiven if a run is missing."""

    def __init__(
        self, places: Collection[Place], source: Source, seed: int, seconds: Mapping[Any, float] | None = None
    ):
        self.places = tuple(places)
        self.used: dict[Any, float] = {}
        self._source, self._seed, self._seconds = source, seed, seconds or {}

    @property
    def datasets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(dataset for _, dataset in self.places))

    def only(self, *names: str) -> tuple[str, ...]:
        """Return those of the named data sets that are judged. Raises NotGiven if there are none."""
        return some(dataset for dataset in self.datasets if dataset in names)

    def check_learning(self, slots: Iterable[Slot]) -> None:
        """Raise NotGiven if a run ends as a constant guess: its gradients are not those of a network that learns."""
        for model, setting, dataset, norm in slots:
            if not betters_chance(self.accuracies(model, setting, dataset, norm)[-1], dataset):
                raise NotGiven((model, dataset))

    # whole curves, one value per epoch from 1

    def accuracies(self, model: str, setting: str, dataset: str, norm: str) -> np.ndarray:
        """Validation accuracy, percent."""
        return self._epochs(model, setting, dataset, norm, "validation_accuracy")[1:]

    def data_loss(self, model: str, setting: str, dataset: str, norm: str) -> np.ndarray:
        """Training loss without the penalty, nats, from epoch 0 (before training)."""
        return _infinite(self._epochs(model, setting, dataset, norm, "data_loss"))

    def loss(self, model: str, setting: str, dataset: str, norm: str) -> np.ndarray:
        """Training loss as plotted, with the penalty, nats."""
        penalty = self._epochs(model, setting, dataset, norm, "penalty")
        return _infinite(self.data_loss(model, setting, dataset, norm) + penalty)[1:]

    def gradient(self, model: str, setting: str, dataset: str, norm: str) -> np.ndarray:
        """Mean absolute weight gradient."""
        layers = self._layers(model, setting, dataset, norm)
        return _infinite(mean_gradient(layers["weight_grad.mean_abs"], layers["size"]))

    def hidden(self, *at: str) -> np.ndarray:
        """Return a layer column (model, setting, dataset, norm, column) without the output layer: (epochs, layers).

        Raises NotGiven also if it was not measured."""
        model, setting, dataset, norm, column = at
        values = self._layers(model, setting, dataset, norm)[column][:, :-1].astype(float)
        if np.isnan(values).all():
            raise NotGiven((model, dataset))
        return values

    # single numbers, recorded as evidence

    @_measured
    def first_batch_loss(self, *slot: str) -> float:
        return self._epochs(*slot, "first_batch_loss")[0]

    @_measured
    def best_accuracy(self, *slot: str) -> float:
        return self.accuracies(*slot).max()

    @_measured
    def last_accuracy(self, *slot: str) -> float:
        return self.accuracies(*slot)[-1]

    @_measured
    def first_accuracy(self, *slot: str) -> float:
        return self.accuracies(*slot)[0]

    @_measured
    def early_accuracy(self, model: str, setting: str, dataset: str, norm: str, epochs: int) -> float:
        """Return the best validation accuracy of the first `epochs` epochs, percent."""
        return self.accuracies(model, setting, dataset, norm)[:epochs].max()

    @_measured
    def last_train_accuracy(self, *slot: str) -> float:
        return self._epochs(*slot, "train_accuracy")[-1]

    @_measured
    def last_loss(self, *slot: str) -> float:
        return self.loss(*slot)[-1]

    @_measured
    def last_data_loss(self, *slot: str) -> float:
        return self.data_loss(*slot)[-1]

    @_measured
    def epochs_to(self, model: str, setting: str, dataset: str, norm: str, level: float) -> float:
        """Return the epochs until this validation accuracy is reached, interpolated linearly. Untrained networks count
        as 0 %, so that none has a head start. Infinity if the level is never reached, or if the run never beats a
        constant guess."""
        accuracies = self.accuracies(model, setting, dataset, norm)
        if not betters_chance(accuracies.max(), dataset):
            return np.inf
        return reached(np.append(0.0, accuracies), level)

    @_measured
    def epochs_to_loss(self, model: str, setting: str, dataset: str, norm: str, level: float) -> float:
        """Return the epochs until the training loss falls to `level`, interpolated linearly; infinity if never."""
        return reached(-np.append(np.inf, self.loss(model, setting, dataset, norm)), -level)

    @_measured
    def drop_at_cuts(self, *slot: str) -> float:
        """Return the relative fall of the loss in the epoch after a cut of the rate minus that in the epoch before it,
        mean over cuts; 0 if the rate was never cut."""
        loss, rate = self.loss(*slot), self._epochs(*slot, "lr")[1:]
        fall = np.append(0.0, 1 - loss[1:] / np.maximum(loss[:-1], 1e-12)) if np.isfinite(loss).all() else loss * 0
        cuts = [t for t in range(2, len(rate)) if rate[t] < rate[t - 1]]
        return float(np.mean([fall[t] - fall[t - 1] for t in cuts])) if cuts else 0.0

    @_measured
    def early_loss_fall(self, *slot: str) -> float:
        """Return the fall of the loss over the first two epochs, nats."""
        loss = self.data_loss(*slot)
        return loss[0] - loss[min(2, len(loss) - 1)]

    @_measured
    def epochs_to_flat(self, *slot: str) -> float:
        """Return the epochs until 95 % of the whole fall of the loss, interpolated linearly."""
        loss = self.data_loss(*slot)
        return reached(-loss, 0.95 * (loss[0] - loss.min()) - loss[0])

    @_measured
    def loss_jumps(self, *slot: str) -> float:
        """Return the standard deviation of the change of loss from epoch to epoch, nats."""
        return _spread(np.diff(self.loss(*slot)))

    @_measured
    def accuracy_jumps(self, *slot: str) -> float:
        """Return the standard deviation of the change of validation accuracy from epoch to epoch, points."""
        return _spread(np.diff(self.accuracies(*slot)))

    @_measured
    def early_gradient(self, *slot: str) -> float:
        return self.gradient(*slot)[:FIRST].mean()

    @_measured
    def peak_gradient(self, *slot: str) -> float:
        """Return the largest gradient of the first EARLY epochs."""
        return self.gradient(*slot)[:EARLY].max()

    @_measured
    def peak_step_gradient(self, *slot: str) -> float:
        """Return the largest gradient of the recorded steps of the first epoch and of the epochs to EARLY."""
        steps = self._source.early(slot, self._seed)  # type: ignore[arg-type]
        means = _infinite(mean_gradient(steps["weight_grad.mean_abs"], steps["size"]))
        return max(means.max(), self.gradient(*slot)[:EARLY].max())

    @_measured
    def first_gradient(self, *slot: str) -> float:
        """Return the mean absolute weight gradient of the hidden layers at the first step. Raises NotGiven also if the
        record has no early steps."""
        try:
            steps = self._source.early(slot, self._seed)  # type: ignore[arg-type]
        except KeyError:
            raise NotGiven((slot[0], slot[2])) from None
        return mean_gradient(_infinite(steps["weight_grad.mean_abs"][:1, :-1]), steps["size"][:-1])[0]

    def peak_gradients(self, *slots: Slot) -> list[float]:
        """Return the largest early gradient of each slot: over single steps if all of them have such, else over means
        of epochs, as in records of earlier versions."""
        peak = self.peak_step_gradient if all(map(self._has_steps, slots)) else self.peak_gradient
        return [peak(*slot) for slot in slots]

    def _has_steps(self, slot: Slot) -> bool:
        try:
            return bool(self._source.early(slot, self._seed))
        except KeyError:
            return False

    @_measured
    def late_gradient(self, *slot: str) -> float:
        return self.gradient(*slot)[-LAST:].mean()

    @_measured
    def mean_gradient(self, *slot: str) -> float:
        return self.gradient(*slot).mean()

    @_measured
    def gradient_fall(self, *slot: str) -> float:
        """Return the gradient of the first epochs divided by that of the last."""
        gradient = self.gradient(*slot)
        return gradient[:FIRST].mean() / max(gradient[-LAST:].mean(), 1e-30)

    @_measured
    def gradient_variation(self, model: str, setting: str, dataset: str, norm: str, after: int = 0) -> float:
        """Return standard deviation over mean of the gradient after epoch `after`; infinity if one is not finite."""
        gradient = self.gradient(model, setting, dataset, norm)[after:]
        finite = gradient.size and np.isfinite(gradient).all()
        return _spread(gradient) / max(gradient.mean(), 1e-30) if finite else np.inf

    @_measured
    def peak_epoch(self, *slot: str) -> float:
        """Return the epoch of the largest gradient."""
        return 1 + int(self.gradient(*slot).argmax())

    @_measured
    def gradient_follows_loss(self, *slot: str) -> float:
        """Return the correlation of the changes of loss and of gradient from epoch to epoch, over the initial epochs
        whose layers are all published; 0 if either is constant."""
        loss, gradient = (np.diff(curve(*slot)[:EVERY_EPOCH_TO]) for curve in (self.loss, self.gradient))
        if len(loss) < 2 or not _spread(loss) or not _spread(gradient) or not self._finite(*slot):
            return 0.0
        return float(np.corrcoef(loss, gradient)[0, 1])

    @_measured
    def early_layers_gradient(self, *slot: str) -> float:
        """Return the mean absolute gradient of the first half of the hidden layers, over all epochs."""
        values = _infinite(self._layers(*slot)["weight_grad.mean_abs"][:, :-1].astype(float))
        return float(values[:, : max(1, values.shape[1] // 2)].mean())

    @_measured
    def saturated(self, *slot: str) -> float:
        """Return the share of sigmoid outputs within 0.05 of 0 or 1, mean over hidden layers and epochs."""
        return float(np.nanmean(self.hidden(*slot, "saturated_share")))

    @_measured
    def dead(self, *slot: str) -> float:
        """Return the share of hidden units inactive on a whole fixed batch after the last epoch, mean over layers."""
        return float(np.nanmean(self.hidden(*slot, "dead_share")[-1]))

    @_measured
    def trend_with_depth(self, model: str, setting: str, dataset: str, norm: str, column: str) -> float:
        """Return Spearman's correlation of a layer column after the last epoch with depth; 0 if it is constant."""
        last = self.hidden(model, setting, dataset, norm, column)[-1]
        return float(rank_correlation(last))

    def seconds(self, model: str, batch_size: int, dataset: str, norm: str) -> float:
        """Return seconds per epoch in the timing study. Raises NotGiven if they were not measured."""
        if (at := (model, batch_size, dataset, norm)) not in self._seconds:
            raise NotGiven((model, dataset))
        self.used[("seconds", *at)] = self._seconds[at]
        return self._seconds[at]

    def _finite(self, *slot: str) -> bool:
        return bool(np.isfinite(self.loss(*slot)).all() and np.isfinite(self.gradient(*slot)).all())

    def _epochs(self, *at: str) -> np.ndarray:
        """Return the epoch column at (model, setting, dataset, norm, column)."""
        model, setting, dataset, norm, column = at
        try:
            return self._source.epochs((model, setting, dataset, norm), self._seed)[column]
        except KeyError:
            raise NotGiven((model, dataset)) from None

    def _layers(self, model: str, setting: str, dataset: str, norm: str) -> Mapping[str, np.ndarray]:
        try:
            return self._source.layers((model, setting, dataset, norm), self._seed)
        except KeyError:
            raise NotGiven((model, dataset)) from None


def _infinite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), np.inf, values)


def _spread(values: np.ndarray) -> float:
    if not values.size:
        return 0.0
    return float(np.std(values)) if np.isfinite(values).all() else np.inf
