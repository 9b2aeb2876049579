"""Array files of users: what is taken, what is refused and with which words."""

import numpy as np
import pytest

from bnstudy import datasets
from bnstudy.errors import DataError, UsageError

pytestmark = pytest.mark.usefixtures("small_sets")


def test_mnist_is_padded_and_the_crop_gives_it_back(user_file, tmp_path):
    given = user_file.arrays()
    row = datasets.import_npz("mnist", user_file(), tmp_path / "data")
    assert (row["state"], row["source"], row["train"], row["test"], row["complete"]) == (
        "present",
        "imported",
        40,
        20,
        True,
    )
    found = datasets.load("mnist", tmp_path / "data")
    assert found.train_images.shape == (40, 1, 32, 32)
    assert np.array_equal(found.train_images[:, 0, 2:30, 2:30], given["train_images"])
    assert found.train_images.sum(dtype=int) == given["train_images"].sum(dtype=int)
    assert (found.source, found.digest) == ("imported", row["digest"])


def test_all_layouts_of_one_set_have_one_digest(user_file, tmp_path):
    given = user_file.arrays()
    images = {k: v for k, v in given.items() if k.endswith("images")}
    layouts = [
        {},
        {k: v[..., None] for k, v in images.items()},
        {k: v[:, None] for k, v in images.items()},
        {k: np.pad(v, ((0, 0), (2, 2), (2, 2))) for k, v in images.items()},
        {"train_labels": given["train_labels"].astype(np.int64), "test_labels": given["test_labels"].astype(">i4")},
        {"train_coarse_labels": given["train_labels"], "readme": np.array(["extra"])},
    ]
    digests = {datasets.import_npz("mnist", user_file(**new), tmp_path / "data")["digest"] for new in layouts}
    assert len(digests) == 1


def test_colour_images_in_both_layouts(user_file, tmp_path):
    last = user_file.arrays(shape=(32, 32, 3))
    first = {k: v.transpose(0, 3, 1, 2) if k.endswith("images") else v for k, v in last.items()}
    rows = [datasets.import_npz("cifar10", user_file(base=base), tmp_path / "data") for base in (last, first)]
    assert rows[0]["digest"] == rows[1]["digest"]
    assert np.array_equal(datasets.load("cifar10", tmp_path / "data").test_images, first["test_images"])


def test_a_few_images_may_be_missing_and_it_is_said(user_file, tmp_path):
    row = datasets.import_npz("mnist", user_file(base=user_file.arrays(train=39)), tmp_path)
    assert (row["train"], row["complete"]) == (39, False)


@pytest.mark.parametrize("counting", ["class index", "digit", "original"])
def test_svhn_labels_of_all_three_kinds_become_class_indices(counting, user_file, tmp_path):
    index = np.array([0] * 12 + [1] * 5 + [2, 3, 4, 5, 6, 7, 8, 9] * 2 + [4] * 7, np.uint8)
    assert len(index) == 40
    convert = {"class index": lambda y: y, "digit": lambda y: (y + 1) % 10, "original": lambda y: y + 1}[counting]
    base = user_file.arrays(shape=(32, 32, 3)) | {"train_labels": convert(index)}
    base["test_labels"] = convert(np.array([0] * 5 + list(range(10)) + [0] * 5, np.uint8))
    datasets.import_npz("svhn", user_file(base=base), tmp_path / "data")
    assert datasets.load("svhn", tmp_path / "data").train_labels.tolist() == index.tolist()


def test_svhn_labels_of_another_set_are_refused(user_file, tmp_path):
    base = user_file.arrays(shape=(32, 32, 3)) | {"train_labels": np.array([5] * 31 + list(range(9)), np.uint8)}
    with pytest.raises(DataError, match="the most frequent label is 5"):
        datasets.import_npz("svhn", user_file(base=base), tmp_path / "data")


grey, colour = np.zeros((40, 28, 28), np.uint8), np.zeros((40, 32, 32, 3), np.uint8)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("mnist", {"train_images": grey.astype(np.float32)},
         r"train_images: expected uint8 \(n, 28, 28, 1\) or \(n, 32, 32, 1\), found float32 \(40, 28, 28\)"),
        ("mnist", {"train_images": grey[:, :, :27]}, r"found uint8 \(40, 28, 27\)"),
        ("mnist", {"train_images": colour}, r"expected uint8 .*, found uint8 \(40, 32, 32, 3\)"),
        ("mnist", {"test_images": np.ones((20, 32, 32), np.uint8)}, "test_images: expected a border of 2 zeros"),
        ("cifar10", {}, r"train_images: expected uint8 \(n, 32, 32, 3\), found uint8 \(40, 28, 28\)"),
        ("mnist", {"train_labels": np.arange(40) % 11}, "train_labels: expected 0 to 9, found 0 to 10"),
        ("mnist", {"test_labels": np.arange(20) - 1}, "test_labels: expected 0 to 9, found -1 to 18"),
        ("mnist", {"train_labels": np.arange(40) / 4}, r"train_labels: expected whole numbers \(n,\), found float64"),
        ("mnist", {"train_labels": np.eye(40, 10, dtype=int)}, r"whole numbers \(n,\), found int64 \(40, 10\)"),
        ("mnist", {"train_labels": np.arange(39) % 10}, r"train_labels: expected uint8 \(40,\), found uint8 \(39,\)"),
        ("mnist", {"train_labels": np.arange(40) % 9}, "all 10 classes, found no image of class 9"),
        ("mnist", {"train_images": grey[:30], "train_labels": np.arange(30) % 10}, "36 to 40 images, found 30"),
        ("mnist", {"train_images": grey[:0], "train_labels": np.arange(0)}, "expected 36 to 40 images, found 0"),
        ("mnist", {"test_images": None, "test_labels": None}, "missing test_images, test_labels, found train_im"),
        ("mnist", {"train_labels": np.array([{}] * 40)}, "train_labels: found a pickled object"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_and_nothing_is_written(name, changes, message, user_file, tmp_path):
    file = user_file(**changes)
    with pytest.raises(DataError, match=message) as error:
        datasets.import_npz(name, file, tmp_path / "data")
    assert error.value.cause.startswith(f"{file}: ")
    assert not (tmp_path / "data").exists()


def test_fewer_classes_than_declared_are_refused(user_file, tmp_path):
    file = user_file(base=user_file.arrays(400, 200, (32, 32, 3)))
    with pytest.raises(DataError, match="expected all 100 classes, found no image of class 10"):
        datasets.import_npz("cifar100", file, tmp_path)


def test_a_file_of_this_program_must_name_the_same_set(user_file, tmp_path):
    datasets.import_npz("cifar10", user_file(base=user_file.arrays(shape=(32, 32, 3))), tmp_path / "a")
    moved = datasets.import_npz("cifar10", tmp_path / "a" / "cifar10.npz", tmp_path / "b")
    assert moved["digest"] == datasets.check("cifar10", tmp_path / "a")["digest"]
    with pytest.raises(DataError, match="expected svhn, found cifar10"):
        datasets.import_npz("svhn", tmp_path / "a" / "cifar10.npz", tmp_path / "b")


def test_a_refused_import_leaves_the_old_file(user_file, tmp_path):
    row = datasets.import_npz("mnist", user_file(), tmp_path / "data")
    with pytest.raises(DataError):
        datasets.import_npz("mnist", user_file(train_images=grey[:3]), tmp_path / "data")
    assert datasets.check("mnist", tmp_path / "data") == row


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><html>", b"\x80\x04."])
def test_no_npz_file(content, tmp_path):
    file = tmp_path / "mine.npz"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"expected an .npz file, found"):
        datasets.import_npz("mnist", file, tmp_path / "data")


def test_absent_file_and_embedded_set(tmp_path):
    with pytest.raises(DataError, match=r"none.npz: no such file"):
        datasets.import_npz("mnist", tmp_path / "none.npz", tmp_path)
    with pytest.raises(UsageError, match="digits: is embedded"):
        datasets.import_npz("digits", tmp_path / "none.npz", tmp_path)
