"""MNIST: handwritten digits, 28x28, zero-padded to 32x32 (thesis 6.1)."""

from pathlib import Path

from bnstudy.datasets._spec import Archive, DatasetSpec

_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"


def read(folder: Path):
    """The canonical arrays from the four official idx files, by torchvision's download and reader."""
    import numpy as np
    from torchvision import datasets

    class Flat(datasets.MNIST):
        raw_folder = property(lambda self: str(self.root))  # pyright: ignore[reportAssignmentType]

    arrays = {}
    for part, train in (("train", True), ("test", False)):
        official = Flat(folder, train=train, download=True)
        arrays[f"{part}_images"] = np.pad(official.data.numpy(), ((0, 0), (2, 2), (2, 2)))[:, None]
        arrays[f"{part}_labels"] = official.targets.numpy().astype(np.uint8)
    return arrays


SPEC = DatasetSpec(
    name="mnist",
    title="MNIST",
    channels=1,
    native=28,
    classes=10,
    train=60_000,
    test=10_000,
    kind="download",
    read=read,
    rank=1,
    archives=(
        Archive(
            "train-images-idx3-ubyte.gz", _MIRROR + "train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"
        ),
        Archive(
            "train-labels-idx1-ubyte.gz", _MIRROR + "train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"
        ),
        Archive("t10k-images-idx3-ubyte.gz", _MIRROR + "t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        Archive("t10k-labels-idx1-ubyte.gz", _MIRROR + "t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ),
    terms="Creative Commons Attribution-ShareAlike 3.0",
    source="LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, 1998",
)
