"""Forward and backward of a stack of MLPs, derived by hand (docs/derivation.md), as lists of torch calls.

A network is built once for a stack and then only called: every operand is a view made in advance, every
result goes to a buffer that stands, so a step is some forty calls and no allocation. Nothing here
depends on how many cells a stack has or where in it a cell lies; works in float32 and float64.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from bnstudy.cell import Cell
from bnstudy.engine.packed_layout import Layout, Plane, padded, views

Call = Callable[[], object]
aten = torch.ops.aten


def _elu(z: Tensor, a: Tensor) -> list[Call]:
    # exp(z) - 1 by expm1 costs five times as much and gains nothing above 1e-7
    return [partial(torch.clamp_max, z, 0, out=a), a.exp_, partial(a.sub_, 1), partial(torch.maximum, a, z, out=a)]


ACTIVATIONS: dict[str, tuple[Callable[[Tensor, Tensor], list[Call]], Callable[[Tensor, Tensor, Tensor], Call]]] = {
    "relu": (
        lambda z, a: [partial(torch.clamp_min, z, 0, out=a)],
        lambda d, z, a: partial(aten.threshold_backward.grad_input, d, a, 0, grad_input=d),
    ),
    "elu": (_elu, lambda d, z, a: partial(aten.elu_backward.grad_input, d, 1.0, 1.0, 1.0, True, a, grad_input=d)),
    "sigmoid": (
        lambda z, a: [partial(torch.sigmoid, z, out=a)],
        lambda d, z, a: partial(aten.sigmoid_backward.grad_input, d, a, grad_input=d),
    ),
    "tanh": (
        lambda z, a: [partial(torch.tanh, z, out=a)],
        lambda d, z, a: partial(aten.tanh_backward.grad_input, d, a, grad_input=d),
    ),
    "leaky_relu": (
        lambda z, a: [partial(aten.leaky_relu.out, z, 0.01, out=a)],
        lambda d, z, a: partial(aten.leaky_relu_backward.grad_input, d, z, 0.01, False, grad_input=d),
    ),
    "softplus": (
        lambda z, a: [partial(aten.softplus.out, z, out=a)],
        lambda d, z, a: partial(aten.softplus_backward.grad_input, d, z, 1.0, 20.0, grad_input=d),
    ),
}
"""Name -> (calls that put f(z) into a, call that multiplies d by f'(z) in place)."""


class BatchNorm:
    """Equation 3.1 for one layer: y = gamma (x - mean) / sqrt(var + eps) + beta, and its gradients.

    Values per unit lie in rows of padded length; `_wide` is how they broadcast over a batch.
    """

    def __init__(self, x: Plane, gamma: Tensor, beta: Tensor, eps: float):
        cells, self.units, self.batch = x.view.shape
        self.x, self.gamma, self.beta, self.eps = x, gamma, beta, eps
        self.y, self.centered = (Plane(cells, self.units, self.batch, x.flat) for _ in range(2))
        rows = (x.flat.new_zeros(cells, padded(self.units)) for _ in range(5))
        self.mean, self.variance, self.inverse, self.factor, self.dot = rows

    def _cut(self, row: Tensor) -> Tensor:
        return row[:, : self.units]

    def _wide(self, row: Tensor) -> Tensor:
        return row[:, : self.units].unsqueeze(2)

    def train(self) -> list[Call]:
        return [
            partial(torch.sum, self.x.view, -1, out=self._cut(self.mean)),
            partial(self.mean.mul_, 1 / self.batch),
            partial(torch.sub, self.x.view, self._wide(self.mean), out=self.centered.view),
            partial(torch.linalg.vector_norm, self.centered.view, dim=-1, out=self._cut(self.variance)),
            self.variance.square_,
            partial(self.variance.mul_, 1 / self.batch),
            *self._scaled(),
        ]

    def evaluate(self, mean: Tensor, variance: Tensor) -> list[Call]:
        return [
            partial(torch.sub, self.x.view, mean.unsqueeze(2), out=self.centered.view),
            partial(self._cut(self.variance).copy_, variance),
            *self._scaled(),
        ]

    def _scaled(self) -> list[Call]:
        return [
            partial(torch.add, self.variance, self.eps, out=self.inverse),
            self.inverse.rsqrt_,
            partial(torch.mul, self._cut(self.inverse), self.gamma, out=self._cut(self.factor)),
            partial(torch.mul, self.centered.view, self._wide(self.factor), out=self.y.view),
            partial(self.y.view.add_, self.beta.unsqueeze(2)),
        ]

    def track(self, mean: Tensor, variance: Tensor, momentum: float) -> list[Call]:
        unbiased = momentum * self.batch / max(self.batch - 1, 1)
        return [
            partial(mean.mul_, 1 - momentum),
            partial(mean.add_, self._cut(self.mean), alpha=momentum),
            partial(variance.mul_, 1 - momentum),
            partial(variance.add_, self._cut(self.variance), alpha=unbiased),
        ]

    def backward(self, d: Plane, work: Plane, to_gamma: Tensor, to_beta: Tensor) -> list[Call]:
        """d holds dJ/dy before and dJ/dx after; the gradients of gamma and beta go to their places."""
        dot, inverse, n = self.dot, self.inverse, self.batch
        return [
            partial(torch.sum, d.view, -1, out=to_beta),
            partial(torch.mul, d.flat, self.centered.flat, out=work.flat),
            partial(torch.sum, work.view, -1, out=self._cut(dot)),
            partial(dot.mul_, inverse),
            partial(to_gamma.copy_, self._cut(dot)),
            partial(dot.mul_, inverse),
            partial(dot.mul_, 1 / n),
            partial(torch.mul, self.centered.view, self._wide(dot), out=work.view),
            partial(d.flat.sub_, work.flat),
            partial(torch.mul, to_beta, 1 / n, out=self._cut(dot)),
            partial(d.view.sub_, self._wide(dot)),
            partial(d.view.mul_, self._wide(self.factor)),
        ]


class SoftmaxLoss:
    """Mean cross-entropy of softmax over the classes (equation 2.2), hits, and the gradient of the logits.

    After `forward`: `loss` (cells,) in nats summed over the batch, `hits` (cells,) right answers.
    """

    def __init__(self, logits: Plane, d: Plane, labels: Tensor):
        cells, _, batch = logits.view.shape
        highest, picked, total = (Plane(cells, 1, batch, logits.flat) for _ in range(3))
        self.answers = torch.empty(cells, 1, batch, dtype=torch.long)
        self.loss, self.hits = logits.flat.new_zeros(cells), torch.zeros(cells, dtype=torch.long)
        right, minus = torch.empty(cells, 1, batch, dtype=torch.bool), logits.flat.new_full((cells, 1, batch), -1)
        self.forward: list[Call] = [
            # NaN is highest, so all-NaN logits answer class 0, as argmax does
            partial(torch.max, logits.view, 1, keepdim=True, out=(highest.view, self.answers)),
            partial(torch.sub, logits.view, highest.view, out=d.view),
            partial(torch.gather, d.view, 1, labels, out=picked.view),
            d.flat.exp_,
            partial(torch.sum, d.view, 1, keepdim=True, out=total.view),
            partial(torch.log, total.flat, out=highest.flat),
            partial(highest.flat.sub_, picked.flat),
            partial(torch.sum, highest.view[:, 0], -1, out=self.loss),
            partial(torch.eq, self.answers, labels, out=right),
            partial(torch.sum, right[:, 0], -1, out=self.hits),
        ]
        self.backward: list[Call] = [  # (softmax - one hot) / batch
            partial(d.view.div_, total.view),
            partial(d.view.scatter_add_, 1, labels, minus),
            partial(d.flat.mul_, 1 / batch),
        ]


class Network:
    """A stack of `cells` networks of one shape, for batches of `batch` images.

    groups    sizes of consecutive groups of cells; a group's cells see the same images
    point     (cells, layout.size) parameters; running (cells, layout.running_size)
    gradient  (cells, layout.size) where gradients go; None builds a network for evaluation, which normalizes
              by `running`

    Put a batch into `images` (for each group (batch, inputs)) and `labels` (cells, 1, batch) and call `forward`.
    Then `pre[i]` and `active[i]` are what enters and leaves the nonlinearity of hidden layer i, `logits` the last
    plane, `loss` its SoftmaxLoss. `statistics` (cells, norms, 2, units) are the batch's means and biased variances.
    """

    def __init__(self, cell: Cell, layout: Layout, groups: Sequence[int], batch: int, point: Tensor, running: Tensor,
                 gradient: Tensor | None = None, dropout: bool = True):  # fmt: skip
        self.cell, self.batch, self.cells, self._like = cell, batch, len(point), point
        self._training = gradient is not None
        self._parameters, self._running = views(point, layout.parameters), views(running, layout.running)
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
        self._track: list[Call] = []
        self._build([shape[0] for shape in shapes])

    def forward(self) -> None:
        for call in self._forward:
            call()

    def backward(self) -> None:
        """Put the gradients of the data loss where `gradient` is. Only after `forward`."""
        for call in self._backward:
            call()

    def track(self) -> None:
        """Take the batch's statistics into the running averages, the variance as the unbiased one."""
        for call in self._track:
            call()

    def _plane(self, units: int) -> Plane:
        return Plane(self.cells, units, self.batch, self._like)

    def _build(self, widths: Sequence[int]) -> None:
        x = below = None
        self._work = {n: self._plane(n) for n in set(widths)}
        for i, units in enumerate(widths):
            z, d = self._plane(units), self._plane(units)
            self._linear(i, x, z)
            if i < self.hidden:
                out, backward = self._nonlinear(i, z, d)
            else:
                self.logits, self.loss = z, SoftmaxLoss(z, d, self.labels)
                self._forward += self.loss.forward
                out, backward = z, self.loss.backward
            if self._training:
                self._backward = backward + self._linear_backward(i, x, d, below) + self._backward
            x, below = out, d

    def _linear(self, i: int, x: Plane | None, z: Plane) -> None:
        """z = W x + b."""
        weight, bias = (self._parameters[f"blocks.{i}.layer.{n}"] for n in ("weight", "bias"))
        if x is not None:
            self._forward.append(partial(torch.bmm, weight, x.view, out=z.view))
        for group, images in zip(self._groups, self.images, strict=True) if x is None else ():
            shared = images.t().expand(group.stop - group.start, -1, -1)
            self._forward.append(partial(torch.bmm, weight[group], shared, out=z.view[group]))
        self._forward.append(partial(z.view.add_, bias.unsqueeze(2)))

    def _linear_backward(self, i: int, x: Plane | None, d: Plane, below: Plane | None) -> list[Call]:
        """dJ/dW = d x^T, dJ/db = d 1, and dJ/dx = W^T d for the layer below."""
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

    def _nonlinear(self, i: int, z: Plane, d: Plane) -> tuple[Plane, list[Call]]:
        """What follows the linear part of hidden layer i: the plane that leaves it, and the calls of its backward."""
        units, backward = z.view.shape[1], []
        normed = self.cell.norm == "batch"
        if normed and self.cell.norm_placement == "pre_activation":
            z, backward = self._norm(i, z, d)
        a = self._plane(units)
        put, pull = ACTIVATIONS[self.cell.activation]
        self._forward += put(z.flat, a.flat)
        self.pre.append(z)
        self.active.append(a)
        out, backward = a, [pull(d.flat, z.flat, a.flat), *backward]
        if normed and self.cell.norm_placement == "post_activation":
            out, norm_backward = self._norm(i, a, d)
            backward = norm_backward + backward
        if self._dropout and (self.cell.dropout_at != "last" or i == self.hidden - 1):
            mask, kept = self._plane(units), self._plane(units)
            self.masks[f"hidden{i + 1}"] = mask
            self._forward.append(partial(torch.mul, out.flat, mask.flat, out=kept.flat))
            out, backward = kept, [partial(d.flat.mul_, mask.flat), *backward]
        return out, backward

    def _norm(self, i: int, x: Plane, d: Plane) -> tuple[Plane, list[Call]]:
        prefix = f"blocks.{i}.norm."
        norm = BatchNorm(x, self._parameters[prefix + "weight"], self._parameters[prefix + "bias"], self.cell.norm_eps)
        running = self._running[prefix + "running_mean"], self._running[prefix + "running_var"]
        if not self._training:
            self._forward += norm.evaluate(*running)
            return norm.y, []
        self._forward += norm.train()
        self._track += norm.track(*running, self.cell.norm_momentum)
        to = self._gradient[prefix + "weight"], self._gradient[prefix + "bias"]
        return norm.y, norm.backward(d, self._work[x.view.shape[1]], *to)
