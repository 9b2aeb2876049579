"""One run of the packed engine: its rows, its protocol, its history.

Between epochs `state()` is all that is needed to resume with the same bits, alone or in any stack.
"""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from bnstudy.design.cell import Run
from bnstudy.networks import inits, models, optimizers, random_streams
from bnstudy.training.engine.contract import Trained
from bnstudy.training.engine.decay_and_stop import Protocol
from bnstudy.training.engine.history import History
from bnstudy.training.engine.inputs import Inputs
from bnstudy.training.engine.observation import graded
from bnstudy.training.engine.packed.evaluation import Evaluator
from bnstudy.training.engine.packed.layout import Layout

State = dict[str, Any]
BY_VELOCITY = ("nesterov", "momentum", "sgd")
BY_VALUE = (
    "adam", "rmsprop", "adagrad", "adadelta", "adamax", "rmsprop_plain", "adagrad_printed", "adadelta_printed",
    "adam_printed",
)  # fmt: skip
"""Update rules that move each value of a row by its own history."""
SGD: Callable[..., None] = torch._fused_sgd_  # type: ignore[attr-defined]  # as torch.optim.SGD(fused=True) calls it


class Member:
    """One run: `point` (its parameters, at Nesterov's look-ahead point), `velocity` and `running` are rows.

    `velocity` is torch's buffer b of equation 2.15's v = -lr b, in units of `lr`. A rule of BY_VALUE has none, but a
    torch optimizer, to which the row is one parameter.
    """

    def __init__(self, run: Run, data: Inputs):
        self.run, self.cell, self.seed = run, run.cell, run.seed
        model = models.build(self.cell, data.shape)
        inits.initialize(model, self.cell, self.seed)
        state = {name: tensor.detach().to(data.train_images.dtype) for name, tensor in model.state_dict().items()}
        self.counters = [name for name in state if name.endswith("num_batches_tracked")]
        self.layout = Layout(state)
        self.point, self.running = self.layout.rows(state)
        self.velocity = torch.zeros_like(self.point)
        self.parameter = torch.nn.Parameter(self.point, requires_grad=False)
        self.optimizer = optimizers.REGISTRY[self.cell.optimizer]([self.parameter], self.cell)  # for rules of BY_VALUE
        sizes = [torch.Size(shape).numel() for shape in self.layout.shapes]
        self.history = History([block.name for block in model.blocks], sizes)
        self.protocol = Protocol.of(self.cell)
        self.lr, self.step, self.first_batch_loss = self.protocol.lr, 0, math.nan
        self.best = self.stored()

    @property
    def penalized(self) -> int:
        """Return how many values of a row the penalty sums over."""
        return self.layout.weights if self.cell.penalty_on == "weights" else self.layout.size

    def order_of(self, n: int) -> Tensor:
        """Return the order of the images in the next epoch."""
        return random_streams.order(self.cell.dataset, self.seed, self.stream[1], n)

    @property
    def stream(self) -> tuple[int, int]:
        """Return (seed, epoch); members that agree in it see the same images in the next epoch."""
        return self.seed, 1 if self.cell.shuffle == "once" else self.protocol.epoch + 1

    def stored(self) -> tuple[Tensor, Tensor]:
        """Return rows of the parameters theta = point + mu lr b of equation 2.15, and of the running statistics."""
        if self.cell.optimizer != "nesterov" or self.cell.nesterov == "torch":
            return self.point.clone(), self.running.clone()
        return torch.add(self.point, self.velocity, alpha=self.cell.momentum * self.lr), self.running.clone()

    def set_lr(self) -> None:
        """Set the protocol's rate; the velocity of equation 2.15 stays, so b is rescaled (2.7.1)."""
        if (
            self.cell.optimizer == "nesterov"
            and self.cell.nesterov == "lookahead"
            and self.protocol.lr >= optimizers.VANISHED
        ):
            self.velocity.mul_(self.lr / self.protocol.lr)
        self.lr = self.protocol.lr

    @property
    def decay(self) -> float:
        """Return d: the squares of the penalty have the gradient d w."""
        squares = self.cell.penalty in ("l2", "elastic_net")
        return 2 * self.cell.penalty_factor * self.cell.penalty_strength if squares else 0.0

    @property
    def sign(self) -> float:
        """Return s: the absolute values of the penalty have the gradient s sign(w)."""
        return self.cell.penalty_strength if self.cell.penalty in ("l1", "elastic_net") else 0.0

    def penalty(self) -> float:
        """Return the penalty at the point where the gradient is taken."""
        w = self.point[: self.penalized]
        squares = self.decay / 2 * float(torch.dot(w, w)) if self.decay else 0.0
        return squares + (self.sign * float(torch.linalg.vector_norm(w, 1)) if self.sign else 0.0)

    def whole_gradient(self, gradient: Tensor) -> Tensor:
        """Return a row of the gradient with the penalty's part, for the statistics."""
        whole, n = gradient.clone(), self.penalized
        if self.decay:
            whole[:n].add_(self.point[:n], alpha=self.decay)
        if self.sign:
            whole[:n].add_(self.point[:n].sign(), alpha=self.sign)
        return whole

    def updates(self, gradient: Tensor) -> list[Callable[[], Any]]:
        """Return calls that move the point along this row. One kernel, called for each row, moves every member."""
        n, calls = self.penalized, []
        if self.sign:
            weights, part = self.point[:n], gradient[:n]
            calls.append(lambda: part.add_(weights.sign(), alpha=self.sign))
        move = self._by_value if self.cell.optimizer in BY_VALUE else self._by_velocity
        return [*calls, *move(gradient)]

    def _by_velocity(self, gradient: Tensor) -> Iterator[Callable[[], Any]]:
        n = self.penalized
        cuts = [0, n, len(gradient)] if self.decay and n < len(gradient) else [0, len(gradient)]
        momentum = 0.0 if self.cell.optimizer == "sgd" else self.cell.momentum
        nesterov = self.cell.optimizer == "nesterov" and momentum > 0
        rule = {"momentum": momentum, "nesterov": nesterov, "lr": self.lr, "dampening": 0.0, "maximize": False}
        for start, stop in pairwise(cuts):
            point, slope, velocity = ([row[start:stop]] for row in (self.point, gradient, self.velocity))
            decay = 0.0 if start else self.decay
            buffers = velocity if momentum else []
            yield partial(SGD, point, slope, buffers, weight_decay=decay, is_first_step=False, **rule)

    def _by_value(self, gradient: Tensor) -> Iterator[Callable[[], Any]]:
        self.parameter.data, self.parameter.grad = self.point, gradient  # the row moves with its stack
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr
        if self.decay:
            n = self.penalized
            yield partial(gradient[:n].add_, self.point[:n], alpha=self.decay)
        yield self.optimizer.step

    def state(self) -> State:
        return {
            "point": self.point.clone(), "velocity": self.velocity.clone(), "running": self.running.clone(),
            "best": list(self.best), "protocol": self.protocol.state(), "history": self.history.state(),
            "optimizer": deepcopy(self.optimizer.state_dict()["state"]),
            "lr": self.lr, "step": self.step, "first_batch_loss": self.first_batch_loss,
        }  # fmt: skip

    def restore(self, state: State) -> None:
        self.point, self.velocity, self.running = state["point"], state["velocity"], state["running"]
        self.best = tuple(state["best"])
        self.protocol = Protocol(**state["protocol"])
        self.history.restore(state["history"])
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state["optimizer"]})
        self.lr, self.step, self.first_batch_loss = state["lr"], state["step"], state["first_batch_loss"]

    def weights(self) -> State:
        """Return the weights that the cell's reading tests, named as in the reference network's state_dict."""
        rows = self.best if self.cell.tested_weights == "best" else self.stored()
        return self.layout.state(*rows) | {name: torch.tensor(self.step) for name in self.counters}

    def finish(self, data: Inputs) -> Trained:
        """Return the finished training, with the test accuracy of the last and of the best weights (B.1)."""
        points, running = (torch.stack(pair) for pair in zip(self.stored(), self.best, strict=True))
        evaluator = Evaluator(self.cell, self.layout, points, running)
        found = zip(*evaluator.answers(data.test_images, data.test_labels), strict=True)
        report = graded(self.cell, data.test_labels, evaluator.classes, dict(zip(("last", "best"), found, strict=True)))
        return Trained(
            outcome=self.history.outcome, diverged_at=self.history.diverged_at, stopped=self.protocol.stopped,
            epochs_run=self.protocol.epoch, best_epoch=self.protocol.best_epoch,
            first_batch_loss=self.first_batch_loss, test=report,
            epochs=self.history.epochs(), layers=self.history.layers(), early=self.history.early,
        )  # fmt: skip
