"""Evidence for the predicates of curves: accuracy and loss of the runs of one seed, by epoch.

Epochs count from 1. A loss that is NaN counts as infinite: the network has diverged.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from typing import Any, Protocol

import numpy as np

from bnstudy.claims.terms import NotGiven, Place, Slot, betters_chance, some
from bnstudy.verdicts.reached import reached


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


def recorded(measure: Callable[..., Any]) -> Callable[..., float]:
    """Record every number that a predicate reads, with its column, to show it as evidence."""

    @wraps(measure)
    def kept(self: "Curves", model: str, setting: str, dataset: str, norm: str, *more: Any) -> float:
        value = float(measure(self, model, setting, dataset, norm, *more))
        what = " ".join([measure.__name__, *(word for word in more if isinstance(word, str))])
        self.used[(what, model, setting, dataset, norm)] = value
        return value

    return kept


class Curves:
    """The trained runs of one seed at the `places` to judge, by epoch; accessors raise NotGiven if a run is missing."""

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
        return infinite(self._epochs(model, setting, dataset, norm, "data_loss"))

    def loss(self, model: str, setting: str, dataset: str, norm: str) -> np.ndarray:
        """Training loss as plotted, with the penalty, nats."""
        penalty = self._epochs(model, setting, dataset, norm, "penalty")
        return infinite(self.data_loss(model, setting, dataset, norm) + penalty)[1:]

    # single numbers, recorded as evidence

    @recorded
    def first_batch_loss(self, *slot: str) -> float:
        return self._epochs(*slot, "first_batch_loss")[0]

    @recorded
    def best_accuracy(self, *slot: str) -> float:
        return self.accuracies(*slot).max()

    @recorded
    def last_accuracy(self, *slot: str) -> float:
        return self.accuracies(*slot)[-1]

    @recorded
    def first_accuracy(self, *slot: str) -> float:
        return self.accuracies(*slot)[0]

    @recorded
    def early_accuracy(self, model: str, setting: str, dataset: str, norm: str, epochs: int) -> float:
        """Return the best validation accuracy of the first `epochs` epochs, percent."""
        return self.accuracies(model, setting, dataset, norm)[:epochs].max()

    @recorded
    def last_train_accuracy(self, *slot: str) -> float:
        return self._epochs(*slot, "train_accuracy")[-1]

    @recorded
    def last_loss(self, *slot: str) -> float:
        return self.loss(*slot)[-1]

    @recorded
    def last_data_loss(self, *slot: str) -> float:
        return self.data_loss(*slot)[-1]

    @recorded
    def epochs_to(self, model: str, setting: str, dataset: str, norm: str, level: float) -> float:
        """Return the epochs until this validation accuracy is reached, interpolated linearly. Untrained networks count
        as 0 %, so that none has a head start. Infinity if the level is never reached, or if the run never beats a
        constant guess."""
        accuracies = self.accuracies(model, setting, dataset, norm)
        if not betters_chance(accuracies.max(), dataset):
            return np.inf
        return reached(np.append(0.0, accuracies), level)

    @recorded
    def epochs_to_loss(self, model: str, setting: str, dataset: str, norm: str, level: float) -> float:
        """Return the epochs until the training loss falls to `level`, interpolated linearly; infinity if never."""
        return reached(-np.append(np.inf, self.loss(model, setting, dataset, norm)), -level)

    @recorded
    def drop_at_cuts(self, *slot: str) -> float:
        """Return the relative fall of the loss in the epoch after a cut of the rate minus that in the epoch before it,
        mean over cuts; 0 if the rate was never cut."""
        loss, rate = self.loss(*slot), self._epochs(*slot, "lr")[1:]
        fall = np.append(0.0, 1 - loss[1:] / np.maximum(loss[:-1], 1e-12)) if np.isfinite(loss).all() else loss * 0
        cuts = [t for t in range(2, len(rate)) if rate[t] < rate[t - 1]]
        return float(np.mean([fall[t] - fall[t - 1] for t in cuts])) if cuts else 0.0

    @recorded
    def early_loss_fall(self, *slot: str) -> float:
        """Return the fall of the loss over the first two epochs, nats."""
        loss = self.data_loss(*slot)
        return loss[0] - loss[min(2, len(loss) - 1)]

    @recorded
    def epochs_to_flat(self, *slot: str) -> float:
        """Return the epochs until 95 % of the whole fall of the loss, interpolated linearly."""
        loss = self.data_loss(*slot)
        return reached(-loss, 0.95 * (loss[0] - loss.min()) - loss[0])

    @recorded
    def loss_jumps(self, *slot: str) -> float:
        """Return the standard deviation of the change of loss from epoch to epoch, nats."""
        return spread(np.diff(self.loss(*slot)))

    @recorded
    def accuracy_jumps(self, *slot: str) -> float:
        """Return the standard deviation of the change of validation accuracy from epoch to epoch, points."""
        return spread(np.diff(self.accuracies(*slot)))

    def seconds(self, model: str, batch_size: int, dataset: str, norm: str) -> float:
        """Return seconds per epoch in the timing study. Raises NotGiven if they were not measured."""
        if (at := (model, batch_size, dataset, norm)) not in self._seconds:
            raise NotGiven((model, dataset))
        self.used[("seconds", *at)] = self._seconds[at]
        return self._seconds[at]

    def _epochs(self, *at: str) -> np.ndarray:
        """Return the epoch column at (model, setting, dataset, norm, column)."""
        model, setting, dataset, norm, column = at
        try:
            return self._source.epochs((model, setting, dataset, norm), self._seed)[column]
        except KeyError:
            raise NotGiven((model, dataset)) from None


def infinite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), np.inf, values)


def spread(values: np.ndarray) -> float:
    if not values.size:
        return 0.0
    return float(np.std(values)) if np.isfinite(values).all() else np.inf
