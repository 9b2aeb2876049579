"""The official downloads, from tiny archives in the official layouts; no network."""

import functools
import gc
import http.server
import shutil
import socket
import threading
import urllib.error
import warnings
from dataclasses import replace

import numpy as np
import official_archives as archives
import pytest

from bnstudy import datasets
from bnstudy.errors import DataError, UsageError, WriteError


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The address of a server of tmp_path/site."""
    (tmp_path / "site").mkdir()
    monkeypatch.setenv("no_proxy", "*")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path / "site"))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    with warnings.catch_warnings():  # an answer 404 leaves sockets to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def official(site, tmp_path, monkeypatch):
    """name -> the folder of its tiny official archives; the registry and torchvision then know those."""

    def make(name: str):
        folder = tmp_path / "site"
        classes = 20 if name == "cifar100" else 10
        if name.startswith("cifar"):
            archives.cifar(name.upper(), folder, site, monkeypatch, classes)
        else:
            getattr(archives, name)(folder, site, monkeypatch)
        monkeypatch.setitem(datasets.REGISTRY, name, archives.small(datasets.REGISTRY[name], folder, site, classes))
        return folder

    return make


def visible(folder):
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".lock")


@pytest.mark.parametrize("name", ["mnist", "svhn", "cifar10", "cifar100"])
def test_a_download_becomes_one_official_file(name, official, tmp_path):
    official(name)
    row = datasets.fetch(name, tmp_path / "data", progress=False)
    assert (row["state"], row["source"], row["train"], row["test"]) == ("present", "official", 40, 20)
    assert row["complete"]
    assert visible(tmp_path / "data") == [f"{name}.npz"]
    found = datasets.load(name, tmp_path / "data")
    shape = (datasets.REGISTRY[name].channels, 32, 32)
    assert found.train_images.shape == (40, *shape)
    assert found.test_images.shape == (20, *shape)
    assert found.train_images.dtype == np.uint8
    assert found.train_labels.dtype == np.int64
    assert found.train_labels.tolist() == archives.labels(40, datasets.REGISTRY[name].classes).tolist()


def test_mnist_pixels_stand_inside_a_border_of_zeros(official, tmp_path):
    official("mnist")
    datasets.fetch("mnist", tmp_path, progress=False)
    images = datasets.load("mnist", tmp_path).train_images
    assert np.array_equal(images[:, 0, 2:30, 2:30], archives.pixels(40, 28, 28))
    border = np.ones((32, 32), bool)
    border[2:30, 2:30] = False
    assert not images[:, 0, border].any()


def test_svhn_class_zero_is_digit_one(official, tmp_path):
    """The original files call digit 1 `1` and digit 0 `10`; torchvision turns 10 into 0."""
    official("svhn")
    from torchvision.datasets import SVHN

    datasets.fetch("svhn", tmp_path, progress=False)
    found = datasets.load("svhn", tmp_path)
    assert found.train_labels[:10].tolist() == list(range(10))
    digits = SVHN(tmp_path / "site", split="train").labels
    assert digits[:10].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert np.array_equal(found.train_images, archives.pixels(40, 32, 32, 3).transpose(0, 3, 1, 2))


def test_cifar_pixels_keep_their_colours(official, tmp_path):
    official("cifar10")
    datasets.fetch("cifar10", tmp_path, progress=False)
    images = datasets.load("cifar10", tmp_path).test_images
    assert np.array_equal(images, archives.pixels(20, 3072).reshape(20, 3, 32, 32))


def test_fetch_keeps_what_is_here_and_replaces_what_is_damaged(official, tmp_path):
    site = official("cifar10")
    first = datasets.fetch("cifar10", tmp_path / "data", progress=False)
    file = tmp_path / "data" / "cifar10.npz"
    file.write_bytes(file.read_bytes()[:-100])
    assert datasets.check("cifar10", tmp_path / "data")["state"] == "damaged"
    assert datasets.fetch("cifar10", tmp_path / "data", progress=False) == first
    shutil.rmtree(site)
    assert datasets.fetch("cifar10", tmp_path / "data", progress=False) == first
    assert datasets.ensure("cifar10", tmp_path / "data") == first


def test_ensure_fetches_what_is_absent(official, tmp_path):
    official("mnist")
    assert datasets.ensure("mnist", tmp_path / "data")["source"] == "official"


@pytest.mark.parametrize("name", ["mnist", "svhn", "cifar10"])
def test_without_network_one_error_says_what_is_needed_and_nothing_stays(name, official, tmp_path):
    site = official(name)
    files = sorted(p.name for p in site.iterdir())
    (site / files[-1]).unlink()  # the earlier files of MNIST and SVHN do arrive
    with pytest.raises(DataError) as error:
        datasets.fetch(name, tmp_path / "data", progress=False)
    assert error.value.cause.startswith(f"{name}: the official files are unavailable")
    assert all(file in error.value.remedy for file in files)
    assert f"{tmp_path}/data/raw/{name}/" in error.value.remedy
    assert "\n" not in error.value.cause + error.value.remedy
    assert visible(tmp_path / "data") == []


def test_official_files_put_by_hand_are_taken_and_kept(official, tmp_path, monkeypatch):
    site = official("mnist")
    given = tmp_path / "data" / "raw" / "mnist"
    shutil.copytree(site, given)
    shutil.rmtree(site)
    assert datasets.fetch("mnist", tmp_path / "data", progress=False)["source"] == "official"
    assert len(visible(given)) == 4
    assert visible(tmp_path / "data") == ["mnist.npz", "raw"]


def test_another_file_put_by_hand_is_refused_and_not_overwritten(official, tmp_path):
    official("cifar10")
    given = tmp_path / "data" / "raw" / "cifar10" / "cifar-10-python.tar.gz"
    given.parent.mkdir(parents=True)
    given.write_text("<html>please log in</html>")
    with pytest.raises(DataError, match=r"cifar-10-python.tar.gz: not the official file, expected MD5 \w+, found \w+"):
        datasets.fetch("cifar10", tmp_path / "data", progress=False)
    assert given.read_text() == "<html>please log in</html>"


def test_a_captive_portal_is_no_data_set(official, tmp_path):
    site = official("cifar10")
    (site / "cifar-10-python.tar.gz").write_text("<html>please log in</html>")
    with pytest.raises(DataError, match="corrupted"):
        datasets.fetch("cifar10", tmp_path / "data", progress=False)
    assert visible(tmp_path / "data") == []


def test_what_a_killed_download_left_is_cleared(official, tmp_path):
    official("mnist")
    left = tmp_path / "data" / ".mnist-abc123"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"x")
    datasets.fetch("mnist", tmp_path / "data", progress=False)
    assert visible(tmp_path / "data") == ["mnist.npz"]


def test_a_full_disk_is_no_missing_network(official, tmp_path, monkeypatch):
    def full(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(datasets.REGISTRY, "mnist", replace(datasets.REGISTRY["mnist"], read=full))
    with pytest.raises(WriteError, match="No space left"):
        datasets.fetch("mnist", tmp_path, progress=False)


def test_a_data_folder_that_is_a_file_cannot_be_written(official, tmp_path):
    official("mnist")
    (tmp_path / "data").write_text("")
    with pytest.raises(WriteError):
        datasets.fetch("mnist", tmp_path / "data", progress=False)


def test_fetching_restores_the_timeout_and_prints_nothing(official, tmp_path, capsys, monkeypatch):
    def absent(folder):
        print("noise")
        raise urllib.error.URLError("no route")

    monkeypatch.setitem(datasets.REGISTRY, "mnist", replace(datasets.REGISTRY["mnist"], read=absent))
    with pytest.raises(DataError, match="no route"):
        datasets.fetch("mnist", tmp_path, progress=False)
    assert socket.getdefaulttimeout() is None
    assert capsys.readouterr() == ("", "")


def test_embedded_sets_need_no_fetch(tmp_path):
    assert datasets.fetch("toy", tmp_path)["state"] == "embedded"
    assert list(tmp_path.iterdir()) == []


def test_unknown_name_names_the_nearest(tmp_path):
    with pytest.raises(UsageError, match="nearest: cifar10"):
        datasets.fetch("cifar1", tmp_path)
