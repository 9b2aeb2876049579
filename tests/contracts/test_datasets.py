"""Every declared data set states consistent facts; a new file in datasets/ is tested by being there."""

import pytest

from bnstudy import datasets

# thesis table 6.1: channels, classes, training and test images
TABLE_6_1 = {
    "mnist": (1, 10, 60_000, 10_000),
    "svhn": (3, 10, 73_257, 26_032),
    "cifar10": (3, 10, 50_000, 10_000),
    "cifar100": (3, 100, 50_000, 10_000),
}


@pytest.mark.parametrize("name", datasets.REGISTRY)
def test_facts(name):
    spec = datasets.REGISTRY[name]
    assert spec.name == name
    assert all((spec.title, spec.terms, spec.source))
    assert spec.channels in (1, 3)
    assert 2 <= spec.classes <= 256
    assert spec.train > spec.test > 0
    assert (spec.kind == "download") == bool(spec.archives)


@pytest.mark.parametrize("name", TABLE_6_1)
def test_sizes_of_the_thesis(name):
    spec = datasets.REGISTRY[name]
    assert (spec.channels, spec.classes, spec.train, spec.test) == TABLE_6_1[name]


def test_order_is_by_difficulty():
    assert list(datasets.REGISTRY)[:4] == list(TABLE_6_1)


@pytest.mark.parametrize("name", [n for n, s in datasets.REGISTRY.items() if s.kind == "embedded"])
def test_embedded_arrays_are_as_declared(name):
    spec, found = datasets.REGISTRY[name], datasets.load(name)
    assert found.train_images.shape == (spec.train, spec.channels, 32, 32)
    assert found.test_images.shape == (spec.test, spec.channels, 32, 32)
    assert set(found.train_labels) == set(found.test_labels) == set(range(spec.classes))


def test_archives_are_those_torchvision_downloads():
    from torchvision.datasets import CIFAR10, CIFAR100, MNIST, SVHN

    stated = {s.name: [(a.file, a.md5) for a in s.archives] for s in datasets.REGISTRY.values() if s.archives}
    assert stated == {
        "mnist": MNIST.resources,
        "svhn": [tuple(SVHN.split_list[part][1:]) for part in ("train", "test")],
        "cifar10": [(CIFAR10.filename, CIFAR10.tgz_md5)],
        "cifar100": [(CIFAR100.filename, CIFAR100.tgz_md5)],
    }
    assert datasets.REGISTRY["cifar10"].archives[0].url == CIFAR10.url
    assert datasets.REGISTRY["cifar100"].archives[0].url == CIFAR100.url
    assert [a.url for a in datasets.REGISTRY["svhn"].archives] == [SVHN.split_list[p][0] for p in ("train", "test")]
    assert all(a.url.rpartition("/")[0] + "/" in MNIST.mirrors for a in datasets.REGISTRY["mnist"].archives)
