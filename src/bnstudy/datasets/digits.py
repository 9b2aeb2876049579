"""Digits: real handwriting that scikit-learn carries (8x8), resized to 32x32. Needs no download."""

from importlib.util import find_spec
from pathlib import Path

from bnstudy.datasets._spec import SIDE, DatasetSpec

TRAIN, TEST = 1_437, 360


def read(folder: Path):
    """The first 1,437 images in stored order for training, the rest for testing."""
    import numpy as np
    from PIL import Image

    stored, target = np.split(np.loadtxt(_carried(), delimiter=","), [-1], axis=1)
    pixels = np.rint(stored.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)  # stored values are 0 to 16
    size = (SIDE, SIDE)
    images = np.stack([np.asarray(Image.fromarray(p).resize(size, Image.Resampling.BILINEAR)) for p in pixels])[:, None]
    labels = target[:, 0].astype(np.uint8)
    return {
        "train_images": images[:TRAIN],
        "train_labels": labels[:TRAIN],
        "test_images": images[TRAIN:],
        "test_labels": labels[TRAIN:],
    }


def _carried() -> Path:
    """Return the file that `sklearn.datasets.load_digits` reads; importing scikit-learn takes a second and a half."""
    (package,) = find_spec("sklearn").submodule_search_locations  # type: ignore[union-attr]
    return Path(package, "datasets", "data", "digits.csv.gz")


SPEC = DatasetSpec(
    name="digits",
    title="Digits",
    channels=1,
    native=8,
    classes=10,
    train=TRAIN,
    test=TEST,
    kind="embedded",
    read=read,
    rank=5,
    terms="Creative Commons Attribution 4.0",
    source="Alpaydin, Kaynak: Optical recognition of handwritten digits (test part), UCI repository, 1998",
)
