"""SVHN: street-view house numbers, 32x32 in colour, without the extra split (thesis 6.1)."""

from pathlib import Path

from bnstudy.datasets._spec import Archive, DatasetSpec

_SITE = "http://ufldl.stanford.edu/housenumbers/"


def read(folder: Path):
    """The canonical arrays from the two official .mat files, by torchvision's download and reader."""
    import numpy as np
    from torchvision.datasets import SVHN

    arrays = {}
    for part in ("train", "test"):
        official = SVHN(folder, split=part, download=True)
        arrays[f"{part}_images"] = official.data
        arrays[f"{part}_labels"] = _from_digits(official.labels).astype(np.uint8)
    return arrays


def _from_digits(digits):
    """Class indices in the order of the original files, whose labels are 1 to 9 and, for the digit 0, 10."""
    return (digits + 9) % 10  # not digits - 1, which wraps around in uint8


def relabel(labels):
    """Class indices from the labels of an imported file, which may count in any of three ways.

    Digit 1 is by far the most frequent (18.9 % of the training images), which distinguishes digits (as in
    torchvision) from class indices. Raises ValueError if neither 0 nor 1 is the most frequent label.
    """
    import numpy as np

    frequent = int(np.bincount(labels).argmax())
    if frequent not in (0, 1):
        raise ValueError(f"the most frequent label is {frequent}; in SVHN it is digit 1 (label 1, or class index 0)")
    return _from_digits(labels) if frequent == 1 else labels


SPEC = DatasetSpec(
    name="svhn",
    title="SVHN",
    channels=3,
    classes=10,
    train=73_257,
    test=26_032,
    kind="download",
    read=read,
    rank=2,
    archives=(
        Archive("train_32x32.mat", _SITE + "train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
        Archive("test_32x32.mat", _SITE + "test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
    ),
    relabel=relabel,
    terms="for non-commercial use only",
    source="Netzer et al.: Reading digits in natural images with unsupervised feature learning, 2011",
)
