"""Layer normalization from its formulas (Soons 3), once for autograd and once with a backward pass by hand."""

from typing import Any

import torch
from torch import Tensor, nn


class FormulaLayerNorm(nn.Module):
    """Inputs (N, features) or (N, features, H, W): statistics over all values of an image, and for each feature or
    map a scale `weight` and a shift `bias`, both (features,)."""

    def __init__(self, features: int, eps: float):
        super().__init__()
        self.eps = eps
        self.weight, self.bias = nn.Parameter(torch.ones(features)), nn.Parameter(torch.zeros(features))

    def normalize(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        """Normalize x (N, features, positions); gamma and beta are (features, 1)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        values = x.flatten(2) if x.dim() > 2 else x[:, :, None]
        values = values.to(self.weight.dtype)  # autocast makes layers return bf16; keep float32
        return self.normalize(values, self.weight[:, None], self.bias[:, None]).reshape(x.shape)

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, eps={self.eps}"


class LayerAutograd(FormulaLayerNorm):
    """Soons 3.1, without the minus mu in his formula of the mean: differentiated by autograd."""

    def normalize(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        mean = x.mean((1, 2), keepdim=True)
        var = (x - mean).square().mean((1, 2), keepdim=True)  # Soons calls it sigma
        return gamma * (x - mean) / torch.sqrt(var + self.eps) + beta


class LayerManual(FormulaLayerNorm):
    """Soons 3.2: the module around `LayerFunction`."""

    def normalize(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        return LayerFunction.apply(x, gamma, beta, self.eps)  # type: ignore[return-value]


class LayerFunction(torch.autograd.Function):
    """With G = dL/dY, H the normalized input and D = G * gamma, means over the values of one image:

    dgamma = sum G * H and dbeta = sum G over images and positions;
    dX = (D - mean(D) - H * mean(D * H)) / sqrt(var + eps).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
        centred = x - x.mean((1, 2), keepdim=True)
        scale = torch.rsqrt(centred.square().mean((1, 2), keepdim=True) + eps)
        h = centred * scale
        ctx.save_for_backward(h, scale, gamma)
        return gamma * h + beta

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        g, (h, scale, gamma) = gradients[0], ctx.saved_tensors
        d = g * gamma
        dx = scale * (d - d.mean((1, 2), keepdim=True) - h * (d * h).mean((1, 2), keepdim=True))
        return dx, (g * h).sum((0, 2))[:, None], g.sum((0, 2))[:, None], None
