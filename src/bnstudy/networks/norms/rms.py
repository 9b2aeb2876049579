"""Root mean square normalization of feature maps, which torch has for units alone."""

import torch
from torch import Tensor, nn


class MapsRMSNorm(nn.Module):
    """Input (N, features, H, W): divides each image by the root of the mean square of all its values, then scales each
    map by `weight` (features,), which is None if not `affine`."""

    def __init__(self, features: int, eps: float, affine: bool = True):
        super().__init__()
        self.features, self.eps = features, eps
        self.weight = nn.Parameter(torch.ones(features)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        y = x * torch.rsqrt(x.square().mean((1, 2, 3), keepdim=True) + self.eps)
        return y if self.weight is None else y * self.weight[:, None, None]

    def extra_repr(self) -> str:
        return f"{self.features}, eps={self.eps}"
