"""What is measured of layers during an epoch (thesis 5.2, 5.3, 7.1.6): moments at evenly spaced steps.

The thesis's author logged every batch; 16 steps an epoch give nearly the same curves at a fraction of the time, but
miss what begins and ends between two of them. Gradients explode within the first steps (7.1.2), so those of the first
epoch are sampled more densely and kept apart.

Both `Sampled` and `Early` are watchers: `add(what, layer, values)` takes one step's values.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from bnstudy.results.record import EARLY_COLUMNS, MEASURED, MOMENTS

SAMPLES = 16
LOW, HIGH = MOMENTS.index("min"), MOMENTS.index("max")
SATURATED = 0.45  # |sigmoid - 0.5| above this counts as saturated
DENSE = 20  # steps at the start that are all sampled


def sampled_steps(batches: int, samples: int = SAMPLES) -> frozenset[int]:
    """Return the indices of evenly spaced steps among `batches`: the middles of `samples` equal parts."""
    count = min(samples, batches)
    return frozenset((2 * i + 1) * batches // (2 * count) for i in range(count))


def early_steps(batches: int) -> list[int]:
    """Return the indices of the sampled steps of a first epoch: the first DENSE, then each 1.5 times as late."""
    steps, number = list(range(min(DENSE, batches))), DENSE
    while (number := number + number // 2) <= batches:
        steps.append(number - 1)
    return steps


class Watcher(Protocol):
    """Something that takes the measurements of a step."""

    def add(self, what: str, layer: int, values: Tensor) -> None:
        """Take one step's `values` (cells, entries) of measurement `what` (one of MEASURED) at `layer`."""
        ...


def moments(values: Tensor) -> Tensor:
    """Return MOMENTS of each row: (cells, entries) -> (6, cells). Signed mean, mean absolute value, population
    standard deviation, minimum, maximum, L2 norm."""
    n = values.shape[1]
    norm = torch.linalg.vector_norm(values, dim=1)
    mean = values.mean(1)
    mean_abs = values.abs().sum(1) / n  # a norm of order 1, and both extremes in one call, take ten times as long
    deviation = torch.linalg.vector_norm(values - mean[:, None], dim=1) / n**0.5
    return torch.stack([mean, mean_abs, deviation, values.amin(1), values.amax(1), norm])


def share(test: Callable[..., Tensor], values: Tensor, limit: float) -> Tensor:
    """Share of entries that pass a test such as `torch.gt` against the limit: (cells, entries) -> (cells,).

    The answers go into floats: torch takes five times as long to fill a tensor of booleans.
    """
    return test(values, limit, out=torch.empty_like(values)).mean(1)


class Sampled:
    """Moments collected over the sampled steps of one epoch, for `cells` cells with `layers` layers.

    Over steps: minimum of min, maximum of max, mean of the rest. Absent measurements stay NaN. `add` decides
    nothing on the host, so that a CUDA graph can hold it.
    """

    def __init__(self, cells: int, layers: int, device: str | torch.device = "cpu", saturating: bool = False):
        self._saturating = saturating  # the share of saturated entries is for sigmoids alone
        places = len(MEASURED), layers
        self._sum = torch.empty(*places, len(MOMENTS), cells, device=device)  # rows of extremes are not used
        self._low, self._high = (torch.empty(*places, cells, device=device) for _ in range(2))
        self._steps = torch.empty(places, dtype=torch.long, device=device)
        self._shares = torch.empty(2, layers, cells, device=device)
        self.tensors = (self._sum, self._low, self._high, self._steps, self._shares)
        self._places = {
            (what, layer): (self._sum[i, layer], self._low[i, layer], self._high[i, layer], self._steps[i, layer])
            for i, what in enumerate(MEASURED)
            for layer in range(layers)
        }
        self.reset()

    def reset(self) -> None:
        """Begin a new epoch, in place."""
        for tensor in self.tensors:
            tensor.zero_()
        self._low.fill_(torch.inf)
        self._high.fill_(-torch.inf)

    def add(self, what: str, layer: int, values: Tensor) -> None:
        """Add one step's `values` (cells, entries) of measurement `what` (one of MEASURED) at `layer`."""
        new = moments(values)
        total, low, high, steps = self._places[what, layer]
        total += new
        torch.minimum(low, new[LOW], out=low)
        torch.maximum(high, new[HIGH], out=high)
        steps += 1
        if what == "activation":
            self._shares[0, layer] += share(torch.eq, values, 0)
            if self._saturating:
                self._shares[1, layer] += share(torch.gt, (values - 0.5).abs_(), SATURATED)

    def columns(self, dead_share: Tensor) -> dict[str, Tensor]:
        """Return LAYER_COLUMNS of the epoch, each (cells, layers); `dead_share` (cells, layers) becomes one of them."""
        steps = self._steps[:, :, None]
        mean = self._sum / steps.clamp(min=1)[..., None]
        # amin of 0 and -0 is one or the other, depending on where they are in memory; -0 + 0 is 0
        mean[:, :, LOW], mean[:, :, HIGH] = self._low + 0.0, self._high + 0.0
        mean[self._steps == 0] = torch.nan
        out = {f"{w}.{m}": mean[i, :, j].t() for i, w in enumerate(MEASURED) for j, m in enumerate(MOMENTS)}
        shares = self._shares / steps[MEASURED.index("activation")].clamp(min=1)
        out["zero_share"], out["dead_share"] = shares[0].t(), dead_share
        if self._saturating:
            out["saturated_share"] = shares[1].t()
        return out


class Early:
    """EARLY_COLUMNS at the sampled steps of a first epoch of `batches` steps, for `cells` cells with `layers` layers.

    Only steps whose index is in `steps` are watched; after such a step call `keep`. A step that was never kept stays
    NaN. `add` writes to a fixed place and decides nothing on the host, so a CUDA graph can hold it; `keep` comes after.
    """

    def __init__(self, cells: int, layers: int, batches: int, device: str | torch.device = "cpu"):
        self.steps = early_steps(batches)
        self.now = torch.full((len(EARLY_COLUMNS), cells, layers), torch.nan, device=device)
        self._kept = torch.full((len(self.steps), *self.now.shape), torch.nan, device=device)
        self._losses = torch.full((len(self.steps), cells), torch.nan, dtype=torch.float64, device=device)

    def add(self, what: str, layer: int, values: Tensor) -> None:
        """Take one step's weight gradients or activations (cells, entries); other measurements are ignored."""
        if what == "weight_grad":
            sizes = values.abs()
            self.now[0, :, layer] = sizes.sum(1) / values.shape[1]
            self.now[1, :, layer] = sizes.amax(1)
        elif what == "activation":
            self.now[2, :, layer] = share(torch.eq, values, 0).masked_fill(values.amax(1).isnan(), torch.nan)

    def keep(self, index: int, losses: Tensor) -> None:
        """Keep what was added at the step with this index, and its data losses (cells,)."""
        row = self.steps.index(index)
        self._kept[row].copy_(self.now)
        self._losses[row].copy_(losses)

    def keep_lost(self, index: int, losses: Tensor) -> None:
        """Keep NaN for the step with this index: nothing was added, since every weight is NaN."""
        self.now.fill_(torch.nan)
        self.keep(index, losses)

    def columns(self, cell: int = 0) -> dict[str, Tensor]:
        """Return a cell's `Record.early`: step (from 1), data_loss (steps,) and EARLY_COLUMNS, each (steps, layers)."""
        head = {"step": torch.tensor(self.steps) + 1, "data_loss": self._losses[:, cell]}
        return head | {name: self._kept[:, i, cell] for i, name in enumerate(EARLY_COLUMNS)}
