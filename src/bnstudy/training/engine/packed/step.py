"""Forward and backward of a stack of MLPs, derived by hand (docs/derivation.md), as lists of torch calls.

A network is built once for a stack and then only called: every operand is a view made in advance, every result goes to
an existing buffer, so a step is some forty calls and no allocation. Nothing here depends on how many cells a stack has
or where in it a cell is; works in float32 and float64.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from bnstudy.design.cell import Cell
from bnstudy.networks.models.block import is_normed, order
from bnstudy.networks.norms import groups
from bnstudy.training.engine.packed.activations import ACTIVATIONS, PReLU
from bnstudy.training.engine.packed.layout import Call, Layout, Plane, padded, views
from bnstudy.training.engine.packed.norms import BatchNorm, ImageNorm


class SoftmaxLoss:
    """Mean cross-entropy of softmax over the classes (equation 2.2), hits, and the gradient of the logits.

    After `forward`: `losses` in nats and `answers` (class indices), both (cells, batch).
    """

    def __init__(self, logits: Plane, d: Plane, labels: Tensor):
        cells, _, batch = logits.view.shape
        highest, picked, total = (Plane(cells, 1, batch, logits.flat) for _ in range(3))
        answers = torch.empty(cells, 1, batch, dtype=torch.long)
        self.losses, self.answers = highest.view[:, 0], answers[:, 0]
        share, minus = logits.flat.new_tensor(1 / batch), logits.flat.new_full((cells, 1, batch), -1)
        self.forward: list[Call] = [
            # NaN is highest, so all-NaN logits answer class 0, as argmax does
            partial(torch.max, logits.view, 1, keepdim=True, out=(highest.view, answers)),
            partial(torch.sub, logits.view, highest.view, out=d.view),
            partial(torch.gather, d.view, 1, labels, out=picked.view),
            d.flat.exp_,
            partial(torch.sum, d.view, 1, keepdim=True, out=total.view),
            partial(torch.log, total.flat, out=highest.flat),
            partial(highest.flat.sub_, picked.flat),
        ]
        self.backward: list[Call] = [  # (softmax - one hot) / batch
            partial(d.view.div_, total.view),
            partial(d.view.scatter_add_, 1, labels, minus),
            partial(d.flat.mul_, share),
        ]


class Network:
    """A stack of `cells` networks of one shape, for batches of `batch` images.

    groups    sizes of consecutive groups of cells; a group's cells see the same images
    point     (cells, layout.size) parameters; running (cells, layout.running_size)
    gradient  (cells, layout.size) where gradients go; None builds a network for evaluation, which normalizes
              by `running`

    Put a batch into `images` (for each group (batch, inputs)) and `labels` (cells, 1, batch) and call `forward`.
    Then `pre[i]` and `active[i]` are what enters and leaves the nonlinearity of hidden layer i, `logits` the last
    plane, `loss` its SoftmaxLoss.
    """

    def __init__(
        self,
        cell: Cell,
        layout: Layout,
        groups: Sequence[int],
        batch: int,
        point: Tensor,
        running: Tensor,
        gradient: Tensor | None = None,
        dropout: bool = True,
    ):
        self.cell, self.batch, self.cells, self._like = cell, batch, len(point), point
        self._training = gradient is not None
        self._parameters, self._layout, self._running = views(point, layout.parameters), layout, running
        self._statistics = torch.zeros_like(running) if self._training else running
        self._keep, self._take = point.new_tensor(1 - cell.norm_momentum), torch.zeros_like(running)
        self._gradient = views(gradient, layout.parameters) if gradient is not None else {}
        shapes = layout.shapes
        self.hidden = len(shapes) - 1
        self.images = [point.new_zeros(batch, shapes[0][1]) for _ in groups]
        self.labels = torch.zeros(len(point), 1, batch, dtype=torch.long)
        stops = [sum(groups[: i + 1]) for i in range(len(groups))]
        self._groups = [slice(stop - n, stop) for n, stop in zip(groups, stops, strict=True)]
        self.pre: list[Plane] = []
        self.active: list[Plane] = []
        self.masks: dict[str, Plane] = {}
        self._dropout = dropout and self._training and cell.dropout > 0
        self._forward: list[Call] = []
        self._backward: list[Call] = []
        self._build([shape[0] for shape in shapes])

    def forward(self) -> None:
        for call in self._forward:
            call()

    def backward(self) -> None:
        """Write the gradients of the data loss to `gradient`. Only after `forward`."""
        for call in self._backward:
            call()

    def track(self) -> None:
        """Update the running averages with the batch's mean and unbiased variance."""
        self._running.mul_(self._keep).addcmul_(self._statistics, self._take)

    def _plane(self, units: int) -> Plane:
        return Plane(self.cells, units, self.batch, self._like)

    def _build(self, widths: Sequence[int]) -> None:
        x = below = None
        self._work = {n: self._plane(n) for n in set(widths)}
        for i, units in enumerate(widths):
            z, d = self._plane(units), self._plane(units)
            self._linear(i, x, z)
            if i < self.hidden:
                out, backward = self._after_linear(i, z, d)
            else:
                self.logits, self.loss = z, SoftmaxLoss(z, d, self.labels)
                self._forward += self.loss.forward
                out, backward = z, self.loss.backward
            if self._training:
                self._backward = backward + self._linear_backward(i, x, d, below) + self._backward
            x, below = out, d

    def _linear(self, i: int, x: Plane | None, z: Plane) -> None:
        """Add the calls of z = W x + b."""
        weight, bias = (self._parameters[f"blocks.{i}.layer.{n}"] for n in ("weight", "bias"))
        bias = bias.unsqueeze(2).expand_as(z.view)
        if x is not None:
            self._forward.append(partial(torch.baddbmm, bias, weight, x.view, out=z.view))
        for group, images in zip(self._groups, self.images, strict=True) if x is None else ():
            turned = images.t().contiguous()  # with AVX-512 a product of a transposed view takes 1.6 times as long
            shared = turned.expand(group.stop - group.start, -1, -1)
            self._forward.append(partial(turned.copy_, images.t()))
            self._forward.append(partial(torch.baddbmm, bias[group], weight[group], shared, out=z.view[group]))

    def _linear_backward(self, i: int, x: Plane | None, d: Plane, below: Plane | None) -> list[Call]:
        """Return calls of dJ/dW = d x^T, dJ/db = d 1, and dJ/dx = W^T d for the layer below."""
        weight, to_weight, to_bias = (
            self._parameters[f"blocks.{i}.layer.weight"],
            self._gradient[f"blocks.{i}.layer.weight"],
            self._gradient[f"blocks.{i}.layer.bias"],
        )
        calls: list[Call] = [partial(torch.sum, d.view, -1, out=to_bias)]
        if x is not None and below is not None:
            calls.append(partial(torch.bmm, d.view, x.view.transpose(1, 2), out=to_weight))
            calls.append(partial(torch.bmm, weight.transpose(1, 2), d.view, out=below.view))
        for group, images in zip(self._groups, self.images, strict=True) if x is None else ():
            shared = images.expand(group.stop - group.start, -1, -1)
            calls.append(partial(torch.bmm, d.view[group], shared, out=to_weight[group]))
        return calls

    def _after_linear(self, i: int, x: Plane, d: Plane) -> tuple[Plane, list[Call]]:
        """Add norm, nonlinearity and dropout of hidden layer i to its linear part, in the order of the reference
        network; return the layer's output plane and the calls of its backward."""
        parts = {"norm": self._norm, "activation": self._activation, "dropout": self._drop}
        backward: list[Call] = []
        for part in order(self.cell.norm_placement, self.cell.dropout_at):
            if part != "layer":
                x, calls = parts[part](i, x, d)
                backward = calls + backward
        return x, backward

    def _activation(self, i: int, z: Plane, d: Plane) -> tuple[Plane, list[Call]]:
        units = z.view.shape[1]
        a = self._plane(units)
        self.pre.append(z)
        self.active.append(a)
        if self.cell.activation == "prelu":
            name = f"blocks.{i}.activation.weight"
            prelu = PReLU(z, a, self._work[units], self._parameters[name])
            self._forward += prelu.forward()
            return a, prelu.backward(d, self._gradient[name]) if self._training else []
        put, pull = ACTIVATIONS[self.cell.activation]
        self._forward += put(z.flat, a.flat)
        return a, [pull(d.flat, z.flat, a.flat)]

    def _drop(self, i: int, x: Plane, d: Plane) -> tuple[Plane, list[Call]]:
        if not self._dropout or (self.cell.dropout_at == "last" and i < self.hidden - 1):
            return x, []
        mask, kept = (self._plane(x.view.shape[1]) for _ in range(2))
        self.masks[f"hidden{i + 1}"] = mask
        self._forward.append(partial(torch.mul, x.flat, mask.flat, out=kept.flat))
        return kept, [partial(d.flat.mul_, mask.flat)]

    def _norm(self, i: int, x: Plane, d: Plane) -> tuple[Plane, list[Call]]:
        if self.cell.norm == "none" or not is_normed(self.cell, i, self.hidden):
            return x, []
        make = self._batch_norm if self.cell.norm == "batch" else self._image_norm
        return make(f"blocks.{i}.norm.", x, d)

    def _batch_norm(self, prefix: str, x: Plane, d: Plane) -> tuple[Plane, list[Call]]:
        parameters = self._parameters[prefix + "weight"], self._parameters[prefix + "bias"]
        mean, variance = (self._padded(prefix + name) for name in ("running_mean", "running_var"))
        moments = self._statistics[:, mean], self._statistics[:, variance]
        norm = BatchNorm(x, self._work[x.view.shape[1]], parameters, moments, self.cell.norm_eps)
        if not self._training:
            self._forward += norm.evaluate()
            return norm.y, []
        self._forward += norm.train()
        momentum = self.cell.norm_momentum
        self._take[:, mean] = momentum
        self._take[:, variance] = momentum * self.batch / max(self.batch - 1, 1)
        return norm.y, norm.backward(d, self._gradient[prefix + "weight"], self._gradient[prefix + "bias"])

    def _image_norm(self, prefix: str, x: Plane, d: Plane) -> tuple[Plane, list[Call]]:
        units = x.view.shape[1]
        count = groups(units, 1) if self.cell.norm == "group" else 1
        gamma, beta = self._parameters[prefix + "weight"], self._parameters.get(prefix + "bias")
        norm = ImageNorm(x, self._work[units], gamma, beta, count, self.cell.norm != "rms", self.cell.norm_eps)
        self._forward += norm.forward()
        if not self._training:
            return norm.y, []
        return norm.y, norm.backward(d, self._gradient[prefix + "weight"], self._gradient.get(prefix + "bias"))

    def _padded(self, name: str) -> slice:
        """Return where running statistics are in a row, with their padding."""
        span = self._layout.running[name]
        return slice(span.offset, padded(span.stop))
