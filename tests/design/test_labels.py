import re
from dataclasses import replace
from itertools import product

import pytest

from bnstudy.design.cell import Cell, make_cell
from bnstudy.design.fields import FIELDS
from bnstudy.design.labels import IDENTITY, READINGS, SETTINGS, SIZE, acting, axes, cell_of, labels, name, switches

NAME_PATTERN = r"[a-z0-9_]+-[a-z0-9_]+-[a-z0-9_]+-[a-z0-9_]+-[0-9a-f]{12}"
FLIPS = [r for r, switches in READINGS.items() if len(switches) == 1]
THESIS = [
    {"dataset": dataset, "model": model, "norm": norm, **fields}
    for dataset, model, norm, (setting, fields) in product(
        ("mnist", "svhn", "cifar10", "cifar100"), ("mlp", "cnn"), ("none", "batch"), SETTINGS.items()
    )
    if setting != "relu_norm_after" or norm == "batch"
]


def test_every_field_has_one_role():
    assert sorted((*IDENTITY, *SIZE, *switches(), *axes())) == sorted(FIELDS)


def test_a_reading_of_an_extension_may_flip_a_field_that_none_flips_yet(monkeypatch):
    monkeypatch.setitem(READINGS, "eps_large", {"norm_eps": 0.1})
    cell = make_cell({"dataset": "mnist", "model": "mlp", "norm": "batch", "lr": 0.1}, READINGS["eps_large"])
    assert labels(cell) == ("lr_high", "eps_large")
    assert "norm_eps" not in axes()


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_a_setting_gives_back_its_name(setting, model):
    cell = make_cell({"dataset": "svhn", "model": model, "norm": "batch"} | SETTINGS[setting])
    assert labels(cell) == (setting, "default")
    assert name(cell) == f"svhn-{model}-batch-{setting}-{cell.key}"
    assert re.fullmatch(NAME_PATTERN, name(cell))


@pytest.mark.parametrize("reading", [r for r in READINGS if r != "code_decay"])
def test_a_reading_gives_back_its_name_in_every_cell_of_the_thesis(reading):
    seen = 0
    for values in THESIS:
        setting = labels(make_cell(values))[0]
        cell = cell_of(values, reading=reading)
        flipped = acting(make_cell(values), READINGS[reading])
        if len(flipped) == len(READINGS[reading]) or reading in FLIPS:
            assert labels(cell) == (setting, reading if flipped else "default")
            seen += bool(flipped)
        else:  # a bundle of which something is left: its own name, or that of the one flip it is here
            same = [r for r in FLIPS if READINGS[r] == flipped]
            assert labels(cell) == (setting, same[0] if same else reading)
    assert seen or reading == "default"


def test_no_two_flips_are_the_same():
    assert len({tuple(READINGS[r].items()) for r in FLIPS}) == len(FLIPS)


def test_every_switch_of_a_bundle_is_a_flip_of_its_own():
    single = {next(iter(READINGS[r].items())) for r in FLIPS}
    assert {item for r in READINGS for item in READINGS[r].items() if item[0] in switches()} == single


BASE = {"dataset": "mnist", "model": "mlp", "norm": "batch"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"width": 0.25}, ("relu", "reduced")),
        ({"epochs": 10}, ("relu", "reduced")),
        ({"train_size": 5000, "lr": 0.1}, ("lr_high", "reduced")),
        ({"epochs": 10, "split": "last"}, ("relu", "adhoc")),  # none of the readings of the full protocol
        ({"lr": 0.2}, ("adhoc", "default")),
        ({"lr": 0.1, "batch_size": 32}, ("adhoc", "default")),
        ({"activation": "sigmoid"}, ("adhoc", "default")),
        ({"gamma_init": "ones", "split": "last"}, ("relu", "adhoc")),
        ({"recipe": 2}, ("relu", "default")),
        ({"precision": "bf16"}, ("adhoc", "default")),
    ],
)
def test_what_fits_no_row_is_told_so(fields, expected):
    assert labels(Cell(**BASE, **fields)) == expected


def test_labels_of_the_bundles_where_one_switch_is_left():
    sigmoid = make_cell(BASE | SETTINGS["sigmoid"], READINGS["code"])
    assert sigmoid.split == "last"
    assert labels(sigmoid) == ("sigmoid", "split_last")
    assert labels(make_cell(BASE, READINGS["code"])) == ("relu", "code")


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_program_decays_weights_in_every_row_unless_told_otherwise(norm):
    values = {"dataset": "cifar10", "model": "mlp", "norm": norm}
    for setting in ("elu", "lr_high", "lr_low", "dropout", "init_low"):
        cell = cell_of(values, setting, "code_decay")
        assert labels(cell) == (setting, "code_decay")
        assert (cell.penalty, cell.penalty_strength, cell.penalty_factor, cell.penalty_on) == ("l2", 5e-4, 0.5, "all")
        assert cell_of(values, setting, "code") == replace(
            cell, penalty="none", penalty_strength=0.0, penalty_factor=1.0, penalty_on="weights"
        )
    alike = [cell_of(values, *row) for row in (("relu", "code_decay"), ("weight_decay", "code_decay"))]
    assert alike == [cell_of(values, "weight_decay", "code")] * 2
    assert labels(alike[0]) == ("weight_decay", "code")


def test_the_bundles_are_those_of_the_sources():
    """docs/design.md: what the text says where it differs from the default, and the author's code throughout."""
    text = {"standardization": "dimension", "gamma_init": "ones", "lr_min": 0.0, "last_batch": "keep"}
    code = {"split": "last", "kaiming_gain": 1, "dense_layers": 1, "penalty_factor": 0.5, "penalty_on": "all"}
    assert (READINGS["text"], READINGS["code"]) == (text, code)
