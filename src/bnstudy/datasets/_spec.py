"""What a data set declares, and the arrays it becomes. Stdlib only at import."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

MEMBERS = ("train_images", "train_labels", "test_images", "test_labels")
SIDE = 32  # every data set is 32x32 in its canonical form (thesis 6.1)


@dataclass(frozen=True, slots=True)
class Archive:
    """One official file: its name, where it is downloaded from, its MD5 as torchvision states it."""

    file: str
    url: str
    md5: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """The facts of a data set, and the function that reads it.

    `read(folder)` gives the canonical arrays (MEMBERS): images uint8 (n, channels, 32, 32), labels uint8 (n,). A
    `download` set downloads into `folder` what of its `archives` is not there yet; an `embedded` one ignores `folder`.
    `native` is the side of the images before they became 32x32. `relabel`, if given, turns the labels of an imported
    file into class indices, or raises ValueError. `rank` orders panels: by difficulty (thesis 6.1).
    """

    name: str
    title: str
    channels: int
    classes: int
    train: int
    test: int
    kind: Literal["download", "embedded"]
    read: "Callable[[Path], Mapping[str, np.ndarray]]"
    terms: str
    source: str
    rank: int
    native: int = SIDE
    archives: tuple[Archive, ...] = ()
    relabel: "Callable[[np.ndarray], np.ndarray] | None" = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrays:
    """A data set in memory: images uint8 (n, channels, 32, 32), labels int64 (n,) as class indices.

    `digest` is the SHA-256 of its canonical arrays; `source` is `official`, `imported` or `embedded`.
    """

    train_images: "np.ndarray[Any, Any]"
    train_labels: "np.ndarray[Any, Any]"
    test_images: "np.ndarray[Any, Any]"
    test_labels: "np.ndarray[Any, Any]"
    digest: str
    source: str

    def balance(self, classes: int) -> list[tuple[int, int]]:
        """Return (training images, test images) of each class, by its index."""
        import numpy as np

        parts = (np.bincount(labels, minlength=classes) for labels in (self.train_labels, self.test_labels))
        return [(int(train), int(test)) for train, test in zip(*parts, strict=True)]
