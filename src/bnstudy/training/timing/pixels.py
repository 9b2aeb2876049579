"""What epochs are timed on: the data set if available, else random pixels of its shape and number.

The time of an epoch does not depend on the values of pixels, only on their number.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from bnstudy import datasets, paths
from bnstudy.design.cell import Cell
from bnstudy.design.model_facts import facts_of
from bnstudy.design.rules import train_part
from bnstudy.errors import DataError
from bnstudy.training.engine.inputs import Inputs, prepare
from bnstudy.training.engine.statistics import SAMPLES

SHORT = 256  # images; the CNN's full epoch takes a quarter of an hour on one core


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of an epoch is timed: training images, steps, sampled steps and validation images."""

    images: int
    steps: int
    sampled: int
    validation: int


def extent(cell: Cell, images: int, validation: int) -> Extent:
    steps = images // cell.batch_size if cell.last_batch == "drop" else -(-images // cell.batch_size)
    return Extent(images, steps, min(SAMPLES, steps), validation)


def full(cell: Cell) -> Extent:
    """Return a whole epoch of the cell: nine tenths of the training images (thesis 6.1), the others for validation; the
    test images if none are held out."""
    spec = datasets.REGISTRY[cell.dataset]
    count = cell.train_size or spec.train
    train = train_part(cell, count)
    return extent(cell, train, count - train or spec.test)


def timed(cell: Cell, device: str) -> Extent:
    """Return the part that is timed: a whole epoch, or on a CPU a few whole batches if the network wants a GPU."""
    whole = full(cell)
    if device != "cpu" or not facts_of(cell.model).wants_gpu:
        return whole
    batches = max(1, SHORT // cell.batch_size)
    return extent(cell, min(whole.images, batches * cell.batch_size), min(whole.validation, SHORT))


def inputs(cell: Cell, data_root: Path, part: Extent) -> tuple[Inputs, str]:
    """Return (images and labels to time on, `real` or `random`). Raises DataError if the data set exists but is bad."""
    try:
        arrays = datasets.load(cell.dataset, data_root)
    except DataError:
        if paths.dataset(data_root, cell.dataset).exists():
            raise
        return random(cell, part), "random"
    data = prepare(cell, 0, arrays)
    return replace(
        data,
        train_images=data.train_images[: part.images], train_labels=data.train_labels[: part.images],
        validation_images=data.validation_images[: part.validation],
        validation_labels=data.validation_labels[: part.validation],
    ), "real"  # fmt: skip


def random(cell: Cell, part: Extent) -> Inputs:
    """Return standardized noise in the data set's shape, with random labels and no test images."""
    spec = datasets.REGISTRY[cell.dataset]
    side = 28 if cell.mnist_size == "native" else datasets.SIDE
    stream = torch.Generator().manual_seed(0)

    def images(count: int) -> torch.Tensor:
        return torch.randn(count, spec.channels, side, side, generator=stream)

    def labels(count: int) -> torch.Tensor:
        return torch.randint(spec.classes, (count,), generator=stream)

    return Inputs(
        train_images=images(part.images), train_labels=labels(part.images),
        validation_images=images(part.validation), validation_labels=labels(part.validation),
        test_images=images(0), test_labels=labels(0), classes=spec.classes, data_digest="", data_source="random",
        mean=torch.tensor(0.0), std=torch.tensor(1.0),
    )  # fmt: skip
