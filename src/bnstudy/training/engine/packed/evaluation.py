"""Evaluation of a stack: accuracy, loss and answers of every cell on a set of images."""

from collections.abc import Iterator

import torch
from torch import Tensor

from bnstudy.design.cell import Cell
from bnstudy.training.engine.observation import EVALUATION_BATCH, PROBE
from bnstudy.training.engine.packed.layout import Layout
from bnstudy.training.engine.packed.step import Network


class Evaluator:
    """Evaluates the networks in the rows `points` and `running` as they are when it is called."""

    def __init__(self, cell: Cell, layout: Layout, points: Tensor, running: Tensor):
        self._cell, self._layout, self._rows = cell, layout, (points, running)
        self.classes = layout.shapes[-1][0]
        self._networks: dict[int, Network] = {}

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[list[float], list[float], list[list[int]]]:
        """Return per cell accuracy in percent, mean loss in nats, count of each predicted class; in evaluation mode."""
        answered, losses = self.answers(images, labels)
        accuracy = [100 * hits / len(labels) for hits in (answered == labels).sum(1).tolist()]
        return accuracy, losses, [row.bincount(minlength=self.classes).tolist() for row in answered]

    def answers(self, images: Tensor, labels: Tensor) -> tuple[Tensor, list[float]]:
        """Return the predicted classes (cells, images), and per cell the mean loss in nats; in evaluation mode."""
        losses, answers = [], []
        for network in self._batches(images, labels):
            losses.append(network.loss.losses.double().sum(1))
            answers.append(network.loss.answers.clone())
        return torch.cat(answers, 1), (torch.stack(losses).sum(0) / len(labels)).tolist()

    def dead_share(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the share of units that are zero on all first PROBE images: (cells, layers), NaN for the output."""
        network = next(self._batches(images[:PROBE], labels[:PROBE]))
        shares = images.new_full((network.cells, network.hidden + 1), torch.nan)
        for i, plane in enumerate(network.active):
            shares[:, i] = (plane.view == 0).all(2).float().mean(1)
        return shares

    def _batches(self, images: Tensor, labels: Tensor) -> Iterator[Network]:
        """Yield the network after each batch of the images."""
        for batch, wanted in zip(images.split(EVALUATION_BATCH), labels.split(EVALUATION_BATCH), strict=True):
            network = self._network(len(wanted))
            network.images[0].copy_(batch.flatten(1))
            network.labels.copy_(wanted)
            network.forward()
            yield network

    def _network(self, size: int) -> Network:
        if size not in self._networks:
            points, running = self._rows
            self._networks[size] = Network(self._cell, self._layout, [len(points)], size, points, running)
        return self._networks[size]
