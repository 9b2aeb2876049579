"""A stack: runs of one shape side by side in shared buffers, trained together epoch by epoch."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from bnstudy.design.cell import Cell
from bnstudy.errors import TryAgain
from bnstudy.networks.models.block import dropout_mask
from bnstudy.training.engine.contract import Keeper
from bnstudy.training.engine.digests import weights_digest
from bnstudy.training.engine.inputs import Inputs
from bnstudy.training.engine.packed.evaluation import Evaluator
from bnstudy.training.engine.packed.member import Member
from bnstudy.training.engine.packed.step import Network
from bnstudy.training.engine.statistics import Early, Sampled, Watcher, sampled_steps


class Stack:
    """Members of one shape. Groups of equal (seed, epoch) see the same images and share one gather.

    An epoch of the stack is one epoch of every member, whatever its number is for that member.
    """

    point: Tensor
    velocity: Tensor
    running: Tensor

    def __init__(self, members: Sequence[Member], data: Inputs):
        self.members = sorted(members, key=lambda m: (*m.stream, m.cell.key))
        self.data, self.cell, self.layout = data, self.members[0].cell, self.members[0].layout
        for name in ("point", "velocity", "running"):
            buffer = torch.stack([getattr(member, name) for member in self.members])
            setattr(self, name, buffer)
            for member, row in zip(self.members, buffer, strict=True):
                setattr(member, name, row)
        self.gradient, self.stored = torch.zeros_like(self.point), torch.zeros_like(self.point)
        self.evaluator = Evaluator(self.cell, self.layout, self.stored, self.running)
        self.groups = [list(group) for _, group in groupby(self.members, key=lambda m: m.stream)]
        self.images = data.train_images.flatten(1)
        self.batches = batches(self.cell, len(self.images))
        self._networks: dict[tuple[int, bool], Network] = {}

    # an epoch

    def epoch(self, keeper: Keeper) -> None:
        """Train all members for one epoch and call the keeper. Raises TryAgain on a request to stop."""
        for member in self.members:
            member.set_lr()
        began = time.perf_counter()
        tally, statistics = self._pass(keeper)
        seconds = (time.perf_counter() - began) / len(self.members)
        validation = self._validate()
        dead = self.evaluator.dead_share(self.data.validation_images, self.data.validation_labels)
        columns = statistics.columns(dead)
        for k, member in enumerate(self.members):
            row = {"epoch": member.protocol.epoch + 1, **tally.means(k), **validation[k], "lr": member.lr}
            row["seconds"] = seconds
            finite = math.isfinite(row["data_loss"] + row["penalty"])
            if member.protocol.after_epoch(member.cell, row["validation_accuracy"], finite):
                member.best = self.stored[k].clone(), self.running[k].clone()
            member.history.add_layers({name: values[k] for name, values in columns.items()})
            member.history.add_epoch(row, finite, None if finite else member.step - len(self.batches) + tally.bad(k))
            keeper.epoch_done(member.run, row, member.state)

    def untrained(self) -> None:
        """Add the row of epoch 0: the sampled batches of epoch 1 in training mode, without dropout or any update."""
        sampled = sampled_steps(len(self.batches))
        tally = Tally(self.members, [b for i, b in enumerate(self.batches) if i in sampled], self.point)
        for network, _ in self._batches(sampled, dropout=False):
            network.forward()
            tally.add(network)
        for k, (member, validation) in enumerate(zip(self.members, self._validate(), strict=True)):
            row = {"epoch": 0, **tally.means(k), **validation, "lr": member.protocol.lr, "seconds": 0.0}
            member.history.add_epoch(row)

    def _pass(self, keeper: Keeper) -> tuple["Tally", Sampled]:
        """One pass over the training part."""
        sampled = sampled_steps(len(self.batches))
        tally = Tally(self.members, self.batches, self.point)
        names = self.members[0].history.names
        statistics = Sampled(len(self.members), len(names), saturating=self.cell.activation == "sigmoid")
        early = Early(len(self.members), len(names), len(self.batches))
        new = {k: member for k, member in enumerate(self.members) if member.step == 0}
        updates = self._updates()
        for network, index in self._batches(range(len(self.batches)), dropout=True):
            if keeper.stopping():
                raise TryAgain("training: stopped inside an epoch", "Run the same command again to go on.")
            network.forward()
            tally.add(network)
            network.backward()
            network.track()
            is_early = bool(new) and index in early.steps
            if watchers := [statistics] * (index in sampled) + [early] * is_early:
                self._measure(network, watchers)
            if is_early:
                early.keep(index, network.loss.losses.double().sum(1) / network.batch)
            for update in updates:
                update()
        for k, member in new.items():
            member.first_batch_loss = tally.first_loss(k)
            member.history.add_early(early.columns(k))
        for member in self.members:
            member.step += len(self.batches)
        return tally, statistics

    def _updates(self) -> list[Callable[[], Any]]:
        return [call for m, row in zip(self.members, self.gradient, strict=True) for call in m.updates(row)]

    def _batches(self, wanted: Sequence[int] | frozenset[int], dropout: bool) -> Iterator[tuple[Network, int]]:
        """Yield the network with each wanted batch in it, and the batch's index."""
        orders = [group[0].order_of(len(self.images)) for group in self.groups]
        labels = torch.cat(
            [self.data.train_labels[o].expand(len(g), -1) for o, g in zip(orders, self.groups, strict=True)]
        )
        for index in sorted(wanted):
            start, size = self.batches[index]
            network = self._network(size, dropout)
            for order, images in zip(orders, network.images, strict=True):
                torch.index_select(self.images, 0, order[start : start + size], out=images)
            network.labels[:, 0].copy_(labels[:, start : start + size])
            self._put_masks(network, index)
            yield network, index

    def _network(self, size: int, dropout: bool) -> Network:
        if (size, dropout) not in self._networks:
            groups = [len(group) for group in self.groups]
            self._networks[size, dropout] = Network(
                self.cell, self.layout, groups, size, self.point, self.running, self.gradient, dropout
            )
        return self._networks[size, dropout]

    def _put_masks(self, network: Network, index: int) -> None:
        for layer, mask in network.masks.items():
            _, units, size = mask.view.shape
            drawn: dict[tuple[int, int], Tensor] = {}
            for member, row in zip(self.members, mask.view, strict=True):
                seed, step = stream = member.seed, member.step + index
                if stream not in drawn:
                    p, kind = self.cell.dropout, self.cell.dropout_kind
                    drawn[stream] = dropout_mask(seed, layer, step, (size, units), p, kind)
                row.copy_(drawn[stream].t())

    # what is measured

    def _validate(self) -> list[dict[str, Any]]:
        """Return per member the columns of the epoch row that concern the stored parameters."""
        for row, member in zip(self.stored, self.members, strict=True):
            row.copy_(member.stored()[0])
        accuracy, loss, _ = self.evaluator(self.data.validation_images, self.data.validation_labels)
        states = [self.layout.state(*rows) for rows in zip(self.stored, self.running, strict=True)]
        return [
            {"validation_accuracy": a, "validation_loss": v, "weights_digest": weights_digest(state)}
            for a, v, state in zip(accuracy, loss, states, strict=True)
        ]

    def _measure(self, network: Network, watchers: Sequence[Watcher]) -> None:
        """Pass one step's planes, weights and gradients to the watchers."""
        cells, last = len(self.members), network.hidden

        def add(what: str, layer: int, values: Tensor) -> None:
            for watcher in watchers:
                watcher.add(what, layer, values)

        for i, plane in enumerate([*network.pre, network.logits]):
            add("pre_activation", i, plane.view.reshape(cells, -1))
        for i, plane in enumerate(network.active):
            add("activation", i, plane.view.reshape(cells, -1))
        whole = torch.stack([m.whole_gradient(row) for m, row in zip(self.members, self.gradient, strict=True)])
        for i in range(last + 1):
            weight, bias = (self.layout.parameters[f"blocks.{i}.layer.{n}"] for n in ("weight", "bias"))
            add("weight", i, self.point[:, weight.offset : weight.stop])
            add("weight_grad", i, whole[:, weight.offset : weight.stop])
            add("bias_grad", i, whole[:, bias.offset : bias.stop])


class Tally:
    """Losses, right answers and penalties of the batches of an epoch."""

    def __init__(self, members: Sequence[Member], batches: Sequence[tuple[int, int]], like: Tensor):
        self._sizes = torch.tensor([size for _, size in batches], dtype=torch.float64)
        rows = (len(batches), len(members), max(size for _, size in batches))
        self._losses, self._hits = like.new_zeros(rows), torch.zeros(rows, dtype=torch.bool)
        self._next = zip(self._losses.unbind(), self._hits.unbind(), strict=True)
        self._penalties = {k: (member, []) for k, member in enumerate(members) if member.cell.penalty != "none"}

    def add(self, network: Network) -> None:
        """Add the batch of the latest forward pass, before any update."""
        losses, hits = (row[:, : network.batch] for row in next(self._next))
        losses.copy_(network.loss.losses)
        torch.eq(network.loss.answers, network.labels[:, 0], out=hits)
        for member, penalties in self._penalties.values():
            penalties.append(member.penalty())

    def means(self, k: int) -> dict[str, float]:
        """Return columns of the epoch row of member k: means over the batches."""
        penalties = self._penalties[k][1] if k in self._penalties else [0.0]
        return {
            "data_loss": float((self._losses[:, k].double().sum(1) / self._sizes).mean()),
            "penalty": sum(penalties) / len(penalties),
            "train_accuracy": 100 * float((self._hits[:, k].sum(1) / self._sizes).mean()),
        }

    def bad(self, k: int) -> int:
        """Return the number (from 1) of the first batch where member k's loss is not finite; there must be one."""
        losses = self._losses[:, k].double().sum(1)
        if k in self._penalties:
            losses += torch.tensor(self._penalties[k][1], dtype=torch.float64)
        return int((~losses.isfinite()).nonzero()[0]) + 1

    def first_loss(self, k: int) -> float:
        return float(self._losses[0, k].double().sum() / self._sizes[0])


def batches(cell: Cell, n: int) -> list[tuple[int, int]]:
    """Return (start, size) of the batches of an epoch of `n` images."""
    size = cell.batch_size
    cut = [(start, min(size, n - start)) for start in range(0, n, size)]
    return cut if cell.last_batch == "keep" else [c for c in cut if c[1] == size]
