"""What is measured of layers during an epoch (thesis 5.2, 5.3, 7.1.6): moments at evenly spaced steps.

The thesis's author logged every batch; 16 steps an epoch give nearly the same curves at a fraction of the time, but
not what begins and ends between two of them.
"""

import torch
from torch import Tensor

from bnstudy.record import MEASURED, MOMENTS

SAMPLES = 16
SATURATED = 0.45  # |sigmoid - 0.5| above this counts as saturated


def sampled_steps(batches: int, samples: int = SAMPLES) -> frozenset[int]:
    """Indices of evenly spaced steps among `batches`: the middles of `samples` equal parts."""
    count = min(samples, batches)
    return frozenset((2 * i + 1) * batches // (2 * count) for i in range(count))


def moments(values: Tensor) -> Tensor:
    """MOMENTS of each row: (cells, entries) -> (6, cells). Signed mean, mean absolute value, population
    standard deviation, minimum, maximum, L2 norm."""
    n = values.shape[1]
    norm = torch.linalg.vector_norm(values, dim=1)
    mean = values.mean(1)
    mean_abs = torch.linalg.vector_norm(values, ord=1, dim=1) / n
    deviation = torch.linalg.vector_norm(values - mean[:, None], dim=1) / n**0.5
    low, high = torch.aminmax(values, dim=1)
    return torch.stack([mean, mean_abs, deviation, low, high, norm])


class Sampled:
    """Moments collected over the sampled steps of one epoch, for `cells` cells with `layers` layers.

    Over steps: minimum of min, maximum of max, mean of the rest. Absent measurements stay NaN. `add` decides
    nothing on the host, so that a CUDA graph can hold it.
    """

    def __init__(self, cells: int, layers: int, device: str | torch.device = "cpu"):
        self._sum = torch.empty(len(MEASURED), len(MOMENTS), cells, layers, device=device)
        self._steps = torch.empty(len(MEASURED), layers, dtype=torch.long, device=device)
        self._shares = torch.empty(2, cells, layers, device=device)
        self.tensors = (self._sum, self._steps, self._shares)
        self.reset()

    def reset(self) -> None:
        """Begin a new epoch, in place."""
        for tensor in self.tensors:
            tensor.zero_()
        self._sum[:, MOMENTS.index("min")] = torch.inf
        self._sum[:, MOMENTS.index("max")] = -torch.inf

    def add(self, what: str, layer: int, values: Tensor) -> None:
        """Add one step's `values` (cells, entries) of measurement `what` (one of MEASURED) at `layer`."""
        w, new = MEASURED.index(what), moments(values)
        total = self._sum[w, :, :, layer]
        low, high = torch.minimum(total[3], new[3]), torch.maximum(total[4], new[4])
        total += new
        total[3], total[4] = low, high
        self._steps[w, layer] += 1
        if what == "activation":
            self._shares[0, :, layer] += (values == 0).float().mean(1)
            self._shares[1, :, layer] += ((values - 0.5).abs() > SATURATED).float().mean(1)

    def columns(self, dead_share: Tensor, saturating: bool) -> dict[str, Tensor]:
        """LAYER_COLUMNS of the epoch, each (cells, layers); `dead_share` (cells, layers) is put beside them."""
        steps = self._steps
        mean = self._sum / steps.clamp(min=1)[:, None, None, :]
        mean[:, 3:5] = self._sum[:, 3:5]
        mean[(steps == 0)[:, None, None, :].expand_as(mean)] = torch.nan
        out = {f"{w}.{m}": mean[i, j] for i, w in enumerate(MEASURED) for j, m in enumerate(MOMENTS)}
        shares = self._shares / steps[1].clamp(min=1)
        out["zero_share"], out["dead_share"] = shares[0], dead_share
        if saturating:
            out["saturated_share"] = shares[1]
        return out
