"""Batch and layer normalization of X (S, M): S samples, M features."""

import numpy as np

from bnstudy.networks.byhand.module import Array, Module


class BatchNorm(Module):
    """mu_j = mean_s X_sj; var_j = mean_s (X_sj - mu_j)^2; H = (X - mu) / sqrt(var + eps); Y = gamma * H + beta.

        dL/dgamma_j = sum_s G_sj H_sj        dL/dbeta_j = sum_s G_sj
        dL/dX_rj = gamma_j / (S sqrt(var_j + eps)) * (S G_rj - sum_s G_sj - H_rj sum_s G_sj H_sj)

    From dmu_j/dX_rj = 1/S and dvar_j/dX_rj = (2/S) (X_rj - mu_j). Lindt's last line is this one, though a line before
    it lacks a root. Knigge's last line keeps the indices i and s on terms where they must be j and r.

    In evaluation mu and var are the running averages. A training batch updates these in place with weight `momentum`,
    using the unbiased variance, var S / (S - 1). `weight` is gamma, `bias` is beta, each (M,).
    """

    def __init__(
        self, weight: Array, bias: Array, running: tuple[Array, Array], eps: float = 1e-5, momentum: float = 0.1
    ):
        super().__init__(weight=weight, bias=bias)
        self.running_mean, self.running_var = running
        self.eps, self.momentum = float(eps), float(momentum)

    def forward(self, x: Array) -> Array:
        mean, var = self._batch_statistics(x) if self.training else (self.running_mean, self.running_var)
        self._scale = 1 / np.sqrt(var + self.eps)
        self._h = (x - mean) * self._scale
        return self.parameters["weight"] * self._h + self.parameters["bias"]

    def backward(self, g: Array) -> Array:
        dgamma, dbeta, n = (g * self._h).sum(0), g.sum(0), len(g)
        self.gradients = {"weight": dgamma, "bias": dbeta}
        factor = self.parameters["weight"] * self._scale
        if not self.training:
            return factor * g  # mu and var are constants
        return factor / n * (n * g - dbeta - self._h * dgamma)

    def _batch_statistics(self, x: Array) -> tuple[Array, Array]:
        n = len(x)
        if n < 2:
            raise ValueError("batch normalization needs at least two samples to train on")
        mean = x.mean(0)
        var = ((x - mean) ** 2).mean(0)
        self.running_mean += self.momentum * (mean - self.running_mean)
        self.running_var += self.momentum * (n / (n - 1) * var - self.running_var)
        return mean, var


class LayerNorm(Module):
    """mu_s = mean_m X_sm; var_s = mean_m (X_sm - mu_s)^2; H = (X - mu) / sqrt(var + eps); Y = gamma * H + beta.

        dL/dgamma = 1^T (G * H)        dL/dbeta = 1^T G
        with D = G * gamma:  dL/dX_ri = (D_ri - (1/M) sum_j D_rj - (1/M) H_ri sum_j H_rj D_rj) / sqrt(var_r + eps)

    Soons writes the mean with a stray minus mu and calls the variance sigma; his result is this one. Nothing depends on
    other samples, so training and evaluation are the same. `weight` is gamma, `bias` is beta, each (M,).
    """

    def __init__(self, weight: Array, bias: Array, eps: float = 1e-5):
        super().__init__(weight=weight, bias=bias)
        self.eps = float(eps)

    def forward(self, x: Array) -> Array:
        centred = x - x.mean(1, keepdims=True)
        self._scale = 1 / np.sqrt((centred**2).mean(1, keepdims=True) + self.eps)
        self._h = centred * self._scale
        return self.parameters["weight"] * self._h + self.parameters["bias"]

    def backward(self, g: Array) -> Array:
        self.gradients = {"weight": (g * self._h).sum(0), "bias": g.sum(0)}
        d = g * self.parameters["weight"]
        return self._scale * (d - d.mean(1, keepdims=True) - self._h * (d * self._h).mean(1, keepdims=True))
