"""Tiny archives in the official layouts, and torchvision pointed at the address where a test serves them."""

import gzip
import hashlib
import io
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.io

TRAIN, TEST = 40, 20


def pixels(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)


def labels(count: int, classes: int = 10) -> np.ndarray:
    return np.arange(count, dtype=np.uint8) % classes


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def small(spec, folder: Path, site: str, classes: int = 10):
    """The spec with the sizes, addresses and checksums of the tiny archives in `folder`."""
    archives = tuple(replace(a, url=site + a.file, md5=md5(folder / a.file)) for a in spec.archives)
    return replace(spec, train=TRAIN, test=TEST, classes=classes, archives=archives)


def _idx(array: np.ndarray) -> bytes:
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


def mnist(folder: Path, site: str, monkeypatch) -> None:
    from torchvision.datasets import MNIST

    for stem, count in (("train", TRAIN), ("t10k", TEST)):
        (folder / f"{stem}-images-idx3-ubyte.gz").write_bytes(_idx(pixels(count, 28, 28)))
        (folder / f"{stem}-labels-idx1-ubyte.gz").write_bytes(_idx(labels(count)))
    monkeypatch.setattr(MNIST, "mirrors", [site])
    monkeypatch.setattr(MNIST, "resources", [(name, md5(folder / name)) for name, _ in MNIST.resources])


def svhn(folder: Path, site: str, monkeypatch) -> None:
    from torchvision.datasets import SVHN

    listing = {}
    for part, count in (("train", TRAIN), ("test", TEST)):
        file = folder / f"{part}_32x32.mat"
        stored = {"X": pixels(count, 32, 32, 3).transpose(1, 2, 3, 0), "y": (labels(count) + 1)[:, None]}
        scipy.io.savemat(file, stored)
        listing[part] = [site + file.name, file.name, md5(file)]
    monkeypatch.setattr(SVHN, "split_list", listing)


def cifar(name: str, folder: Path, site: str, monkeypatch, classes: int = 10) -> None:
    """The python version: pickled dictionaries with rows of 3,072 bytes, the colours one after the other."""
    from torchvision import datasets

    official = getattr(datasets, name)
    key = "labels" if name == "CIFAR10" else "fine_labels"
    train, test = [n for n, _ in official.train_list], [n for n, _ in official.test_list]
    share, sums = TRAIN // len(train), {}
    with tarfile.open(folder / official.filename, "w:gz") as archive:
        for i, file in enumerate(train + test):
            part = slice(i * share, (i + 1) * share) if file in train else slice(None)
            count = TRAIN if file in train else TEST
            batch = {"data": pixels(count, 3072)[part], key: labels(count, classes)[part].tolist()}
            sums[file] = _add(archive, f"{official.base_folder}/{file}", batch)
        meta = official.meta["filename"]
        names = {official.meta["key"]: [str(c) for c in range(classes)]}
        sums[meta] = _add(archive, f"{official.base_folder}/{meta}", names)
    monkeypatch.setattr(official, "url", site + official.filename)
    monkeypatch.setattr(official, "tgz_md5", md5(folder / official.filename))
    monkeypatch.setattr(official, "train_list", [[n, sums[n]] for n in train])
    monkeypatch.setattr(official, "test_list", [[n, sums[n]] for n in test])
    monkeypatch.setattr(official, "meta", official.meta | {"md5": sums[meta]})


def _add(archive: tarfile.TarFile, name: str, content: dict) -> str:
    data = pickle.dumps(content)
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
