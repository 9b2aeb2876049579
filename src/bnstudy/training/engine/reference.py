"""The reference engine: the plain PyTorch loop, one run at a time, on any device, for every cell.

It is the readable definition of how a cell is trained (thesis 6.2 in the default reading) and the
statistical oracle of the faster engines. Data are resident, batches are gathered by index.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import chain, count, islice
from typing import Any

import torch
from torch import Tensor, nn

from bnstudy.design.cell import Cell, Run
from bnstudy.errors import TryAgain
from bnstudy.networks import augmentations, inits, losses, models, optimizers, penalties, random_streams
from bnstudy.networks.models.block import set_step, without_dropout
from bnstudy.training.engine import numerics, population
from bnstudy.training.engine.contract import Keeper, Trained
from bnstudy.training.engine.decay_and_stop import Protocol
from bnstudy.training.engine.digests import weights_digest
from bnstudy.training.engine.history import History
from bnstudy.training.engine.inputs import Inputs
from bnstudy.training.engine.memory import PeakMemory
from bnstudy.training.engine.observation import (
    answers,
    dead_share,
    evaluate,
    graded,
    is_lost,
    measure_parameters,
    watch,
)
from bnstudy.training.engine.statistics import Early, Sampled, Watcher, sampled_steps

State = dict[str, Any]


class Reference:
    name = "reference"

    def supports(self, cell: Cell, device: str) -> bool:
        return True

    def train(
        self, runs: Sequence[Run], inputs: Callable[[Run], Inputs], keeper: Keeper, device: str
    ) -> Iterator[tuple[Run, Trained]]:
        for run in runs:
            training = self.start(run, inputs(run), device)
            if (state := keeper.restore(run)) is not None:
                training.restore(state)
            while not training.protocol.stopped:
                row = training.epoch(keeper)
                keeper.epoch_done(run, row, training.state)
            keeper.finished(run, training.weights)
            yield run, training.finish()

    def start(self, run: Run, data: Inputs, device: str) -> "Training":
        """A run before its first step."""
        return Training(run, data, device)


class Training:
    """One run in training. Between epochs its `state()` is all that is needed to resume with the same bits."""

    def __init__(self, run: Run, data: Inputs, device: str):
        self.cell, self.seed, self.device = run.cell, run.seed, device
        self.data = data
        numerics.settle(device, self.cell.precision)
        self.model = models.build(self.cell, data.shape)
        inits.initialize(self.model, self.cell, self.seed)
        self._place(data)
        self.memory = PeakMemory(device)
        self.model.to(device)
        self.model.to(memory_format=numerics.layout(self.model))  # type: ignore[call-overload]
        self.loss, self.summed = (losses.REGISTRY[self.cell.loss](each, self.cell) for each in ("mean", "sum"))
        if self.cell.trained_layers == "output":
            self.model.requires_grad_(False)
            self.model.blocks[-1].layer.requires_grad_(True)
        self.penalized = penalties.penalized(self.model, self.cell)
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = optimizers.REGISTRY[self.cell.optimizer](trained, self.cell)
        if device.startswith("cuda"):
            self.optimizer.register_step_pre_hook(optimizers.align_gradients)
        self.protocol = Protocol.of(self.cell)
        n = len(data.train_labels)
        self.batches = n // self.cell.batch_size if self.cell.last_batch == "drop" else -(-n // self.cell.batch_size)
        names = [block.name for block in self.model.blocks]
        self.history = History(names, [block.layer.weight.numel() for block in self.model.blocks])
        self.period = self.batches  # steps from one evaluation to the next
        self.best: State = {}
        self.first_batch_loss = float("nan")
        self.step = 0

    def _place(self, data: Inputs) -> None:
        self.train_images, self.train_labels = data.train_images.to(self.device), data.train_labels.to(self.device)
        self.validation = data.validation_images.to(self.device), data.validation_labels.to(self.device)

    # an epoch

    def epoch(self, keeper: Keeper) -> dict[str, Any]:
        """Train one epoch, or `eval_every` steps, validate, and return the epoch's row.

        Raises TryAgain on a request to stop.
        """
        if self.cell.steps is not None:
            self.period = min(self.cell.eval_every, self.cell.steps - self.step)
        if self.protocol.epoch == 0:
            self.history.add_epoch(self._untrained())
        began = time.perf_counter()
        means, statistics = self._pass(keeper)
        return self._close(means | {"seconds": time.perf_counter() - began}, statistics)

    def _close(self, means: dict[str, float], statistics: Sampled) -> dict[str, Any]:
        """Validate after a pass, update the protocol, and return the epoch's row."""
        row = {"epoch": self.protocol.epoch + 1, **means, "lr": self.protocol.lr}  # of the last step
        with optimizers.stored_parameters(self.optimizer):
            if self.cell.population == "exact":
                population.estimate(self.model, self._images, len(self.train_labels), self.device)
            accuracy, loss, _ = evaluate(self.model, *self.validation, self.summed)
            row |= {"validation_accuracy": accuracy, "validation_loss": loss}
            row["weights_digest"] = self._digest(self.model.state_dict())
            finite = math.isfinite(row["data_loss"] + row["penalty"])
            bad_step = None if finite else self.step - self.period + self.finite_steps + 1
            if self.protocol.after_epoch(self.cell, accuracy, finite, loss):
                self.best = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
            dead = dead_share(self.model, self.validation[0])
        columns = statistics.columns(dead)
        self.history.add_layers({name: values[0] for name, values in columns.items()})
        self.history.add_epoch(row, finite, bad_step)
        return row

    def _pass(self, keeper: Keeper) -> tuple[dict[str, float], Sampled]:
        """Train the period's steps; return means over its batches, and the layer statistics.

        A network whose weights are all NaN still trains to its last epoch (tables B.1 and B.2 have such rows), but its
        steps are all alike: only the measured ones are computed, the others need only the labels.
        """
        self.model.train()
        lost = self._is_lost()
        statistics = Sampled(1, len(self.model.blocks), self.device, self.cell.activation == "sigmoid")
        sampled = sampled_steps(self.period)
        early = Early(1, len(self.model.blocks), self.period, self.device) if self.step == 0 else None
        totals = torch.zeros(4, dtype=torch.float64, device=self.device)
        for index, (images, labels) in enumerate(self._next_batches(self.period)):
            self.protocol.set_step(self.cell, self.step)
            self._set_lr()
            if keeper.stopping():
                raise TryAgain(
                    f"{self.cell.key}/{self.seed}: stopped in epoch {self.protocol.epoch + 1}",
                    "Run this again to go on.",
                )
            lost = lost or (index in sampled and self._is_lost())  # seldom, because a GPU has to be waited for
            watched = [early] if early and index in early.steps else []
            if lost and index not in sampled:
                totals[2] += (labels == 0).sum() / len(labels)  # what argmax makes of NaN
                for each in watched:
                    each.keep_lost(index, self._loss(images, labels)[1].detach())
            else:
                set_step(self.model, self.seed, self.step)
                watchers = [statistics, *watched] if index in sampled else watched
                found = self._update(self._augmented(images), labels, watchers)
                add_step(totals, found)
                for each in watched:
                    each.keep(index, found[:1])
            if self.step == 0:
                self.first_batch_loss = float(totals[0])
            self.step += 1
        if early:
            self.history.add_early(early.columns())
        return self._means(totals), statistics

    def _is_lost(self) -> bool:
        return is_lost(self.model)

    def _means(self, totals: Tensor) -> dict[str, float]:
        """Return means over the period's batches; keep the number of steps before the first loss that is not finite."""
        self.finite_steps = int(totals[3])
        data_loss, penalty, share = (totals[:3] / self.period).tolist()
        return {"data_loss": data_loss, "penalty": penalty, "train_accuracy": 100 * share}

    def _update(self, images: Tensor, labels: Tensor, watchers: Sequence[Watcher] = ()) -> Tensor:
        """Do one training step, measured by these watchers; return data loss, penalty, share of right answers."""
        hooks = watch(self.model, watchers) if watchers else []
        logits, loss, penalty = self._loss(images, labels)
        self.optimizer.zero_grad(set_to_none=True)
        (loss + penalty).backward()
        if watchers:
            measure_parameters(self.model, watchers)
        for hook in hooks:
            hook.remove()
        if self.cell.grad_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.cell.grad_clip)  # equation 7.1
        self.optimizer.step()
        correct = (logits.argmax(1) == labels).sum() / len(labels)
        return torch.stack([loss.detach().double(), penalty.detach().double(), correct.double()])

    def _next_batches(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield `number` batches from the next step on, in one pass over the training part after another."""
        done, first = divmod(self.step, self.batches)
        passes = (self._batches(epoch, first if epoch == done + 1 else 0) for epoch in count(done + 1))
        return islice(chain.from_iterable(passes), number)

    def _batches(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of one pass over the training part, from number `first` (0 for all) on."""
        epoch = 1 if self.cell.shuffle == "once" else epoch
        order = random_streams.order(self.cell.dataset, self.seed, epoch, len(self.train_labels)).to(self.device)
        for index in range(first, self.batches):
            chosen = order[index * self.cell.batch_size : (index + 1) * self.cell.batch_size]
            yield self._images(chosen), self.train_labels[chosen]

    def _images(self, chosen: Tensor) -> Tensor:
        return self.train_images[chosen]

    def _augmented(self, images: Tensor) -> Tensor:
        """Return the augmented batch that training uses (2.12.4); measurements without an update see plain images."""
        data, cell = self.data, self.cell
        return augmentations.augmented(images, cell.augment, data.mean, data.std, self.seed, self.step)

    def _loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.cell.precision == "bf16"):
            logits = self.model(images)
            loss = self.loss(logits, labels)
        penalty = penalties.REGISTRY[self.cell.penalty](self.penalized, self.cell)
        return logits, loss, penalty

    def _set_lr(self) -> None:
        group = self.optimizer.param_groups[0]
        if group["lr"] != self.protocol.lr:
            optimizers.rescale_velocity(self.optimizer, group["lr"], self.protocol.lr)
            group["lr"] = self.protocol.lr

    # what is measured

    @torch.no_grad()
    def _untrained(self) -> dict[str, Any]:
        """Return the row of epoch 0: sampled batches of the first period in training mode, no dropout, no update."""
        before = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.model.train()
        without_dropout(self.model)
        sampled, rows = sampled_steps(self.period), []
        for index, (images, labels) in enumerate(self._next_batches(self.period)):
            if index in sampled:
                logits, loss, penalty = self._loss(images, labels)
                rows.append([float(loss), float(penalty), float((logits.argmax(1) == labels).float().mean())])
        self.model.load_state_dict(before)
        accuracy, validation_loss, _ = evaluate(self.model, *self.validation, self.summed)
        loss, penalty, share = (sum(column) / len(rows) for column in zip(*rows, strict=True))
        return {
            "epoch": 0, "data_loss": loss, "penalty": penalty, "train_accuracy": 100 * share,
            "validation_accuracy": accuracy, "validation_loss": validation_loss, "lr": self.protocol.lr,
            "seconds": 0.0, "weights_digest": self._digest(before),
        }  # fmt: skip

    def _digest(self, state: State) -> str | Future[str]:
        return weights_digest(state)

    # the end, and the state in between

    def weights(self) -> State:
        """Return the weights that the cell's reading tests, as the network's state_dict."""
        if self.cell.tested_weights == "best":
            return self.best
        with optimizers.stored_parameters(self.optimizer):
            return {k: v.detach().clone() for k, v in self.model.state_dict().items()}

    def finish(self) -> Trained:
        """Return the finished training, with the test accuracy of the last and of the best weights (B.1)."""
        needed = self.memory.bytes  # before the test images are on the device
        images, labels = self.data.test_images.to(self.device), self.data.test_labels.to(self.device)
        found = {}
        with optimizers.stored_parameters(self.optimizer):
            for which in ("last", "best"):
                if which == "best":
                    self.model.load_state_dict(self.best)
                predicted, loss, classes = answers(self.model, images, labels, self.summed)
                found[which] = predicted, loss
        return Trained(
            outcome=self.history.outcome,
            diverged_at=self.history.diverged_at,
            stopped=self.protocol.stopped,
            epochs_run=self.protocol.epoch,
            best_epoch=self.protocol.best_epoch,
            first_batch_loss=self.first_batch_loss,
            test=graded(self.cell, labels, classes, found),
            epochs=self.history.epochs(),
            layers=self.history.layers(),
            early=self.history.early,
            peak_memory=needed,
        )

    def state(self) -> State:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "protocol": self.protocol.state(),
            "history": self.history.state(),
            "first_batch_loss": self.first_batch_loss,
            "step": self.step,
            "peak_memory": self.memory.bytes,
        }

    def restore(self, state: State) -> None:
        self.model.load_state_dict(state["model"])
        self._restore_optimizer(state)
        self.best = {k: v.to(self.device) for k, v in state["best"].items()}
        self.protocol = Protocol(**state["protocol"])
        self.history.restore(state["history"])
        self.first_batch_loss, self.step = state["first_batch_loss"], state["step"]
        self.memory.put_back(state["peak_memory"])

    def _restore_optimizer(self, state: State) -> None:
        self.optimizer.load_state_dict(state["optimizer"])


def add_step(totals: Tensor, found: Tensor) -> None:
    """Add one step's data loss, penalty and share of right answers (3,) to an epoch's `totals` (4,), whose last entry
    counts the steps before the first loss that is not finite. Decides nothing on the host."""
    totals[:3] += found
    totals[3] += (totals[0] + totals[1]).isfinite()
