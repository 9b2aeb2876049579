"""The usual loops that engines are held against: a data set of PIL images, or tensors, behind a DataLoader.

torchvision and PIL are imported in this file alone.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision import transforms

from bnstudy import datasets
from bnstudy.bench.subject import Subject
from bnstudy.design.cell import Cell
from bnstudy.networks import models
from bnstudy.training.engine.inputs import Inputs

MEAN, STD = 0.5, 0.25  # of pixels as fractions; any will do


class Images(Dataset):
    """Random pixels as torchvision's data sets hold them: arrays in memory, a PIL image made for each item."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray, transform: Callable[[Image.Image], Tensor]):
        self.pixels, self.labels, self.transform = pixels, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), int(self.labels[index])


def pil_images(cell: Cell, count: int) -> Images:
    """`count` random images of the cell's data set, MNIST's padded by the transform as the study pads them."""
    spec, rng = datasets.REGISTRY[cell.dataset], np.random.default_rng(0)
    shape = (count, spec.native, spec.native, 3) if spec.channels == 3 else (count, spec.native, spec.native)
    pixels = rng.integers(0, 256, shape, np.uint8)
    padding = (datasets.SIDE - spec.native) // 2
    steps = [transforms.Pad(padding)] if padding else []
    steps += [transforms.ToTensor(), transforms.Normalize((MEAN,) * spec.channels, (STD,) * spec.channels)]
    return Images(pixels, rng.integers(0, spec.classes, count), transforms.Compose(steps))


def plain(cell: Cell, data: Inputs, device: str, steps: int) -> Subject:
    """A data set of PIL images, ToTensor and Normalize, a DataLoader without workers, an eager loop."""
    return _loop(pil_images(cell, len(data.train_labels)), cell, data, device, steps)


def tensor_loader(cell: Cell, data: Inputs, device: str, steps: int) -> Subject:
    """The standardized images as a TensorDataset behind a DataLoader, the same eager loop."""
    return _loop(TensorDataset(data.train_images, data.train_labels), cell, data, device, steps)


def _loop(dataset: Dataset, cell: Cell, data: Inputs, device: str, steps: int) -> Subject:
    loader = DataLoader(dataset, batch_size=cell.batch_size, shuffle=True, drop_last=True)
    model = models.build(cell, data.shape).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=cell.lr, momentum=cell.momentum, nesterov=True)
    batches = _forever(loader)

    def run() -> None:
        for _ in range(steps):
            _step(model, optimizer, *next(batches), device)

    return Subject(run, steps)


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor, device: str) -> float:
    images, labels = images.to(device), labels.to(device)
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def _forever(loader: DataLoader) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from loader
