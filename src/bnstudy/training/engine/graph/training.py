"""One run of the graph engine: its buffers at fixed addresses, its captured steps, its epochs."""

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import torch
from torch import Tensor

from bnstudy.design.cell import Run
from bnstudy.networks import optimizers, random_streams
from bnstudy.training.engine import numerics, reference
from bnstudy.training.engine.contract import Trained
from bnstudy.training.engine.digests import Beside
from bnstudy.training.engine.graph import lanes
from bnstudy.training.engine.graph.capture import Step, capture
from bnstudy.training.engine.graph.dropout import draw_on_device
from bnstudy.training.engine.graph.optimizer import copy_state, make_capturable, set_rate, state_tensors
from bnstudy.training.engine.graph.resident import Resident
from bnstudy.training.engine.inputs import Inputs
from bnstudy.training.engine.statistics import Early, Sampled, Watcher, sampled_steps

State = dict[str, Any]
Kind = tuple[int, int]
"""Of a step: images in its batch; how much is measured: nothing (0), what may be kept apart (1), all (2)."""


class Training(reference.Training):
    """One run. An epoch is `begin`, `launch` for every batch, `end`; `launch` never waits for the device."""

    def __init__(self, run: Run, resident: Resident, device: str):
        self.run, self.cell, self.device, self.resident = run, run.cell, device, resident
        self._beside = Beside()
        self.stream = lanes.lend(self, device)
        self._pool = torch.cuda.graph_pool_handle() if self.stream else None
        with self._on_stream():
            super().__init__(run, resident.data, device)
            self.generator = draw_on_device(self.model, self.seed, device)
            self.rate = self.cell.lr
            make_capturable(self.optimizer, device)
            self._make_buffers()
        self._wait()  # what runs share is complete before another stream reads it

    def _place(self, data: Inputs) -> None:
        self.channels_last = numerics.layout(self.model) == torch.channels_last
        self.resident.lay_out(self.channels_last)
        self.train_labels, self.validation = self.resident.labels, self.resident.validation

    def _images(self, chosen: Tensor) -> Tensor:
        return self.resident.batch(chosen, self.channels_last)

    def _make_buffers(self) -> None:
        """What the steps read and write besides the network: fixed addresses, for the graphs."""
        self._order = torch.zeros(len(self.train_labels), dtype=torch.long, device=self.device)
        self._cursor = torch.zeros(1, dtype=torch.long, device=self.device)  # images trained on in this epoch
        self._offsets = torch.arange(self.cell.batch_size, device=self.device)
        self._totals = torch.zeros(4, dtype=torch.float64, device=self.device)
        self._loss_now = torch.zeros(1, dtype=torch.float64, device=self.device)
        self._first = torch.zeros((), dtype=torch.float64, device=self.device)
        self._statistics = Sampled(1, len(self.model.blocks), self.device, self.cell.activation == "sigmoid")
        self._early = Early(1, len(self.model.blocks), self.batches, self.device)
        sampled, n = sampled_steps(self.batches), len(self.train_labels)
        size = self.cell.batch_size
        self._kinds: list[Kind] = [(min(size, n - i * size), 2 * (i in sampled)) for i in range(self.batches)]
        self._steps: dict[Kind, Step] = {}

    @contextlib.contextmanager
    def _on_stream(self) -> Iterator[None]:
        """Everything of a run happens on its own stream, in its precision."""
        numerics.settle(self.device, self.cell.precision)
        with torch.cuda.stream(self.stream) if self.stream else contextlib.nullcontext():
            yield

    def _wait(self) -> None:
        if self.stream:
            self.stream.synchronize()

    # an epoch

    def begin(self) -> None:
        """Everything before the first step of an epoch; at the first one also row 0 and the captures."""
        with self._on_stream():
            if self.protocol.epoch == 0:
                self.history.add_epoch(self._untrained())
            self._set_lr()
            self.model.train()
            epoch = 1 if self.cell.shuffle == "once" else self.protocol.epoch + 1
            self._order.copy_(random_streams.order(self.cell.dataset, self.seed, epoch, len(self._order)))
            for tensor in (self._cursor, self._totals):
                tensor.zero_()
            self._statistics.reset()
            for kind in {self._kind(index) for index in range(self.batches)} - set(self._steps):
                step = self._step(*kind)
                self._steps[kind] = capture(step, self._changed_by_a_step(), self.generator, self.stream, self._pool)
        self._wait()
        self._began = time.perf_counter()

    def launch(self, index: int) -> None:
        """The step on batch `index` of the epoch, queued on the run's stream."""
        with torch.cuda.stream(self.stream) if self.stream else contextlib.nullcontext():
            self._steps[self._kind(index)]()
            if self.step == 0 and index == 0:
                self._first.copy_(self._totals[0])
            if self._is_early(index):
                self._early.keep(index, self._loss_now)

    def _is_early(self, index: int) -> bool:
        return self.step == 0 and index in self._early.steps

    def _kind(self, index: int) -> Kind:
        size, measured = self._kinds[index]
        return size, max(measured, int(self._is_early(index)))

    def end(self) -> dict[str, Any]:
        """Wait for the epoch's steps and take in its validation accuracy; the epoch's row."""
        with self._on_stream():
            means = self._means(self._totals)
            means["seconds"] = time.perf_counter() - self._began
            if self.step == 0:
                self.first_batch_loss = float(self._first)
                self.history.add_early(self._early.columns())
            self.step += self.batches
            return self._close(means, self._statistics)

    def _step(self, size: int, measured: int) -> Step:
        """The step on the next `size` images of the order, of this kind."""
        watchers: list[Watcher] = [self._early, self._statistics][:measured]

        def step() -> None:
            chosen = self._order.index_select(0, self._cursor + self._offsets[:size])
            labels = self.train_labels.index_select(0, chosen)
            found = self._update(self._images(chosen), labels, watchers)
            reference.add_step(self._totals, found)
            if measured:
                self._loss_now.copy_(found[:1])
            self._cursor += size

        return step

    def _changed_by_a_step(self) -> list[Tensor]:
        state = state_tensors(self.optimizer)
        buffers = self._cursor, self._totals, self._loss_now, self._early.now, *self._statistics.tensors
        return [*self.model.state_dict().values(), *state, *buffers]

    def _set_lr(self) -> None:
        if self.rate != self.protocol.lr:
            optimizers.rescale_velocity(self.optimizer, self.rate, self.protocol.lr)
            self.rate = self.protocol.lr
            set_rate(self.optimizer, self.rate)

    def _digest(self, state: State) -> Future[str]:
        return self._beside.digest(state)

    # the end, and the state in between

    def weights(self) -> State:
        with self._on_stream():
            found = super().weights()
        self._wait()
        return found

    def finish(self) -> Trained:
        with self._on_stream():
            return super().finish()

    def state(self) -> State:
        self._wait()  # whoever writes the tensors reads them on a stream of his own
        return super().state() | {"rate": self.rate, "generator": self.generator.get_state()}

    def restore(self, state: State) -> None:
        with self._on_stream():
            super().restore(state)

    def _restore_optimizer(self, state: State) -> None:
        copy_state(self.optimizer, state["optimizer"])
        self.rate = state["rate"]
        set_rate(self.optimizer, self.rate)
        self.generator.set_state(state["generator"].cpu())
