"""Softmax and cross-entropy: separate, as the reports derive them, and combined, as used in training."""

import numpy as np

from bnstudy.networks.byhand.module import Array, Module


class Softmax(Module):
    """Y_in = exp(X_in) / sum_k exp(X_ik), for X (S, N); the row's maximum is subtracted first, so nothing overflows.

    dY_k/dX_j = Y_k ([k = j] - Y_j), so dL/dX_ij = sum_n G_in Y_in ([j = n] - Y_ij) = Y_ij (G_ij - sum_n G_in Y_in).
    """

    def forward(self, x: Array) -> Array:
        e = np.exp(x - x.max(1, keepdims=True))
        self._y = e / e.sum(1, keepdims=True)
        return self._y

    def backward(self, g: Array) -> Array:
        return self._y * (g - (g * self._y).sum(1, keepdims=True))


class CrossEntropy:
    """L = -(1/S) sum_s sum_k T_sk log X_sk, for probabilities X (S, N) and targets T (S, N), one-hot rows for classes.

    dL/dX = -(1/S) T / X.
    """

    def forward(self, x: Array, targets: Array) -> float:
        self._x, self._targets = x, targets
        logs = np.log(np.where(targets > 0, x, 1))  # 0 log 0 counts as 0
        return float(-(targets * logs).sum() / len(x))

    def backward(self) -> Array:
        x = np.where(self._targets > 0, self._x, 1)
        return -self._targets / x / len(x)


class SoftmaxCrossEntropy:
    """Cross-entropy of softmax, for logits X (S, N) and targets T (S, N) whose rows add up to 1.

    With Y = softmax(X) and m_s the row's maximum, log Y_sk = X_sk - m_s - log sum_j exp(X_sj - m_s) is finite even
    where Y is 0. The product of both Jacobians is dL/dX = (1/S) (Y - T), which Lindt writes for one sample as
    -t^T (I - 1 x^T) = x^T - t^T.
    """

    def forward(self, x: Array, targets: Array) -> float:
        shifted = x - x.max(1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        self._y, self._targets = np.exp(logs), targets
        return float(-(targets * logs).sum() / len(x))

    def backward(self) -> Array:
        return (self._y - self._targets) / len(self._y)
