"""Batch normalization from its formulas (equation 3.1), once for autograd and once with a backward pass by hand."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

Normed = tuple[Tensor, Tensor, Tensor]
"""The output, and the mean and biased variance of each feature over the batch."""


class FormulaBatchNorm(_BatchNorm):
    """Inputs (N, features) or (N, features, H, W). torch's class only holds parameters and running averages.

    The values of a feature map at all positions of all images are samples of one feature, so both kinds of input are
    treated as rows (samples, features).
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def normalize(self, x: Tensor) -> Normed:
        """Normalize rows (samples, features) by their own statistics, scale and shift them."""
        raise NotImplementedError

    def forward(self, input: Tensor) -> Tensor:  # torch's name of the argument
        last = input.movedim(1, -1).to(self.weight.dtype)  # autocast makes layers return bf16; keep float32
        rows = last.reshape(-1, self.num_features)
        if self.training:
            y, mean, var = self.normalize(rows)
            self._average(mean.detach(), var.detach(), len(rows))
        else:
            y = (rows - self.running_mean) / torch.sqrt(self.running_var + self.eps) * self.weight + self.bias
        return y.reshape(last.shape).movedim(-1, 1)

    @torch.no_grad()
    def _average(self, mean: Tensor, var: Tensor, samples: int) -> None:
        """Move the running averages by `momentum`, or make them plain averages over the batches if it is None."""
        if samples < 2:
            raise ValueError("batch normalization needs at least two samples to train on")
        self.num_batches_tracked += 1
        rate = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean += rate * (mean - self.running_mean)
        self.running_var += rate * (samples / (samples - 1) * var - self.running_var)

    def _check_input_dim(self, input: Tensor) -> None:
        """torch calls this in its own forward pass; here any number of positions is valid."""


class BatchAutograd(FormulaBatchNorm):
    """Knigge and Lindt 3.1: the forward pass as printed, differentiated by autograd."""

    def normalize(self, x: Tensor) -> Normed:
        mean = x.mean(0)
        var = (x - mean).square().mean(0)
        return self.weight * (x - mean) / torch.sqrt(var + self.eps) + self.bias, mean, var


class BatchManual(FormulaBatchNorm):
    """Knigge and Lindt 3.2: the module around `BatchFunction`."""

    def normalize(self, x: Tensor) -> Normed:
        return BatchFunction.apply(x, self.weight, self.bias, self.eps)  # type: ignore[return-value]


class BatchFunction(torch.autograd.Function):
    """With G = dL/dY, H the normalized input and B samples, for each feature:

    dgamma = sum_s G_s H_s;  dbeta = sum_s G_s;  dX_r = gamma / (B sqrt(var + eps)) * (B G_r - dbeta - H_r dgamma).

    (Lindt's last line. Knigge's has i and s on some terms where the indices must be j and r.)
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Normed:
        mean = x.mean(0)
        var = (x - mean).square().mean(0)
        scale = torch.rsqrt(var + eps)
        h = (x - mean) * scale
        ctx.save_for_backward(h, scale, gamma)
        ctx.mark_non_differentiable(mean, var)
        return gamma * h + beta, mean, var

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        g, (h, scale, gamma) = gradients[0], ctx.saved_tensors
        dgamma, dbeta, n = (g * h).sum(0), g.sum(0), len(g)
        return gamma * scale / n * (n * g - dbeta - h * dgamma), dgamma, dbeta, None
