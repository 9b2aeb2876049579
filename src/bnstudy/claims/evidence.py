"""Evidence for the predicates of accuracies and epoch times: one value per cell, or an array of redraws of it.

Accuracies are rounded to 0.1 as in the printed tables, so ties are possible: `>=` includes them, `>` does not.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from bnstudy import printed
from bnstudy.claims.terms import NotGiven, Place, Slot, chance, mean, no, some
from bnstudy.design.labels import NORMS, THESIS_DATASETS
from bnstudy.verdicts.accuracies import tenths

Timed = tuple[str, int, str, str]
"""model, batch size, data set, norm: one timing."""


class Evidence:
    """Accuracies in percent and epoch times in seconds, by cell; `places` are the models and data sets to judge.

    broken     True for broken cells, whatever their accuracy
    overheads  printed mean overheads in percent by model and batch size; None: computed from the seconds
    machines   the engine and machine that a model's seconds were measured with
    exact      True to compare numbers quoted in a sentence exactly, as for printed values
    Every accessor raises NotGiven if a value is missing, and records in `used` what was read.
    """

    def __init__(
        self,
        places: Collection[Place],
        accuracies: Mapping[Slot, Any] | None = None,
        seconds: Mapping[Timed, Any] | None = None,
        broken: Mapping[Slot, Any] | None = None,
        overheads: Mapping[tuple[str, int], float] | None = None,
        machines: Mapping[str, Any] | None = None,
        exact: bool = False,
    ):
        self.places = tuple(places)
        self.exact = exact
        self.used: dict[Any, None] = {}
        self._accuracies, self._seconds = accuracies or {}, seconds or {}
        self._broken, self._overheads, self._machines = broken or {}, overheads, machines or {}

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(model for model, _ in self.places))

    @property
    def datasets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(dataset for _, dataset in self.places))

    def on(self, model: str) -> tuple[str, ...]:
        """Return the data sets to judge this model on. Raises NotGiven if there are none."""
        return some(dataset for m, dataset in self.places if m == model)

    def all_on(self, model: str) -> tuple[str, ...]:
        """Return the thesis's data sets, for means over them. Raises NotGiven unless this model is judged on all."""
        if len(found := self.on(model)) < len(THESIS_DATASETS):
            raise NotGiven
        return found

    def only(self, *names: str) -> tuple[str, ...]:
        """Return those of the named data sets that are judged. Raises NotGiven if there are none."""
        return some(dataset for dataset in self.datasets if dataset in names)

    def accuracy(self, model: str, setting: str, dataset: str, norm: str) -> Any:
        """Return the mean accuracy of a cell, percent, rounded to 0.1."""
        slot = (model, setting, dataset, norm)
        return tenths(self._get(self._accuracies, slot, (model, dataset)))

    def vanilla(self, model: str, setting: str, dataset: str) -> Any:
        return self.accuracy(model, setting, dataset, "none")

    def normed(self, model: str, setting: str, dataset: str) -> Any:
        return self.accuracy(model, setting, dataset, "batch")

    def gap(self, model: str, setting: str, dataset: str) -> Any:
        """Return batch norm minus vanilla, points, rounded to 0.1."""
        return np.round(self.normed(model, setting, dataset) - self.vanilla(model, setting, dataset), 1)

    def change(self, model: str, before: str, after: str, dataset: str, norm: str) -> Any:
        """Return accuracy in setting `after` minus that in `before`, points, rounded to 0.1."""
        return np.round(self.accuracy(model, after, dataset, norm) - self.accuracy(model, before, dataset, norm), 1)

    def is_chance(self, model: str, setting: str, dataset: str, norm: str) -> Any:
        """Return True if a cell makes a constant guess: it is broken, or within 1 point of the share of one class."""
        accuracy = self.accuracy(model, setting, dataset, norm)
        return chance(accuracy, dataset) | self._broken.get((model, setting, dataset, norm), False)

    def learns(self, model: str, setting: str, dataset: str, norm: str) -> Any:
        return no(self.is_chance(model, setting, dataset, norm))

    def seconds(self, model: str, batch_size: int, dataset: str, norm: str) -> Any:
        """Return seconds per epoch."""
        return self._get(self._seconds, (model, batch_size, dataset, norm), (model, dataset))

    def check_one_machine(self) -> None:
        """Raise NotGiven if the models were timed with different engines or on different machines."""
        if len(set(self._machines.values())) > 1:
            raise NotGiven

    def added_seconds(self, model: str, batch_size: int) -> Any:
        """Return the seconds that batch norm adds to an epoch, mean over the thesis's data sets."""
        both = [[self.seconds(model, batch_size, d, norm) for norm in NORMS] for d in self.all_on(model)]
        return mean(batch - none for none, batch in both)

    def mean_overhead(self, model: str, batch_size: int, datasets: Collection[str] = ()) -> Any:
        """Return the percent that batch norm adds to an epoch, mean over these data sets (by default the thesis's),
        rounded to 0.1 (7.1.6, 7.2.6)."""
        if self._overheads is not None:
            return self._get(self._overheads, (model, batch_size), None)
        datasets = datasets or self.all_on(model)
        both = [[self.seconds(model, batch_size, d, norm) for norm in NORMS] for d in datasets]
        return np.round(mean(100 * (batch / none - 1) for none, batch in both), 1)

    def quoted(self, value: Any, number: float, tolerance: float) -> Any:
        """Return True if `value` is the quoted `number`: exactly for printed values, within `tolerance` for our own."""
        return np.abs(np.round(value - number, 6)) <= (0 if self.exact else tolerance)

    def _get(self, values: Mapping[Any, Any], at: Any, place: Place | None) -> Any:
        if at not in values:
            raise NotGiven(place)
        self.used[at] = None
        return values[at]


def of_print(places: Collection[Place]) -> Evidence:
    """Return the evidence of tables B.1 to B.4 and of the printed mean overheads."""
    accuracies, times, overheads = printed.accuracy(), printed.seconds(), printed.mean_overhead()
    slots = zip(*(accuracies[name] for name in ("model", "setting", "dataset", "norm")), strict=True)
    timed = zip(*(times[name] for name in ("model", "batch_size", "dataset", "norm")), strict=True)
    sizes = zip(overheads["model"], overheads["batch_size"], strict=True)
    return Evidence(
        places,
        accuracies=dict(zip(slots, accuracies["printed"], strict=True)),
        seconds=dict(zip(timed, times["printed"], strict=True)),
        overheads=dict(zip(sizes, overheads["printed"], strict=True)),
        exact=True,
    )
