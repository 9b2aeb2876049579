"""Data files that are cut, changed, swapped or something else, met by the command that trains: exit 65, the file named.

What reading does with each byte is tested in tests/datasets; here a set of forty images stands for MNIST.
"""

import gzip
import io
import pickle
import shutil
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bnstudy import datasets
from bnstudy.errors import BAD_DATA
from faults import invariants, small, tally
from faults.disk import stop_after
from faults.lab import Lab
from faults.test_damage import Payload

SHRINK = "faults.test_data:shrink"
CELL = small.cell(dataset="mnist", train_size=None)


def shrink() -> None:
    """Every downloadable data set has 100 and 20 images, and there is no network."""
    for name in ("mnist", "svhn", "cifar10"):
        datasets.REGISTRY[name] = replace(datasets.REGISTRY[name], train=100, test=20, read=unreachable)


def shrink_and_stop() -> None:
    shrink()
    stop_after(3)


def unreachable(folder):
    raise OSError("the network cannot be reached")


@pytest.fixture(scope="module")
def data(server, tmp_path_factory) -> Path:
    """A data folder with MNIST and CIFAR10 in miniature, brought in by the command."""
    folder = tmp_path_factory.mktemp("data")
    pick = np.random.default_rng(7).integers
    for name, shape in (("mnist", (28, 28)), ("cifar10", (32, 32, 3))):
        arrays = {
            "train_images": pick(0, 256, (100, *shape), np.uint8),
            "test_images": pick(0, 256, (20, *shape), np.uint8),
        }
        arrays |= {f"{part}_labels": np.arange(n, dtype=np.uint8) % 10 for part, n in (("train", 100), ("test", 20))}
        np.savez(folder / "given.npz", **arrays)
        process = server.run("data", "import", name, folder / "given.npz", "--data", folder, before=SHRINK)
        assert process.code == 0, process.err
    return folder


@pytest.fixture
def mnist(server, tmp_path, data) -> Lab:
    lab = Lab(server, tmp_path, [CELL], [0])
    shutil.copytree(data, tmp_path / "data")
    return lab


def train(lab: Lab):
    return lab.train(before=SHRINK)


def is_refused(lab: Lab, content: bytes) -> str:
    file = lab.folder / "data" / "mnist.npz"
    file.write_bytes(content)
    tally.count("damaged files")
    process = train(lab)
    invariants.told_in_two_lines(process, BAD_DATA)
    assert str(file) in process.err
    assert not invariants.records(lab.results)
    assert file.read_bytes() == content  # left for the user to look at
    return process.err


def test_whole_data_train(mnist):
    assert train(mnist).code == 0
    invariants.whole_records(mnist.results)
    invariants.no_work(train(mnist), mnist.runs)


def pickled(content: bytes) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, train_images=np.array([Payload("executed")], dtype=object))
    return buffer.getvalue()


def with_outside_members(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../outside.npy", b"x")
        archive.writestr("/absolute.npy", b"x")
    return buffer.getvalue()


WRONG = {
    "empty": lambda b: b"",
    "cut": lambda b: b[: len(b) // 2],
    "a web page": lambda b: b"<!DOCTYPE html><html><body>404</body></html>",
    "a pickle": lambda b: pickle.dumps(Payload("executed")),
    "a pickle inside": pickled,
    "names outside": with_outside_members,
    "an .npy of a pickle": lambda b: saved(np.save, np.array([Payload("executed")], dtype=object)),
}


def saved(write, *arrays) -> bytes:
    buffer = io.BytesIO()
    write(buffer, *arrays)
    return buffer.getvalue()


@pytest.mark.parametrize("wrong", WRONG)
def test_other_contents(mnist, wrong):
    is_refused(mnist, WRONG[wrong]((mnist.folder / "data" / "mnist.npz").read_bytes()))
    invariants.nothing_but(mnist.folder, "cells.json", "data", "results")


def test_the_file_of_another_data_set(mnist):
    told = is_refused(mnist, (mnist.folder / "data" / "cifar10.npz").read_bytes())
    assert "expected mnist, found cifar10" in told


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.faults
def test_one_bit_at_fifty_positions(mnist):
    """Refused, or (in a byte of the container that nothing reads) the same arrays by their digest."""
    whole = (mnist.folder / "data" / "mnist.npz").read_bytes()
    refused = 0
    for index in range(50):
        (mnist.folder / "data" / "mnist.npz").write_bytes(flipped(whole, (2 * index + 1) * len(whole) * 8 // 100))
        tally.count("damaged files")
        process = train(mnist)
        refused += process.code == BAD_DATA
        if process.code:
            invariants.told_in_two_lines(process, BAD_DATA)
        else:
            shutil.rmtree(mnist.results)
    assert refused >= 48


def test_one_bit_of_an_image(mnist):
    whole = (mnist.folder / "data" / "mnist.npz").read_bytes()
    is_refused(mnist, flipped(whole, len(whole) * 4))


def with_members_outside() -> bytes:
    """A tar archive whose members lead out of the folder: `..`, an absolute path, a link, and a file through it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in ("../../../outside", "/tmp/bnstudy-outside", "link/outside"):
            if name.startswith("link"):
                link = tarfile.TarInfo("link")
                link.type, link.linkname = tarfile.SYMTYPE, "../../.."
                archive.addfile(link)
            archive.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


HOSTILE = {
    "an archive": ("cifar10", "cifar-10-python.tar.gz", with_members_outside),
    "a pickle as archive": ("cifar100", "cifar-100-python.tar.gz", lambda: pickle.dumps(Payload("executed"))),
    "a pickle as .mat": ("svhn", "train_32x32.mat", lambda: pickle.dumps(Payload("executed"))),
    "a pickle as .gz": (
        "mnist",
        "train-images-idx3-ubyte.gz",
        lambda: gzip.compress(pickle.dumps(Payload("executed"))),
    ),
}


@pytest.mark.parametrize("how", ["brought", "downloaded"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_an_official_file_that_is_another(server, tmp_path, kind, how):
    """Brought by hand or sent by the server of the data set: its checksum is looked at before anything in it."""
    name, file, made = HOSTILE[kind]
    folder = tmp_path / "data"
    (given := folder / "raw" / name).mkdir(parents=True)
    (given / file).write_bytes(made())
    tally.count("hostile archives")
    options = {"before": "faults.test_data:send", "given": [str(given)]} if how == "downloaded" else {}
    process = server.run("data", "fetch", name, "--data", folder, cwd=tmp_path, **options)
    invariants.told_in_two_lines(process, BAD_DATA)
    assert file in process.err
    invariants.nothing_but(tmp_path, "data")
    invariants.nothing_but(folder, "raw", "sent", f".{name}.lock")
    assert not Path("/tmp/bnstudy-outside").exists()


def send(folder: str) -> None:
    """The official servers send what is in this folder instead."""
    import urllib.request

    sent = Path(folder).rename(Path(folder).parents[1] / "sent")
    real = urllib.request.urlopen

    def urlopen(request, *rest, **options):
        url = getattr(request, "full_url", request)
        answer = real((sent / url.rpartition("/")[2]).as_uri(), *rest, **options)
        answer.length = int(answer.headers["Content-Length"])
        return answer

    urllib.request.urlopen = urlopen


def test_offline_without_data(mnist):
    (mnist.folder / "data" / "mnist.npz").unlink()
    process = train(mnist)
    assert process.code == BAD_DATA
    assert "bnstudy data fetch mnist" in process.err
    fetched = mnist.server.run("data", "fetch", "mnist", "--data", mnist.folder / "data", before=SHRINK)
    invariants.told_in_two_lines(fetched, BAD_DATA)
    assert "are unavailable" in fetched.err
    assert "train-images-idx3-ubyte.gz" in fetched.err  # it says which files to bring


def test_data_damaged_between_two_attempts(mnist):
    """A run that was stopped does not go on with other data."""
    mnist.train(before="faults.test_data:shrink_and_stop")
    assert mnist.checkpoints[0].exists()
    file = mnist.folder / "data" / "mnist.npz"
    whole = file.read_bytes()
    is_refused(mnist, flipped(whole, len(whole) * 4))
    file.write_bytes(whole)
    assert "resumes after epoch" in train(mnist).err
