"""Toy: ten noisy patterns, made up; for tests only."""

from hashlib import shake_256
from pathlib import Path

from bnstudy.datasets._spec import SIDE, DatasetSpec

TRAIN, TEST, CLASSES = 600, 200, 10


def read(folder: Path):
    """Image i shows pattern i mod 10 (8x8 blocks of 4x4 pixels) under noise; the last 200 are for testing.

    The bytes come from SHAKE-256, which no version of NumPy can change.
    """
    import numpy as np

    count = TRAIN + TEST
    labels = np.arange(count, dtype=np.uint8) % CLASSES
    patterns = np.frombuffer(shake_256(b"toy patterns").digest(CLASSES * 64), np.uint8).reshape(CLASSES, 8, 8)
    noise = np.frombuffer(shake_256(b"toy noise").digest(count * SIDE * SIDE), np.uint8).reshape(count, SIDE, SIDE)
    shown = np.kron(patterns, np.ones((1, 4, 4), np.uint8))[labels]
    images = (shown // 3 + noise // 3 * 2)[:, None]
    return {
        "train_images": images[:TRAIN],
        "train_labels": labels[:TRAIN],
        "test_images": images[TRAIN:],
        "test_labels": labels[TRAIN:],
    }


SPEC = DatasetSpec(
    name="toy",
    title="Toy",
    channels=1,
    classes=CLASSES,
    train=TRAIN,
    test=TEST,
    kind="embedded",
    read=read,
    rank=6,
    terms="public domain",
    source="made up by this project",
)
