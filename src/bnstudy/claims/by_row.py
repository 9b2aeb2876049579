"""Evidence for the predicates of the course reports: accuracies and curves of their rows, by row id.

The places of such a claim are the groups of rows that it compares, such as ("L3.1", "L3.7", "L3.13"), which differ in
width alone. A claim is judged on the groups whose rows were all run.
"""

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any

import numpy as np

from bnstudy.claims.curves import Source
from bnstudy.claims.terms import NotGiven, Slot, betters_chance, chance, mean
from bnstudy.verdicts.accuracies import tenths

DATASET = "cifar10"
Group = tuple[str, ...]


class _Groups:
    """Groups of rows, and the values that a predicate read from them (`used`)."""

    def __init__(self, places: Collection[Group]):
        self.places = tuple(places)
        self.used: dict[Any, Any] = {}

    def lack(self, row: str) -> NotGiven:
        """Return the exception for a row that was not run: its group cannot be judged."""
        group: Any = next((group for group in self.places if row in group), None)
        return NotGiven(group)


class Rows(_Groups):
    """Mean accuracies in percent, or redraws of them, by (row,); `broken`: True where the row's cell is broken."""

    def __init__(
        self,
        places: Collection[Group],
        accuracies: Mapping[tuple[str], Any],
        broken: Mapping[tuple[str], Any] | None = None,
    ):
        super().__init__(places)
        self._accuracies, self._broken = accuracies, broken or {}

    def accuracy(self, row: str) -> Any:
        """Return the mean accuracy of a row, percent, rounded to 0.1."""
        if (row,) not in self._accuracies:
            raise self.lack(row)
        self.used[(row,)] = None
        return tenths(self._accuracies[(row,)])

    def column(self, index: int) -> Any:
        """Return the mean accuracy, over groups, of the row with this index."""
        return mean([self.accuracy(group[index]) for group in self.places])

    def is_chance(self, row: str) -> Any:
        """Return True (or an array, by redraw) if a row's cell makes a constant guess."""
        return chance(self.accuracy(row), DATASET) | self._broken.get((row,), False)


def _kept(measure: Callable[..., Any]) -> Callable[..., float]:
    """Record every number that a predicate reads, to show it as evidence."""

    @wraps(measure)
    def kept(self: "RowCurves", row: str, *more: Any) -> float:
        value = float(measure(self, row, *more))
        self.used[(" ".join([measure.__name__, *map(str, more)]), row)] = value
        return value

    return kept


class RowCurves(_Groups):
    """The curves of one seed. `slots` is each row's slot in `source`; `periods` its steps between evaluations of the
    test images. A loss of NaN counts as infinite."""

    def __init__(
        self,
        places: Collection[Group],
        source: Source,
        seed: int,
        slots: Mapping[str, Slot],
        periods: Mapping[str, int],
    ):
        super().__init__(places)
        self._source, self._seed, self._slots, self._periods = source, seed, slots, periods

    def curve(self, row: str, column: str) -> np.ndarray:
        """Return one value per evaluation, the first before training. Test accuracy is `validation_accuracy` here."""
        try:
            values = self._source.epochs(self._slots[row], self._seed)[column]
        except KeyError:
            raise self.lack(row) from None
        return np.where(np.isnan(values), np.inf, values) if column.endswith("loss") else values

    def check_learning(self, row: str) -> None:
        """Raise NotGiven if the run ends as a constant guess: such a run cannot show overfitting."""
        if not betters_chance(self.curve(row, "validation_accuracy")[-1], DATASET):
            raise self.lack(row)

    @_kept
    def accuracy_dips(self, row: str) -> float:
        """Return the mean fall of test accuracy from one evaluation to the next, points; a rise counts as 0."""
        return float(np.maximum(0, -np.diff(self.curve(row, "validation_accuracy")[1:])).mean())

    @_kept
    def loss_jumps(self, row: str) -> float:
        """Return the mean rise of test loss from one evaluation to the next, nats; a fall counts as 0."""
        loss = self.curve(row, "validation_loss")[1:]
        return float(np.maximum(0, np.diff(loss)).mean()) if np.isfinite(loss).all() else np.inf

    @_kept
    def loss_fall(self, row: str) -> float:
        """Return the training loss before training minus that of the last interval, nats."""
        loss = self.curve(row, "data_loss")
        return loss[0] - loss[-1]

    @_kept
    def lead_in_training(self, row: str, part: str) -> float:
        """Return training minus test accuracy, points, over the second to fourth (`part` is `first`) or the last three
        intervals between evaluations. Training accuracy is a mean over an interval, so test accuracy is averaged
        over both its ends."""
        test = self.curve(row, "validation_accuracy")
        lead = self.curve(row, "train_accuracy")[1:] - (test[1:] + test[:-1]) / 2
        return float((lead[1:4] if part == "first" else lead[-3:]).mean())

    @_kept
    def first_without_loss(self, row: str) -> float:
        """Return the share of the steps after which the training loss is first not finite; infinity if it never is."""
        lost = np.flatnonzero(~np.isfinite(self.curve(row, "data_loss")[1:]))
        return float(lost[0] + 1) / (len(self.curve(row, "data_loss")) - 1) if lost.size else np.inf

    @_kept
    def last_in_training(self, row: str) -> float:
        return self.curve(row, "train_accuracy")[-1]

    @_kept
    def last_in_test(self, row: str) -> float:
        return self.curve(row, "validation_accuracy")[-1]

    @_kept
    def best_in_test(self, row: str) -> float:
        return self.curve(row, "validation_accuracy").max()

    @_kept
    def last(self, row: str, column: str) -> float:
        """Return the last value of a column: nats or percent."""
        return self.curve(row, column)[-1]

    @_kept
    def lowest(self, row: str, column: str) -> float:
        """Return the lowest value of a column after training began."""
        return self.curve(row, column)[1:].min()

    @_kept
    def best(self, row: str, column: str) -> float:
        """Return the highest value of a column after training began."""
        return self.curve(row, column)[1:].max()

    @_kept
    def gain_in_test(self, row: str, step: int) -> float:
        """Return final test accuracy minus that at this step, points, each a mean of three evaluations."""
        return self._gain(row, "validation_accuracy", step)

    @_kept
    def gain_in_training(self, row: str, step: int) -> float:
        return self._gain(row, "train_accuracy", step)

    @_kept
    def late_fall(self, row: str, column: str) -> float:
        """Return the mean loss of the third quarter of training minus that of the last quarter, nats."""
        loss = self.curve(row, column)[1:]
        quarter = max(1, len(loss) // 4)
        return loss[-2 * quarter : -quarter].mean() - loss[-quarter:].mean()

    def _gain(self, row: str, column: str, step: int) -> float:
        values = self.curve(row, column)
        at = min(step // self._periods[row], len(values) - 1)
        return float(values[-3:].mean() - values[max(0, at - 2) : at + 1].mean())
