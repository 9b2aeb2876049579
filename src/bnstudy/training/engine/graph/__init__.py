"""The graph engine (CUDA): the reference engine's training step, captured once and replayed.

What the reference does between the host's decisions is one CUDA graph: gather, forward, loss, penalty, backward,
clipping, update, running totals; a second graph holds the measured steps, a third an incomplete last batch.
Inside an epoch the host only launches; the order of the images is made on the CPU (random_streams.order) and copied
once per epoch, the rate is a tensor. On a CPU the same steps are called, which is how they are tested.
"""

import gc
from collections.abc import Callable, Iterator, Sequence

import torch

from bnstudy.design.cell import Cell, Run
from bnstudy.errors import TryAgain
from bnstudy.training.engine import scope
from bnstudy.training.engine.contract import Keeper, Trained
from bnstudy.training.engine.graph.optimizer import is_capturable
from bnstudy.training.engine.graph.resident import Resident
from bnstudy.training.engine.graph.training import Training
from bnstudy.training.engine.inputs import Inputs

SIDE_BY_SIDE = 1
"""Runs that train at the same time, each on its own CUDA stream; any number gives the same bits. It stays 1 until more
are measured (`bench.gpu`, part `side_by_side`): a kernel of batch norm in channels-last layout may wait for all of its
own blocks, so two of them on two streams could block each other."""

KEPT = 2  # data sets a device keeps


class Graph:
    name = "graph"

    def __init__(self, side_by_side: int = SIDE_BY_SIDE):
        self.side_by_side = side_by_side
        self._residents: dict[int, Resident] = {}

    def supports(self, cell: Cell, device: str) -> bool:
        return device.startswith("cuda") and scope.is_known(cell, self.name) and is_capturable(cell)

    def train(
        self, runs: Sequence[Run], inputs: Callable[[Run], Inputs], keeper: Keeper, device: str
    ) -> Iterator[tuple[Run, Trained]]:
        """A run that stops leaves its stream to the next one. Where the memory does not suffice, all in training
        begin again from their last checkpoints, one at a time; raises TryAgain if one does not fit alone."""
        waiting, going, finished, room, again = list(runs), [], [], self.side_by_side, set[Run]()
        while waiting or going:
            try:
                while waiting and len(going) < room:
                    going.append(self._start(waiting[0], inputs(waiting[0]), keeper, device))
                    waiting.pop(0)
                advance([training for training in going if not training.protocol.stopped], keeper)
                finished = [(t.run, _finish(t, keeper)) for t in going if t.protocol.stopped]
                going = [t for t in going if not t.protocol.stopped]
            except torch.OutOfMemoryError:
                waiting, going, finished, room = [*(t.run for t in going), *waiting], [], [], 1
                _give_up_on_second(waiting[0], again, device)
                self._residents.clear()
            if finished or not going:
                _free_memory(device)
            yield from finished

    def _start(self, run: Run, data: Inputs, keeper: Keeper, device: str) -> Training:
        training = Training(run, self._resident(data, device), device)
        if (state := keeper.restore(run)) is not None:
            training.restore(state)
        return training

    def _resident(self, data: Inputs, device: str) -> Resident:
        if id(data) not in self._residents:
            while len(self._residents) >= KEPT:
                self._residents.pop(next(iter(self._residents)))
            self._residents[id(data)] = Resident(data, device)
        return self._residents[id(data)]


def _give_up_on_second(run: Run, again: set[Run], device: str) -> None:
    if run in again:
        raise TryAgain(
            f"{run.cell.key}/{run.seed}: does not fit into the memory of {device}, even alone",
            "Free the GPU, or train it by `bnstudy train --device cpu`.",
        )
    again.add(run)


def _finish(training: Training, keeper: Keeper) -> Trained:
    keeper.finished(training.run, training.weights)
    return training.finish()


def _free_memory(device: str) -> None:
    """Give the memory of trainings that are gone back to the device."""
    if device.startswith("cuda"):
        gc.collect()
        torch.cuda.empty_cache()


def advance(trainings: Sequence[Training], keeper: Keeper) -> None:
    """One epoch of each, their steps launched in turn. Raises TryAgain on a request to stop."""
    for training in trainings:
        training.begin()
    for index in range(max((training.batches for training in trainings), default=0)):
        if keeper.stopping():
            raise TryAgain("training: stopped inside an epoch", "Run the same command again to go on.")
        for training in trainings:
            if index < training.batches:
                training.launch(index)
    for training in trainings:
        keeper.epoch_done(training.run, training.end(), training.state)
