"""The random streams. Each is a function of its purpose and a seed, never of the cell.

So cells of one seed are paired: they see the same batches, start from the same draws and drop the same
units, as they did with the author's single fixed seed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from bnstudy.lazy import torch


def stream_seed(purpose: str, *arguments: str | int | list[int] | None) -> int:
    """Return the first 63 bits of SHA-256 over the JSON of purpose and arguments."""
    digest = hashlib.sha256(json.dumps([purpose, *arguments]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(purpose: str, *arguments: str | int | list[int] | None) -> torch.Generator:
    """Return a CPU generator at the start of this stream. It costs some microseconds, so one per step is fine.

    torch keeps the low 32 bits of a CPU generator's seed: two given streams coincide with probability 2^-32.
    """
    return torch.Generator().manual_seed(stream_seed(purpose, *arguments))


def order(dataset: str, seed: int, epoch: int, n: int) -> torch.Tensor:
    """Return the order of `n` training images in an epoch (from 1): int64 permutation (n,)."""
    return torch.randperm(n, generator=stream("order", dataset, int(seed), int(epoch)))


def init_generator(seed: int, layer: str, shape: Sequence[int]) -> torch.Generator:
    """Return the stream that fills the parameter of this shape in this layer."""
    return stream("init", int(seed), layer, [int(size) for size in shape])


def dropout_generator(seed: int, layer: str, step: int) -> torch.Generator:
    """Return the stream of the dropout mask after this layer at this training step (counted over all epochs)."""
    return stream("dropout", int(seed), layer, int(step))


def dropconnect_generator(seed: int, layer: str, step: int) -> torch.Generator:
    """Return the stream of the mask on this layer's weights at this training step (counted over all epochs)."""
    return stream("dropconnect", int(seed), layer, int(step))


def augmentation_generator(seed: int, kind: str, step: int) -> torch.Generator:
    """Return the stream of one kind of augmentation at this training step (counted over all epochs)."""
    return stream("augment", int(seed), kind, int(step))


def split_generator(dataset: str, seed: int | None = None) -> torch.Generator:
    """Return the stream that chooses the validation images; without a seed all runs share one split."""
    return stream("split", dataset, None if seed is None else int(seed))
