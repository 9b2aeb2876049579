"""The parts of an epoch, each callable on its own, for every engine that can be timed."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from bnstudy.design.cell import Run
from bnstudy.networks import optimizers
from bnstudy.training.engine.contract import Keeper
from bnstudy.training.engine.graph.resident import Resident
from bnstudy.training.engine.graph.training import Training as GraphTraining
from bnstudy.training.engine.inputs import Inputs
from bnstudy.training.engine.observation import dead_share, evaluate
from bnstudy.training.engine.packed.member import Member
from bnstudy.training.engine.packed.stack import Stack
from bnstudy.training.engine.packed.step import Network
from bnstudy.training.engine.reference import Training
from bnstudy.training.engine.statistics import Watcher
from bnstudy.training.engine.winograd import Training as WinogradTraining

Parts = dict[str, Callable[[], Any]]


class Pass(Training):
    """A training of the reference engine whose passes can omit statistics, and which computes lost steps too."""

    measuring = False

    def _is_lost(self) -> bool:
        return False

    def _update(self, images: Tensor, labels: Tensor, watchers: Sequence[Watcher] = ()) -> Tensor:
        return super()._update(images, labels, watchers if self.measuring else ())

    def over(self, measuring: bool) -> None:
        """One pass over the training part."""
        self.measuring = measuring
        self._pass(Keeper())

    def parts(self) -> Parts:
        return {
            "training": lambda: self.over(False),
            "sampled": lambda: self.over(True),
            "probe": lambda: dead_share(self.model, self.validation[0]),
            "validation": lambda: evaluated(self),
        }


class WinogradPass(Pass, WinogradTraining):
    """The same of the Winograd engine."""


def evaluated(training: Training) -> None:
    """Validate the parameters that are stored after an epoch."""
    with optimizers.stored_parameters(training.optimizer):
        evaluate(training.model, *training.validation, sparing=False)


class StackPass(Stack):
    """A stack of the packed engine whose passes can omit statistics."""

    measuring = False

    def _measure(self, network: Network, watchers: Sequence[Watcher]) -> None:
        if self.measuring:
            super()._measure(network, watchers)

    @torch.inference_mode()
    def over(self, measuring: bool) -> None:
        """One pass over the training part."""
        self.measuring = measuring
        self._pass(Keeper())

    @torch.inference_mode()
    def _evaluated(self, images: Tensor, labels: Tensor, call: Callable[..., Any]) -> None:
        for row, member in zip(self.stored, self.members, strict=True):
            row.copy_(member.stored()[0])
        call(images, labels)

    def parts(self) -> Parts:
        held_out = self.data.validation_images, self.data.validation_labels
        return {
            "training": lambda: self.over(False),
            "sampled": lambda: self.over(True),
            "probe": lambda: self._evaluated(*held_out, self.evaluator.dead_share),
            "validation": lambda: self._evaluated(*held_out, self.evaluator),
        }


class GraphPass(GraphTraining):
    """A training of the graph engine whose passes can omit statistics."""

    def __init__(self, run: Run, data: Inputs, device: str):
        super().__init__(run, Resident(data, device), device)
        self._all_kinds = self._kinds
        self.protocol.epoch = 1  # the row of the untrained network is not part of an epoch

    def over(self, measuring: bool) -> None:
        """One pass over the training part."""
        self._kinds = self._all_kinds if measuring else [(size, 0) for size, _ in self._all_kinds]
        self.begin()
        for index in range(self.batches):
            self.launch(index)
        with self._on_stream():
            self._means(self._totals)
        self.step += self.batches

    def _probe(self) -> None:
        with self._on_stream():
            dead_share(self.model, self.validation[0])

    def _validate(self) -> None:
        with self._on_stream():
            evaluated(self)

    def parts(self) -> Parts:
        return {
            "training": lambda: self.over(False), "sampled": lambda: self.over(True),
            "probe": self._probe, "validation": self._validate,
        }  # fmt: skip


@torch.inference_mode()
def stack(runs: list[Run], data: Inputs) -> StackPass:
    """Return a stack of these runs of one shape, at their start."""
    return StackPass([Member(run, data) for run in runs], data)


def alone(engine: str, run: Run, data: Inputs, device: str):
    """Return this run alone, at its start, on this engine: `over(measuring)` is one pass, `parts()` are its PARTS."""
    if engine == "packed":
        return stack([run], data)
    if engine == "graph":
        return GraphPass(run, data, device)
    kind = WinogradPass if engine == "winograd" else Pass
    return kind(run, data, device)
