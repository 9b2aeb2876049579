"""Dropout with masks drawn on the device: a graph cannot hold masks that come from the host.

One generator per run, seeded by ("dropout", seed), draws the masks of all layers in forward order, step after step. A
mask depends on the seed and on how many numbers are drawn before it and in which order a kernel writes them:

- the step, and the shapes of all masks so far: width, `batch_size`, `last_batch`, `dropout_at`, `dropout_kind`;
- memory layout, the GPU's number of multiprocessors, and torch's kernels.

It depends on nothing else: not on the norm, the activation, the rate, or runs side by side; `p` only sets the threshold
for the same numbers. So cells of one seed are paired if their masks have the same shapes. Validation draws nothing, and
measuring or capturing a step moves no mask. A checkpoint needs only the generator's state, and is continued only on the
same model of GPU.

Masks of `models.block.dropout_mask`, which the reference engine uses on every device, depend on seed, layer and step
alone. They have other bits and the same distribution.
"""

import torch
from torch import Tensor

from bnstudy.networks import random_streams
from bnstudy.networks.models.block import Dropout, Network, mask_shape


class DrawnDropout(Dropout):
    """Inverted dropout (2.12.3) with masks from `generator`, in the memory layout of the activations."""

    def __init__(self, of: Dropout, generator: torch.Generator):
        super().__init__(of.layer, of.p, of.kind)
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        like = x if self.kind == "units" else x.new_empty(mask_shape(x.shape, self.kind))
        kept = torch.empty_like(like, dtype=torch.float32).uniform_(generator=self.generator) >= self.p
        return x * kept.to(x.dtype).div_(1 - self.p)


def draw_on_device(model: Network, seed: int, device: str) -> torch.Generator:
    """Replace the dropouts of all blocks, in place; return the generator they share."""
    generator = torch.Generator(device).manual_seed(random_streams.stream_seed("dropout", int(seed)))
    for block in model.blocks:
        if isinstance(block.dropout, Dropout):
            block.dropout = DrawnDropout(block.dropout, generator)
    return generator
