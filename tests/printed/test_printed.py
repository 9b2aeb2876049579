"""The printed numbers: complete, in our words, and with the marks that can be checked by hand."""

import pytest

from bnstudy import printed
from bnstudy.design.labels import SETTINGS

DATASETS = ["mnist", "svhn", "cifar10", "cifar100"]


def test_accuracy_is_complete_and_in_our_words():
    frame = printed.accuracy()
    labels = ["model", "dataset", "norm", "setting"]
    assert len(frame) == 144
    assert not frame.duplicated(labels).any()
    assert set(frame["setting"]) < set(SETTINGS)
    assert set(frame["norm"]) == {"none", "batch"}
    assert list(frame["dataset"].unique()) == DATASETS
    assert frame["printed"].between(0.9, 100).all()


def test_some_numbers_as_printed():
    numbers = printed.accuracy().set_index(["model", "dataset", "norm", "setting"])["printed"]
    assert numbers["mlp", "cifar10", "none", "relu"] == 49.6
    assert numbers["mlp", "cifar10", "batch", "relu"] == 51.6
    assert numbers["cnn", "cifar100", "none", "lr_low"] == 35.3
    assert numbers["cnn", "cifar100", "batch", "lr_low"] == 46.2
    assert numbers["cnn", "mnist", "none", "sigmoid"] == 11.4


def test_seconds_and_their_mean_overhead_agree():
    frame, overhead = printed.seconds(), printed.mean_overhead()
    assert (len(frame), len(overhead)) == (96, 12)
    wide = frame.pivot(index=["model", "batch_size", "dataset"], columns="norm", values="printed")
    own = (100 * (wide["batch"] / wide["none"] - 1)).groupby(["model", "batch_size"]).mean()
    given = overhead.set_index(["model", "batch_size"])["printed"]
    off = (own - given).abs().groupby("model").max()
    assert off["mlp"] < 3.25  # the seconds are rounded to 0.1
    assert off["cnn"] < 0.55


def test_28_vanilla_and_no_batch_norm_number_is_a_constant_guess():
    frame = printed.accuracy()
    chance = [printed.is_chance(v, d) for v, d in zip(frame["printed"], frame["dataset"], strict=True)]
    assert frame[chance]["norm"].value_counts().to_dict() == {"none": 28}


@pytest.mark.parametrize(
    ("value", "dataset", "want"),
    [
        (9.8, "mnist", True),
        (11.4, "mnist", True),
        (12.4, "mnist", False),
        (20.6, "svhn", True),
        (2.1, "cifar100", False),
        (10.0, "digits", False),
    ],
)
def test_the_rule_for_a_constant_guess(value, dataset, want):
    assert printed.is_chance(value, dataset) is want


def test_callers_cannot_change_the_numbers():
    for frame in (printed.accuracy(), printed.seconds()):
        frame["printed"] = 0.0
    assert printed.accuracy()["printed"].min() > 0
    assert printed.seconds()["printed"].min() > 0
