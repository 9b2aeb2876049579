"""Array files of users: what is taken, what is refused and with which words."""

import io
import os
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bnstudy import datasets
from bnstudy.errors import DataError, UsageError
from datasets.conftest import arrays

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
        ("mnist", {"train_labels": (np.arange(40) % 10).astype("m8[s]")}, "whole numbers .*found timedelta64"),
        ("mnist", {"train_labels": np.arange(40) % 10 > 4}, "whole numbers .*found bool"),
        ("mnist", {"train_images": grey}, "train_images: expected images, found 0 in every pixel"),
        ("mnist", {"test_images": grey[:20] + 7}, "test_images: expected images, found 7 in every pixel"),
        ("mnist", {"test_images": arrays()["train_images"][:20]}, "test_images: all of them are among train_images"),
        ("mnist", {"train_images": np.zeros((40, 400, 400), np.uint8)}, "at most .* bytes, found uint8"),
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


def zipped(file: Path, **members: bytes | None) -> Path:
    """Add members to a user's file; with None, one of no bytes; without `.npy` in the name, as they are."""
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as stored:
        for name, content in members.items():
            stored.writestr(f"{name}.npy", content or b"")
    return file


def header(shape: tuple[int, ...], kind: str = "|u1") -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": kind, "fortran_order": False, "shape": shape})
    return out.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("left_out", "content", "message"),
    [
        ("", arrays()["train_labels"].tobytes(), "train_labels: one member of this name is allowed, found 2"),
        ("train_labels", None, "found ValueError"),
        ("train_labels", b"\x93NUMPY\x01\x00\xff\xff", "found ValueError"),
        ("train_labels", header((40,)), "train_labels: needs 40 bytes of uint8 .*, found 0"),
        ("train_labels", header((40,)) + bytes(41), "train_labels: needs 40 bytes of uint8 .*, found 41"),
        ("train_labels", header((1 << 40,)), "train_labels: at most 320 bytes, found uint8"),
        ("train_labels", header((1 << 40, 1 << 40, 0)), "cannot reshape"),
        ("train_labels", header((-1,)), "train_labels"),
        ("train_labels", header((40,), "|O") + b"\x80\x04.", "train_labels: found a pickled object"),
    ],
)  # fmt: skip
def test_a_member_is_looked_at_before_it_is_unpacked(left_out, content, message, user_file, tmp_path):
    file = zipped(user_file(**{left_out: None} if left_out else {}), train_labels=content)
    with pytest.raises(DataError, match=message):
        datasets.import_npz("mnist", file, tmp_path / "data")


def test_gigabytes_of_zeros_are_refused_at_once(user_file, tmp_path):
    file = user_file(train_images=None)
    zeros = bytes(1 << 20)
    with (
        zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as stored,
        stored.open("train_images.npy", "w", force_zip64=True) as member,
    ):
        member.write(header((200 << 20,)))
        for _ in range(200):
            member.write(zeros)
    tracemalloc.start()
    with pytest.raises(DataError, match=r"train_images: at most .* bytes, found uint8"):
        datasets.import_npz("mnist", file, tmp_path / "data")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 << 20


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"name": "a\x1b[31m\\nb", "source": "imported", "digest": "00"}', "\udcff", ""]
)
def test_facts_are_not_trusted(text, user_file, tmp_path):
    """A file that states hostile facts is taken as a user's file that states none."""
    row = datasets.import_npz("mnist", user_file(facts=np.array(text)), tmp_path / "data")
    assert (row["source"], row["state"]) == ("imported", "present")


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "link to itself"])
def test_what_is_no_file_is_refused_at_once(kind, tmp_path):
    file, data = tmp_path / "mine.npz", tmp_path / "data" / "mnist.npz"
    data.parent.mkdir()
    for path in (file, data):
        {"pipe": os.mkfifo, "folder": os.mkdir, "device": lambda p: p.symlink_to("/dev/zero"),
         "link to itself": lambda p: p.symlink_to(p)}[kind](path)  # fmt: skip
    with pytest.raises(DataError) as error:
        datasets.import_npz("mnist", file, tmp_path / "other")
    assert str(file) in error.value.cause
    assert datasets.check("mnist", data.parent)["state"] in ("damaged", "absent")
