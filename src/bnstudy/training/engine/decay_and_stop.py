"""When the learning rate falls and when training stops (thesis 6.2, 2.8.2): one small state per run.

Stdlib only; every engine drives the same state, so they cannot disagree on the protocol.
"""

import math
from dataclasses import dataclass, fields

from bnstudy.design.cell import Cell
from bnstudy.networks import schedules


@dataclass(slots=True)
class Protocol:
    """The state after `epoch` epochs. `lr` is the rate of the next epoch or step, `stopped` the reason if there is
    none.

    If training is counted in steps, each period of `eval_every` steps counts as an epoch.

    `best` is the best validation accuracy (percent) so far, of epoch `best_epoch`; epoch 0, before training,
    does not count.
    """

    lr: float
    epoch: int = 0
    best: float = -1.0
    best_epoch: int = 0
    previous: float = -1.0
    bad_epochs: int = 0  # since the best, for the stop rule
    waited: int = 0  # since the best or the last decay, for the decay rule
    best_loss: float = math.inf  # with decay_watch loss
    previous_loss: float = math.inf
    stopped: str = ""

    @classmethod
    def of(cls, cell: Cell) -> "Protocol":
        return cls(lr=schedules.REGISTRY[cell.schedule](cell, 1))

    def after_epoch(
        self, cell: Cell, accuracy: float, loss_is_finite: bool = True, validation_loss: float = math.nan
    ) -> bool:
        """Add the validation accuracy (percent) of one more epoch; return True if it is the best so far.

        `validation_loss` (nats) decides only with decay_watch loss, and on the decay alone; NaN is no improvement.

        By default a tie is not an improvement. Both counters restart on improvement, the decay counter also on decay
        (reading decay_counter). If no images are held out, accuracy must not choose anything: each epoch counts as the
        best, so that the best weights are the last.
        """
        self.epoch += 1
        improved = self._improved(cell, accuracy, self.best, self.previous)
        lowers = improved
        if cell.decay_watch == "loss":
            lowers = self._improved(cell, -validation_loss, -self.best_loss, -self.previous_loss)
            self.best_loss = min(validation_loss, self.best_loss) if validation_loss < math.inf else self.best_loss
            self.previous_loss = validation_loss
        is_best = accuracy > self.best or not cell.validation_fraction
        if is_best:
            self.best, self.best_epoch = accuracy, self.epoch
        self.previous = accuracy
        self.bad_epochs = 0 if improved else self.bad_epochs + 1
        self.waited = 0 if lowers else self.waited + 1
        self._set_lr(cell)
        if cell.on_nan == "stop" and not loss_is_finite:
            self.stopped = "nan"
        elif cell.stops_early and self.bad_epochs >= cell.stop_patience:
            self.stopped = "patience"
        elif self.epoch >= cell.periods:
            self.stopped = "epochs" if cell.steps is None else "steps"
        return is_best

    def _improved(self, cell: Cell, value: float, best: float, previous: float) -> bool:
        better = {"strict": value > best, "equal": value >= best, "previous": value > previous}
        return better[cell.improvement] or self.epoch == 1

    def _set_lr(self, cell: Cell) -> None:
        if cell.schedule_by == "step":
            return  # `set_step`
        if cell.schedule != "adaptive":
            self.lr = schedules.REGISTRY[cell.schedule](cell, self.epoch + 1)
            return
        wait = cell.decay_patience + (cell.decay_counter == "plateau")
        if self.waited >= wait:
            self.lr = max(self.lr * cell.decay_factor, min(cell.lr_min, self.lr))
            self.waited = 0

    def set_step(self, cell: Cell, step: int) -> None:
        """Set `lr` for this step (from 0, over the whole training) if the schedule counts steps (2.8.2)."""
        if cell.schedule_by == "step":
            self.lr = schedules.REGISTRY[cell.schedule](cell, step + 1)

    def state(self) -> dict[str, float | int | str]:
        return {f.name: getattr(self, f.name) for f in fields(self)}
