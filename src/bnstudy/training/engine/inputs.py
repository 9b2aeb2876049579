"""What an engine trains on: the split (thesis 6.1) and the standardized images (6.2) of a cell."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from bnstudy.datasets import REGISTRY, Arrays
from bnstudy.design.cell import Cell
from bnstudy.design.rules import WHITENED, fold_bounds, train_part
from bnstudy.errors import UsageError
from bnstudy.networks import random_streams
from bnstudy.training.engine.whitening import whitening

if TYPE_CHECKING:
    from bnstudy.networks.models import ImageShape

CROP = slice(2, 30)  # the 28x28 of MNIST inside its zero padding
CHUNK = 1_000  # images whose squares are summed at once
KEPT = 2  # prepared inputs a process keeps


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inputs:
    """CPU tensors: images float32 (n, channels, height, width), standardized; labels int64 (n,), class indices.

    If no images are held out, validation and test images are the same tensors. `mean` and `std` (float64, of pixel
    values 0 to 255) are what was subtracted and divided by; `pca` and `zca` change the axes in between.
    """

    train_images: Tensor
    train_labels: Tensor
    validation_images: Tensor
    validation_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: int
    data_digest: str
    data_source: str
    mean: Tensor
    std: Tensor

    @property
    def shape(self) -> "ImageShape":
        from bnstudy.networks.models import ImageShape

        channels, height, width = self.train_images.shape[1:]
        return ImageShape(channels, height, width, self.classes)


_KEPT: OrderedDict[tuple[Any, ...], Inputs] = OrderedDict()


def prepare(cell: Cell, seed: int, arrays: Arrays) -> Inputs:
    """Return the inputs of a run. Runs that need the same inputs share a copy, while it is among the KEPT latest.

    Raises UsageError if `train_size` exceeds the number of training images.
    """
    split_seed = seed if cell.split_seed == "run" else None
    wanted = (
        arrays.digest, cell.dataset, split_seed, cell.split, cell.validation_fraction, cell.folds, cell.fold,
        cell.train_size,
        cell.standardization, cell.standardization_from, cell.mnist_size, cell.svhn_labels,
    )  # fmt: skip
    if wanted not in _KEPT:
        while len(_KEPT) >= KEPT:
            _KEPT.popitem(last=False)
        _KEPT[wanted] = _prepared(cell, split_seed, arrays)
    _KEPT.move_to_end(wanted)
    return _KEPT[wanted]


def _prepared(cell: Cell, split_seed: int | None, arrays: Arrays) -> Inputs:
    train, held_out = split(cell, split_seed, arrays.train_labels)
    pixels, test_pixels = _sized(cell, arrays.train_images), _sized(cell, arrays.test_images)
    measured = {
        "train_part": [pixels[train]],
        "train_set": [pixels[train], pixels[held_out]],
        "all": [pixels[train], pixels[held_out], test_pixels],
    }[cell.standardization_from]
    mean, std, standardize = _standardizer(measured, cell.standardization)
    del measured
    shift = cell.dataset == "svhn" and cell.svhn_labels == "digit"
    labels, test_labels = ((y + 1) % 10 if shift else y for y in (arrays.train_labels, arrays.test_labels))
    test = standardize(test_pixels), torch.from_numpy(test_labels)
    watched = (standardize(pixels[held_out]), torch.from_numpy(labels[held_out])) if len(held_out) else test
    return Inputs(
        train_images=standardize(pixels[train]),
        train_labels=torch.from_numpy(labels[train]),
        validation_images=watched[0],
        validation_labels=watched[1],
        test_images=test[0],
        test_labels=test[1],
        classes=REGISTRY[cell.dataset].classes,
        data_digest=arrays.digest,
        data_source=arrays.source,
        mean=mean,
        std=std,
    )


def split(cell: Cell, split_seed: int | None, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (train, validation): indices of training images, each in stored order.

    `train_size` limits them to the first images of a fixed random order. With `folds` the order that the split draws is
    cut into folds, and validation is one of them.
    """
    chosen = _chosen(cell, len(labels))
    count = len(chosen)
    part = train_part(cell, count)
    first, last = (part, count) if cell.folds is None else fold_bounds(cell, count)
    order = torch.randperm(count, generator=random_streams.split_generator(cell.dataset, split_seed)).numpy()
    if cell.split == "last":
        held_out = np.arange(first, last)
    elif cell.split == "random":
        held_out = order[first:last]
    else:
        by_class = order[np.argsort(labels[chosen][order], kind="stable")]
        spread = np.argsort(np.arange(count) % (cell.folds or 1), kind="stable")  # every k-th, then the next ones
        held_out = by_class[_evenly(count - part, count) if cell.folds is None else spread[first:last]]
    is_held_out = np.zeros(count, bool)
    is_held_out[held_out] = True
    return chosen[~is_held_out], chosen[is_held_out]


def _chosen(cell: Cell, count: int) -> np.ndarray:
    if cell.train_size is None:
        return np.arange(count)
    if cell.train_size > count:
        raise UsageError(f"train_size: {cell.train_size} of {count} training images", f"Give at most {count}.")
    order = torch.randperm(count, generator=random_streams.split_generator(cell.dataset, None)).numpy()
    return np.sort(order[: cell.train_size])


def _evenly(picks: int, count: int) -> np.ndarray:
    """Return `picks` evenly spaced positions among `count`; in a list sorted by class, each class gets its share."""
    return (np.arange(picks) * count + count // 2) // picks


def _sized(cell: Cell, images: np.ndarray) -> np.ndarray:
    if cell.dataset != "mnist" or cell.mnist_size == "pad":
        return images
    native = images[:, :, CROP, CROP]
    if cell.mnist_size == "native":
        return native
    from PIL import Image

    size, bilinear = images.shape[2:], Image.Resampling.BILINEAR
    return np.stack([np.asarray(Image.fromarray(image[0]).resize(size, bilinear)) for image in native])[:, None]


def _standardizer(blocks: list[np.ndarray], over: str) -> tuple[Tensor, Tensor, Callable[[np.ndarray], Tensor]]:
    """Return mean, standard deviation, and the function from uint8 images to network inputs."""
    if over in WHITENED:
        whiten = whitening(blocks, moments(blocks, "mean_image")[0], over == "zca")
        return whiten.mean, whiten.std, whiten
    mean, std = moments(blocks, over)
    return mean, std, lambda pixels: _standardized(pixels, mean, std)


def moments(blocks: list[np.ndarray], over: str) -> tuple[Tensor, Tensor]:
    """Return mean and population standard deviation (float64) of uint8 images, each block (n, channels, height, width).

    Shapes: () for `scalar`, (channels, 1, 1) for `channel`, (channels, height, width) for `dimension` and `mean_image`,
    whose deviations are 1. The sums are integers, so exact; a deviation of zero becomes 1.
    """
    chunks = [block[i : i + CHUNK] for block in blocks for i in range(0, len(block), CHUNK)]
    # 255 * 255 fits uint16, and the sum of CHUNK of them uint32
    total = sum(chunk.sum(0, dtype=np.uint32).astype(np.int64) for chunk in chunks)
    squares = sum(np.square(chunk, dtype=np.uint16).sum(0, dtype=np.uint32).astype(np.int64) for chunk in chunks)
    axes = {"scalar": (0, 1, 2), "channel": (1, 2), "dimension": (), "mean_image": ()}[over]
    shape = np.shape(total)
    count = sum(map(len, blocks)) * int(np.prod([shape[a] for a in axes]))
    mean, square = (np.sum(s, axis=axes, keepdims=over == "channel") / count for s in (total, squares))
    std = np.sqrt(np.maximum(square - mean**2, 0)) if over != "mean_image" else np.ones_like(mean)
    return torch.as_tensor(mean), torch.as_tensor(np.where(std == 0, 1.0, std))


def _standardized(pixels: np.ndarray, mean: Tensor, std: Tensor) -> Tensor:
    images = torch.from_numpy(np.ascontiguousarray(pixels)).float()
    return images.sub_(mean.float()).div_(std.float())
