"""Loading verifies every time; whatever is wrong with a file is said in one line, with a way out."""

import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest

from bnstudy import datasets
from bnstudy.errors import DataError, UsageError

pytestmark = pytest.mark.usefixtures("small_sets")

# A change here means other pixels under the same name: results are then no longer comparable.
DIGESTS = {
    "digits": "620baf23e7b6f706003092a057b1e3e734dd074e885e02afaf467da0e27c755b",
    "toy": "b3e34db028a056af2a3f0f0c522e145af40f6ef9dab72ad46978bebc551fe9c7",
}


@pytest.fixture
def stored(user_file, tmp_path):
    """The canonical file of a small MNIST in tmp_path."""
    datasets.import_npz("mnist", user_file(), tmp_path)
    return tmp_path / "mnist.npz"


def refused(folder, message, name="mnist"):
    with pytest.raises(DataError, match=message) as error:
        datasets.load(name, folder)
    assert error.value.exit_code == 65
    assert str(folder / f"{name}.npz") in error.value.cause
    assert f"bnstudy data fetch {name}" in error.value.remedy
    assert f"bnstudy data import {name} FILE.npz" in error.value.remedy
    row = datasets.check(name, folder)
    assert (row["problem"], row["digest"]) == (error.value.cause, None)
    return row["state"]


@pytest.mark.parametrize("name", DIGESTS)
def test_embedded_pixels_have_not_moved(name, tmp_path):
    found = datasets.load(name, tmp_path / "absent")
    assert found.digest == DIGESTS[name]
    assert found.source == "embedded"
    assert found.train_images.shape[1:] == (1, 32, 32)
    assert (found.train_images.dtype, found.train_labels.dtype) == (np.uint8, np.int64)


def test_absent(tmp_path):
    assert refused(tmp_path, "no such file") == "absent"
    (tmp_path / "a_file").write_text("")
    assert refused(tmp_path / "a_file", "no such file") == "absent"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"\n<!DOCTYPE html><html>log in</html>", "a web page"),
        (pickle.dumps({"train_images": 1}), "a file that starts with"),
        (b"\x93NUMPY\x01\x00", "a file that starts with"),
    ],
)
def test_no_npz_file(content, message, stored):
    stored.write_bytes(content)
    assert refused(stored.parent, f"expected an .npz file, found {message}") == "damaged"


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.9999])
def test_truncated(share, stored):
    content = stored.read_bytes()
    stored.write_bytes(content[: int(share * len(content))])
    refused(stored.parent, "found a truncated one")


def test_every_flipped_bit_of_the_pixels_is_seen(stored):
    content, right = bytearray(stored.read_bytes()), datasets.load("mnist", stored.parent).digest
    for place in range(500, len(content) - 2000, 2999):
        content[place] ^= 1 << place % 8
        stored.write_bytes(content)
        refused(stored.parent, "mnist.npz: ")
        content[place] ^= 1 << place % 8
    stored.write_bytes(content)
    assert datasets.load("mnist", stored.parent).digest == right


def test_a_flipped_bit_anywhere_in_the_frame_is_refused_or_harmless(stored):
    """Zip and npy headers: no traceback, and never other arrays than those that were written."""
    whole, right = stored.read_bytes(), datasets.load("mnist", stored.parent).digest
    for place in (*range(0, 200, 3), *range(len(whole) - 900, len(whole), 3)):
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        stored.write_bytes(content)
        row = datasets.check("mnist", stored.parent)
        assert row["state"] == "damaged" or row["digest"] == right


def rewritten(stored, **changes):
    with np.load(stored) as file:
        members = dict(file) | changes
    np.savez(stored, **{k: v for k, v in members.items() if v is not None})


def test_altered_pixels_with_a_valid_frame(stored):
    with np.load(stored) as file:
        images = file["test_images"].copy()
    images[3, 0, 9, 9] ^= 1
    rewritten(stored, test_images=images)
    refused(stored.parent, r"altered, expected digest [0-9a-f]{12}, found [0-9a-f]{12}")


def test_shape_and_type_are_part_of_the_digest(stored):
    with np.load(stored) as file:
        images = file["test_images"]
    rewritten(stored, test_images=images.astype(np.int8, casting="unsafe"))
    refused(stored.parent, "altered")
    rewritten(stored, test_images=images.reshape(20, 1, 16, 64))
    refused(stored.parent, "altered")


def test_a_swapped_set(stored, user_file):
    datasets.import_npz("cifar10", user_file(base=user_file.arrays(shape=(32, 32, 3))), stored.parent)
    shutil.copy(stored.parent / "cifar10.npz", stored)
    refused(stored.parent, "expected mnist, found cifar10")


@pytest.mark.parametrize(
    "facts", [None, np.array("{"), np.array('{"name": "mnist"}'), np.array("[1]"), np.arange(3), np.array("null")]
)
def test_facts_that_are_none(facts, stored):
    rewritten(stored, facts=facts)
    refused(stored.parent, "not written by this program")


def test_official_sets_are_complete(stored, user_file):
    datasets.import_npz("mnist", user_file(base=user_file.arrays(train=39)), stored.parent)
    with np.load(stored) as file:
        facts = str(file["facts"])
    rewritten(stored, facts=np.array(facts.replace("imported", "official")))
    refused(stored.parent, "expected 40 images, found 39")


def test_nothing_is_unpickled(stored, tmp_path):
    class Touch:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    rewritten(stored, train_images=np.array([Touch()], dtype=object))
    refused(stored.parent, "found a pickled object")
    assert not (tmp_path / "owned").exists()


def test_missing_members_and_folders(stored):
    rewritten(stored, test_labels=None)
    refused(stored.parent, "missing test_labels")
    stored.unlink()
    stored.mkdir()
    refused(stored.parent, "cannot be read")


def test_unknown_name():
    with pytest.raises(UsageError, match="nearest: mnist"):
        datasets.load("mnst")


def test_listing_the_data_sets_imports_nothing_heavy():
    code = "import sys, bnstudy.datasets; print({'numpy', 'torch', 'torchvision', 'sklearn'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "set()"
    )
