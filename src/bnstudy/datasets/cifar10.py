"""CIFAR-10: small photographs of ten kinds of things, 32x32 in colour (thesis 6.1)."""

from pathlib import Path

from bnstudy.datasets._cifar import read_official
from bnstudy.datasets._spec import Archive, DatasetSpec


def read(folder: Path):
    """The canonical arrays from the official archive."""
    return read_official(folder, "CIFAR10")


SPEC = DatasetSpec(
    name="cifar10",
    title="CIFAR10",
    channels=3,
    classes=10,
    train=50_000,
    test=10_000,
    kind="download",
    read=read,
    rank=3,
    archives=(
        Archive(
            "cifar-10-python.tar.gz",
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            "c58f30108f718f92721af3b95e74349a",
        ),
    ),
    terms="no licence stated; cite the source",
    source="Krizhevsky: Learning multiple layers of features from tiny images, 2009",
)
