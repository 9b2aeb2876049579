"""The norms of the packed engine: forward and backward as lists of torch calls (docs/derivation.md)."""

from functools import partial

import torch
from torch import Tensor

from bnstudy.training.engine.packed.layout import Call, Plane


class BatchNorm:
    """Equation 3.1 for one layer: y = gamma h + beta, h = (x - mean) / sqrt(var + eps), and its gradients.

    `mean` and `variance` (cells, padded units) are computed from the batch in training, given in evaluation.
    """

    def __init__(
        self, x: Plane, work: Plane, parameters: tuple[Tensor, Tensor], moments: tuple[Tensor, Tensor], eps: float
    ):
        cells, self.units, batch = x.view.shape
        self.x, self.work = x, work
        self.gamma, self.beta = parameters
        self.mean, self.variance = moments
        self.y, self.h = (Plane(cells, self.units, batch, x.flat) for _ in range(2))
        self.inverse, self.factor, self.row = (torch.zeros_like(self.mean).contiguous() for _ in range(3))
        # numbers as tensors: a Python number takes torch twice as long
        self.eps, self.share = x.flat.new_tensor(eps), x.flat.new_tensor(1 / batch)
        self.ones = x.flat.new_ones(batch, 1).expand(cells, -1, -1)
        self.shares = (x.flat.new_ones(batch, 1) / batch).expand(cells, -1, -1)

    def _wide(self, row: Tensor) -> Tensor:
        """Return a row (cells, padded units) in the shape that broadcasts over a batch."""
        return row[:, : self.units].unsqueeze(2)

    def train(self) -> list[Call]:
        return [
            partial(torch.bmm, self.x.view, self.shares, out=self._wide(self.mean)),
            partial(torch.sub, self.x.view, self._wide(self.mean), out=self.h.view),
            partial(torch.mul, self.h.flat, self.h.flat, out=self.work.flat),
            partial(torch.bmm, self.work.view, self.shares, out=self._wide(self.variance)),
            *self._scaled(),
        ]

    def evaluate(self) -> list[Call]:
        return [partial(torch.sub, self.x.view, self._wide(self.mean), out=self.h.view), *self._scaled()]

    def _scaled(self) -> list[Call]:
        return [
            partial(torch.add, self.variance, self.eps, out=self.inverse),
            self.inverse.rsqrt_,
            partial(self.h.view.mul_, self._wide(self.inverse)),
            partial(torch.mul, self.h.view, self.gamma.unsqueeze(2), out=self.y.view),
            partial(self.y.view.add_, self.beta.unsqueeze(2)),
        ]

    def backward(self, d: Plane, to_gamma: Tensor, to_beta: Tensor) -> list[Call]:
        """Return calls that turn d from dJ/dy into dJ/dx and write the gradients of gamma and beta."""
        units, work, row = self.units, self.work, self.row[:, : self.units]
        return [
            partial(torch.bmm, d.view, self.ones, out=to_beta.unsqueeze(2)),
            partial(torch.mul, d.flat, self.h.flat, out=work.flat),
            partial(torch.bmm, work.view, self.ones, out=to_gamma.unsqueeze(2)),
            partial(torch.mul, to_gamma, self.share, out=row),
            partial(torch.mul, self.h.view, row.unsqueeze(2), out=work.view),
            partial(d.flat.sub_, work.flat),
            partial(torch.mul, to_beta, self.share, out=row),
            partial(d.view.sub_, row.unsqueeze(2)),
            partial(torch.mul, self.inverse[:, :units], self.gamma, out=self.factor[:, :units]),
            partial(d.view.mul_, self._wide(self.factor)),
        ]


class ImageNorm:
    """Layer, group or RMS norm of one layer: y = gamma h + beta, h = (x - mean) / sqrt(var + eps), and its gradients.

    Mean and variance are those of each of `groups` equal groups of units of an image, in training and in evaluation.
    RMS norm is not `centred`: its mean counts as 0. It has no beta.
    """

    def __init__(
        self, x: Plane, work: Plane, gamma: Tensor, beta: Tensor | None, groups: int, centred: bool, eps: float
    ):
        cells, units, batch = x.view.shape
        self.x, self.work, self.gamma, self.beta, self.centred = x, work, gamma, beta, centred
        self.y, self.h = (Plane(cells, units, batch, x.flat) for _ in range(2))
        self.mean, self.inverse, self.product = (Plane(cells, groups, batch, x.flat) for _ in range(3))
        self.eps, self.groups = x.flat.new_tensor(eps), groups
        self.ones = x.flat.new_ones(batch, 1).expand(cells, -1, -1)
        shares = torch.eye(groups).repeat_interleave(units // groups, 1).to(x.flat) * groups / units
        self.shares = shares.expand(cells, -1, -1)  # times a plane: the mean of each group
        self.scaled = Plane(cells, groups, units, x.flat).view  # shares times gamma

    def _grouped(self, plane: Plane) -> Tensor:
        return plane.view.unflatten(1, (self.groups, -1))

    def forward(self) -> list[Call]:
        source = self.h if self.centred else self.x
        calls: list[Call] = [
            partial(torch.mul, source.flat, source.flat, out=self.work.flat),
            partial(torch.bmm, self.shares, self.work.view, out=self.inverse.view),
            partial(self.inverse.flat.add_, self.eps),
            self.inverse.flat.rsqrt_,
            partial(torch.mul, self._grouped(source), self.inverse.view.unsqueeze(2), out=self._grouped(self.h)),
            partial(torch.mul, self.h.view, self.gamma.unsqueeze(2), out=self.y.view),
        ]
        if self.centred:
            mean = self.mean.view
            calls = [
                partial(torch.bmm, self.shares, self.x.view, out=mean),
                partial(torch.sub, self._grouped(self.x), mean.unsqueeze(2), out=self._grouped(self.h)),
                *calls,
            ]
        return calls if self.beta is None else [*calls, partial(self.y.view.add_, self.beta.unsqueeze(2))]

    def backward(self, d: Plane, to_gamma: Tensor, to_beta: Tensor | None) -> list[Call]:
        """Return calls that turn d from dJ/dy into dJ/dx and write the gradients of gamma and beta."""
        work, mean, product = self.work, self.mean.view, self.product.view
        calls: list[Call] = [
            partial(torch.mul, d.flat, self.h.flat, out=work.flat),
            partial(torch.bmm, work.view, self.ones, out=to_gamma.unsqueeze(2)),
            partial(torch.mul, self.shares, self.gamma.unsqueeze(1), out=self.scaled),
            partial(torch.bmm, self.scaled, work.view, out=product),
            partial(torch.mul, self._grouped(self.h), product.unsqueeze(2), out=self._grouped(work)),
        ]
        if to_beta is not None:
            calls.append(partial(torch.bmm, d.view, self.ones, out=to_beta.unsqueeze(2)))
        if self.centred:
            calls.append(partial(torch.bmm, self.scaled, d.view, out=mean))
        calls += [partial(d.view.mul_, self.gamma.unsqueeze(2)), partial(d.flat.sub_, work.flat)]
        if self.centred:
            calls.append(partial(self._grouped(d).sub_, mean.unsqueeze(2)))
        return [*calls, partial(self._grouped(d).mul_, self.inverse.view.unsqueeze(2))]
