"""`thumb`: a data set small enough for a test, with everything else as MNIST has it."""

from dataclasses import replace

import numpy as np
import pytest

from bnstudy import datasets


def arrays(train: int = 40, test: int = 20, shape: tuple[int, ...] = (28, 28), classes: int = 10) -> dict:
    """What a user's file may hold: random images and every class in turn."""
    pick = np.random.default_rng(7).integers
    return {
        "train_images": pick(0, 256, (train, *shape), dtype=np.uint8),
        "train_labels": np.arange(train, dtype=np.uint8) % classes,
        "test_images": pick(0, 256, (test, *shape), dtype=np.uint8),
        "test_labels": np.arange(test, dtype=np.uint8) % classes,
    }


@pytest.fixture
def small_sets(monkeypatch):
    """Every downloadable set has 40 and 20 images (cifar100: 400 and 200) instead of tens of thousands."""
    for name in ("mnist", "svhn", "cifar10", "cifar100"):
        spec = datasets.REGISTRY[name]
        scale = spec.classes // 10
        monkeypatch.setitem(datasets.REGISTRY, name, replace(spec, train=40 * scale, test=20 * scale))


@pytest.fixture
def user_file(tmp_path):
    """Writes arrays, with changes, as a user's .npz file."""

    def write(file: str = "mine.npz", base: dict | None = None, **changes):
        members = (base or arrays()) | changes
        np.savez(tmp_path / file, **{k: v for k, v in members.items() if v is not None})
        return tmp_path / file

    write.arrays = arrays
    return write
