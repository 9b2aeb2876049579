"""CIFAR-100: small photographs with a hundred fine labels, 32x32 in colour (thesis 6.1)."""

from pathlib import Path

from bnstudy.datasets._cifar import read_official
from bnstudy.datasets._spec import Archive, DatasetSpec


def read(folder: Path):
    """The canonical arrays from the official archive."""
    return read_official(folder, "CIFAR100")


SPEC = DatasetSpec(
    name="cifar100",
    title="CIFAR100",
    channels=3,
    classes=100,
    train=50_000,
    test=10_000,
    kind="download",
    read=read,
    rank=4,
    archives=(
        Archive(
            "cifar-100-python.tar.gz",
            "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
            "eb9058c3a382ffc7106e4002c42a8d85",
        ),
    ),
    terms="no licence stated; cite the source",
    source="Krizhevsky: Learning multiple layers of features from tiny images, 2009",
)
