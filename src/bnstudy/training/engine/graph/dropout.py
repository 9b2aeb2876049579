"""Dropout whose masks are drawn on the device: a graph cannot hold masks that come from the host.

One generator per run is seeded by ("dropout", seed) and serves the layers in forward order, step by step. Its
counter (Philox) advances by the same amount at every step, so a mask still is a function of seed, layer and
step alone, and the counter is all a checkpoint needs. The bits differ from `models.block.dropout_mask` on
the CPU; the two agree statistically.
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
    """Replace the dropouts of all blocks, in place; the generator they share."""
    generator = torch.Generator(device).manual_seed(random_streams.stream_seed("dropout", int(seed)))
    for block in model.blocks:
        if isinstance(block.dropout, Dropout):
            block.dropout = DrawnDropout(block.dropout, generator)
    return generator
