"""Split and standardization: exact sizes, nothing in both parts, statistics of the images they are taken from."""

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from bnstudy import datasets
from bnstudy.datasets import Arrays
from bnstudy.design.cell import Cell, make_cell
from bnstudy.design.rules import train_part
from bnstudy.errors import UsageError
from bnstudy.training.engine import inputs
from bnstudy.training.engine.inputs import moments, prepare, split


@pytest.fixture(autouse=True)
def nothing_kept():
    inputs._KEPT.clear()
    yield
    inputs._KEPT.clear()


def cell(dataset="toy", **changes):
    return Cell(dataset=dataset, model="mlp", norm="none", **changes)


def numbered(dataset="cifar10", train=200, test=50, channels=3, digest="d") -> Arrays:
    """Random pixels and labels."""
    draw = np.random.default_rng(3).integers
    images = draw(0, 256, (train + test, channels, 32, 32), dtype=np.uint8)
    labels = draw(0, 10, train + test)
    return Arrays(
        train_images=images[:train], train_labels=labels[:train], test_images=images[train:],
        test_labels=labels[train:], digest=digest, source="imported",
    )  # fmt: skip


# thesis 6.1: a tenth of the training set is held out
@pytest.mark.parametrize("how", ["random", "last", "stratified"])
@pytest.mark.parametrize(
    ("dataset", "part", "held_out"),
    [("mnist", 54_000, 6_000), ("svhn", 65_931, 7_326), ("cifar10", 45_000, 5_000), ("cifar100", 45_000, 5_000)],
)
def test_sizes_are_exact_and_no_image_is_in_both_parts(dataset, part, held_out, how):
    spec = datasets.REGISTRY[dataset]
    labels = np.random.default_rng(0).integers(0, spec.classes, spec.train)
    train, validation = split(cell(dataset, split=how), None, labels)
    assert (len(train), len(validation)) == (part, held_out)
    assert np.array_equal(np.sort(np.concatenate([train, validation])), np.arange(spec.train))


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.15, 1 / 3, 0.7])
def test_the_train_part_is_the_floor(fraction):
    """0.3 of 10 leaves 7 images, which 1 - 0.3 in binary gets wrong for some sizes."""
    for count in (10, 30, 100, 1_000):
        train, _ = split(cell(validation_fraction=fraction), None, np.zeros(count, int))
        exact = (1 - Fraction(str(fraction))) * count
        assert len(train) == exact.numerator // exact.denominator


def test_the_split_ignores_the_seed_unless_told():
    labels = np.zeros(500, int)
    fixed, other = split(cell(), None, labels)[1], split(cell("digits"), None, labels)[1]
    assert np.array_equal(fixed, split(cell(), None, labels)[1])
    assert not np.array_equal(fixed, other)
    toy = datasets.load("toy")
    one, two = (prepare(cell(split_seed="run"), seed, toy).validation_labels for seed in (0, 1))
    assert not torch.equal(one, two)
    assert prepare(cell(), 0, toy) is prepare(cell(), 1, toy)


def test_last_holds_out_the_last_images():
    assert split(cell(split="last"), None, np.zeros(50, int))[1].tolist() == list(range(45, 50))


def test_stratified_holds_out_the_same_share_of_every_class():
    counts = np.array([1000, 410, 95, 20, 7])
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(5), counts))
    _, validation = split(cell(split="stratified"), None, labels)
    share = len(validation) / len(labels)
    assert np.abs(np.bincount(labels[validation], minlength=5) - counts * share).max() < 1
    assert len(np.unique(np.diff(validation))) > 5  # at random places


@pytest.mark.parametrize("how", ["random", "last", "stratified"])
@pytest.mark.parametrize(("count", "folds"), [(100, 5), (1_003, 4), (37, 10)])
def test_folds_hold_each_image_out_once_and_are_of_one_size(how, count, folds):
    labels = np.random.default_rng(2).integers(0, 3, count)
    parts = [split(cell(split=how, folds=folds, fold=fold), None, labels) for fold in range(folds)]
    held_out = [validation for _, validation in parts]
    assert np.array_equal(np.sort(np.concatenate(held_out)), np.arange(count))
    assert max(map(len, held_out)) - min(map(len, held_out)) <= 1
    for fold, (train, validation) in enumerate(parts):
        assert len(train) == train_part(cell(folds=folds, fold=fold), count)
        assert not set(train) & set(validation)
    if how == "stratified":
        counts = [np.bincount(labels[validation], minlength=3) for validation in held_out]
        assert np.ptp(counts, axis=0).max() <= 2


def test_inputs_of_two_folds_are_kept_apart():
    arrays = numbered(dataset="toy")
    first, second = (inputs.prepare(cell(folds=4, fold=fold), 0, arrays) for fold in (0, 1))
    assert not torch.equal(first.validation_labels, second.validation_labels)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"folds": 5, "fold": 5}, "fold: 5, but there are 5 folds"),
        ({"fold": 1}, "fold: has no effect here"),
        ({"folds": 5, "validation_fraction": 0.2}, "validation_fraction: has no effect here"),
        ({"folds": 1}, "folds: 1 is out of range"),
    ],
)
def test_folds_that_make_no_sense_are_refused(fields, told):
    with pytest.raises(UsageError, match=told):
        make_cell({"dataset": "toy", "model": "mlp", "norm": "none", **fields})


def test_train_size_takes_a_fixed_random_subset_before_the_split():
    labels = np.zeros(1_000, int)
    small = [np.sort(np.concatenate(split(cell(train_size=100, split=how), 5, labels))) for how in ("random", "last")]
    assert np.array_equal(*small)
    assert len(small[0]) == 100
    assert small[0].max() > 500
    large = np.concatenate(split(cell(train_size=300), None, labels))
    assert set(small[0]) < set(large)
    assert len(split(cell(train_size=100), None, labels)[0]) == 90


def test_more_images_than_there_are_is_refused():
    with pytest.raises(UsageError, match="train_size: 700 of 600 training images"):
        prepare(cell(train_size=700), 0, datasets.load("toy"))


@pytest.mark.parametrize(("how", "axes"), [("scalar", (0, 1, 2, 3)), ("channel", (0, 2, 3)), ("dimension", (0,))])
def test_the_train_part_gets_mean_zero_and_deviation_one(how, axes):
    given = numbered()
    made = prepare(cell("cifar10", standardization=how), 0, given)
    assert made.train_images.dtype == torch.float32
    torch.testing.assert_close(
        made.train_images.double().mean(axes), torch.zeros(made.mean.shape).double().squeeze(), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(
        made.train_images.double().std(axes, correction=0),
        torch.ones(made.std.shape).double().squeeze(),
        atol=1e-5,
        rtol=0,
    )
    train, validation = split(cell("cifar10"), None, given.train_labels)
    for images, pixels in [
        (made.train_images, given.train_images[train]),
        (made.validation_images, given.train_images[validation]),
        (made.test_images, given.test_images),
    ]:
        restored = images.double() * made.std + made.mean
        assert torch.equal(restored.round().to(torch.uint8), torch.from_numpy(pixels))
    assert np.array_equal(made.train_labels, given.train_labels[train])
    assert np.array_equal(made.validation_labels, given.train_labels[validation])
    assert (made.data_digest, made.data_source, made.classes) == ("d", "imported", 10)


@pytest.mark.parametrize(("how", "axes"), [("scalar", None), ("channel", (0, 2, 3)), ("dimension", 0)])
def test_moments_are_those_of_numpy_in_float64(how, axes, monkeypatch):
    monkeypatch.setattr(inputs, "CHUNK", 7)
    images = numbered().train_images
    mean, std = moments([images[:90], images[90:]], how)
    assert mean.dtype == std.dtype == torch.float64
    np.testing.assert_allclose(mean.numpy().ravel(), images.mean(axes, dtype=np.float64).ravel(), rtol=1e-12)
    np.testing.assert_allclose(std.numpy().ravel(), images.std(axes, dtype=np.float64).ravel(), rtol=1e-12)
    assert mean.shape == {"scalar": (), "channel": (3, 1, 1), "dimension": (3, 32, 32)}[how]


def test_the_mean_image_is_subtracted_and_nothing_divided():
    given = numbered()
    made = prepare(
        cell("cifar10", standardization="mean_image", validation_fraction=0.0, schedule="constant"), 0, given
    )
    mean = given.train_images.astype(np.float64).mean(0)
    np.testing.assert_allclose(made.train_images.numpy(), given.train_images - mean, atol=1e-4)
    np.testing.assert_allclose(made.test_images.numpy(), given.test_images - mean, atol=1e-4)
    assert torch.equal(made.std, torch.ones(3, 32, 32, dtype=torch.float64))


@pytest.mark.parametrize("train_size", [None, 150])
def test_without_a_split_all_images_are_trained_on_and_the_test_images_watched(train_size):
    given = numbered()
    made = prepare(cell("cifar10", validation_fraction=0.0, train_size=train_size, schedule="constant"), 0, given)
    assert len(made.train_labels) == (train_size or 200)
    assert made.validation_images is made.test_images
    assert made.validation_labels is made.test_labels


def test_a_deviation_of_zero_becomes_one():
    """The border of padded MNIST never varies (thesis 6.2 divides by it)."""
    images = np.full((301, 1, 2, 2), 77, np.uint8)
    images[:150, 0, 0, 0] = 3
    mean, std = moments([images], "dimension")
    assert std[0, 1, 1] == 1
    assert std[0, 0, 0] > 30
    assert mean[0, 1, 1] == 77


def test_statistics_come_from_the_images_named():
    given = numbered()
    train, _ = split(cell("cifar10"), None, given.train_labels)
    expected = {
        "train_part": given.train_images[train],
        "train_set": given.train_images,
        "all": np.concatenate([given.train_images, given.test_images]),
    }
    for source, images in expected.items():
        made = prepare(cell("cifar10", standardization_from=source), 0, given)
        assert made.mean.item() == pytest.approx(images.mean(dtype=np.float64), rel=1e-12)


def mnist() -> Arrays:
    images = numbered(channels=1)
    pad = ((0, 0), (0, 0), (2, 2), (2, 2))
    return replace(
        images,
        train_images=np.pad(images.train_images[..., :28, :28], pad),
        test_images=np.pad(images.test_images[..., :28, :28], pad),
    )


def test_mnist_sizes():
    given = mnist()
    padded, native, resized = (prepare(cell("mnist", mnist_size=s), 0, given) for s in ("pad", "native", "resize"))
    assert (padded.shape.inputs, native.shape.inputs, resized.shape.inputs) == (1024, 784, 1024)
    assert padded.shape.classes == 10
    pixels = (native.test_images.double() * native.std + native.mean).round().to(torch.uint8)
    assert np.array_equal(pixels, given.test_images[:, :, 2:30, 2:30])
    assert not torch.equal(resized.test_images, padded.test_images)
    assert native.train_images.mean().abs() < 1e-5  # statistics of what is trained on, not of the padded images


def test_resized_mnist_keeps_a_constant_image_constant():
    given = mnist()
    images = given.test_images.copy()
    images[0] = 0
    images[0, :, 2:30, 2:30] = 200
    made = prepare(cell("mnist", mnist_size="resize"), 0, replace(given, test_images=images))
    back = made.test_images[0].double() * made.std + made.mean
    assert torch.allclose(back, torch.full((1, 32, 32), 200.0).double(), atol=1e-3)


def test_svhn_labels():
    given = numbered()
    original = prepare(cell("svhn"), 0, given)
    digit = prepare(cell("svhn", svhn_labels="digit"), 0, given)
    for part in ("train", "validation", "test"):
        first, second = getattr(original, f"{part}_labels"), getattr(digit, f"{part}_labels")
        assert torch.equal(second, (first + 1) % 10)
    assert torch.equal(torch.from_numpy(given.test_labels), original.test_labels)


def test_cells_share_one_copy_and_few_are_kept():
    toy = datasets.load("toy")
    first = prepare(cell(), 0, toy)
    assert prepare(cell(lr=0.1, batch_size=32), 3, toy) is first
    others = [prepare(cell(train_size=n), 0, toy) for n in (100, 200, 300)]
    assert len(inputs._KEPT) == inputs.KEPT
    assert prepare(cell(train_size=300), 0, toy) is others[-1]
    assert prepare(cell(), 0, toy) is not first
    assert prepare(cell(), 0, replace(toy, digest="another")).data_digest == "another"


def test_the_arrays_stay_as_they_are():
    given = numbered()
    before = given.train_images.copy()
    prepare(cell("cifar10"), 0, given)
    assert np.array_equal(given.train_images, before)


@pytest.mark.parametrize(("name", "share"), [("mnist", 54_000), ("cifar10", 44_927)])
def test_real_pixels(name, share, tmp_path):
    """The published channel statistics: MNIST mean 0.1307 of 28x28, CIFAR10 mean (0.4914, 0.4822, 0.4465)."""
    folder = os.environ.get("BNSTUDY_REAL_DATA")
    if not folder or not (file := Path(folder) / f"{name}.npz").exists():
        pytest.skip(f"BNSTUDY_REAL_DATA names no folder with {name}.npz")
    row = datasets.import_npz(name, file, tmp_path)
    arrays = datasets.load(name, tmp_path)
    assert arrays.digest == row["digest"]
    size = {"mnist_size": "native"} if name == "mnist" else {}
    made = prepare(cell(name, standardization="channel", **size), 0, arrays)
    assert len(made.train_images) == share
    assert len(made.test_images) == row["test"]
    published = [0.1307] if name == "mnist" else [0.4914, 0.4822, 0.4465]
    assert (made.mean.flatten() / 255).tolist() == pytest.approx(published, abs=0.002)
