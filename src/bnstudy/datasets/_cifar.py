"""How both CIFAR sets are read: the official Python archives, by torchvision's download and reader."""

from pathlib import Path


def read_official(folder: Path, torchvision_name: str):
    import numpy as np
    from torchvision import datasets

    arrays = {}
    for part, train in (("train", True), ("test", False)):
        official = getattr(datasets, torchvision_name)(folder, train=train, download=True)
        arrays[f"{part}_images"] = np.ascontiguousarray(official.data.transpose(0, 3, 1, 2))
        arrays[f"{part}_labels"] = np.asarray(official.targets, np.uint8)
    return arrays
