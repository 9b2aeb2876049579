# ruff: noqa: E501 - one case, one line
import hashlib
import json
from dataclasses import asdict, fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnstudy.cell import FIELDS, HINTS, Cell, Run, checked, make_cell
from bnstudy.errors import UsageError
from bnstudy.labels import name
from bnstudy.rules import ACTS, inert

GOLDEN = json.loads((Path(__file__).parent / "golden" / "keys.json").read_text())
MLP = {"dataset": "mnist", "model": "mlp", "norm": "batch"}


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["name"])
def test_keys_and_names_never_move(golden):
    cell = Cell(**golden["fields"])
    assert (cell.key, name(cell)) == (golden["key"], golden["name"])
    assert json.dumps(cell.non_default(), sort_keys=True, separators=(",", ":")) == golden["canonical"]


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["name"])
def test_a_key_is_the_hash_of_what_is_not_default(golden):
    """So a field added later, whose default changes nothing, is in no old key."""
    given_fields = {n: v for n, v in golden["fields"].items() if v != FIELDS[n].default}
    assert json.loads(golden["canonical"]) == given_fields
    assert hashlib.sha256(golden["canonical"].encode()).hexdigest()[:12] == golden["key"]


def test_keys_of_different_cells_differ():
    assert len({golden["key"] for golden in GOLDEN}) == len(GOLDEN)


@settings(deadline=None)
@given(st.permutations(list(GOLDEN[5]["fields"].items())))
def test_a_key_ignores_the_order_of_fields(items):
    assert Cell(**dict(items)).key == GOLDEN[5]["key"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [({"lr": 1}, {"lr": 1.0}), ({"penalty": "l2", "penalty_strength": 0.1, "penalty_factor": 1}, {"penalty": "l2", "penalty_strength": 0.1}),
     ({"kaiming_gain": 1.0}, {"kaiming_gain": 1}), ({"lr_min": -0.0}, {"lr_min": 0.0}), ({"epochs": 100}, {})],
)  # fmt: skip
def test_one_value_has_one_key(written, meant):
    assert Cell(**MLP, **written).key == Cell(**MLP, **meant).key
    assert json.dumps(asdict(Cell(**MLP, **written))) == json.dumps(asdict(Cell(**MLP, **meant)))


def test_a_cell_comes_back_from_its_fields():
    for golden in GOLDEN:
        cell = Cell(**golden["fields"])
        assert make_cell(json.loads(json.dumps(asdict(cell)))) == cell


def test_a_run_is_a_cell_with_a_seed():
    assert Run(Cell(**MLP), 0).id == f"{Cell(**MLP).key}/0"


BAD_VALUES = [
    ("lr", 0, "out of range"), ("lr", -0.1, "out of range"), ("lr", float("nan"), "out of range"),
    ("lr", float("inf"), "out of range"), ("lr", "0.1", "not a number"), ("lr", True, "not a number"),
    ("lr", 10**400, "not a number"), ("lr", None, "no value"), ("epochs", 0, "out of range"), ("epochs", 1.5, "whole number"),
    ("epochs", True, "whole number"), ("batch_size", 65537, "out of range"), ("dropout", 0.96, "out of range"),
    ("momentum", 1.0, "out of range"), ("decay_factor", 0.0, "out of range"), ("width", 9, "out of range"),
    ("train_size", 9, "out of range"), ("kaiming_gain", True, "not allowed"), ("kaiming_gain", 3, "not allowed"),
    ("norm_bias", 1, "true or false"), ("norm_bias", "false", "true or false"), ("activation", "Re LU", "not a name"),
    ("activation", "../x", "not a name"), ("activation", "x" * 41, "not a name"), ("activation", "relu\n", "not a name"),
    ("split", "lsat", "nearest: last"), ("split", ["last"], "not allowed"), ("recipe", 0, "out of range"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "told"), BAD_VALUES)
def test_bad_values_are_refused_by_name(field, value, told):
    with pytest.raises(UsageError, match=told) as error:
        Cell(**(MLP | {field: value}))
    assert error.value.cause.startswith(f"{field}: ")
    assert error.value.remedy


@pytest.mark.parametrize("field", sorted({rule if isinstance(rule, str) else rule[0] for rule in ACTS}))
def test_rules_name_fields(field):
    assert field in FIELDS


CNN = {"dataset": "cifar10", "model": "cnn", "norm": "none"}
WITHOUT_EFFECT = [
    (CNN, "norm_placement", "post_activation"), (CNN, "gamma_init", "ones"), (CNN, "norm_eps", 0.1), (CNN, "norm_momentum", 0.2),
    (CNN, "population", "exact"), (CNN, "norm_bias", False), (CNN, "output_norm", True), (CNN, "penalty_strength", 0.1),
    (CNN, "penalty_factor", 0.5), (CNN, "penalty_on", "all"), (CNN, "dropout_at", "last"), (CNN, "dropout_kind", "maps"),
    (CNN | {"schedule": "constant"}, "decay_factor", 0.1), (CNN | {"schedule": "power"}, "decay_patience", 2),
    (CNN | {"schedule": "linear"}, "decay_counter", "plateau"), (CNN, "decay_rate", 0.1),
    (CNN | {"schedule": "constant"}, "lr_min", 0.0), (CNN | {"init": "xavier"}, "kaiming_gain", 1),
    (CNN | {"init": "normal", "init_std": 1.0}, "init_distribution", "uniform"), (CNN, "init_std", 1.0),
    (CNN, "init_std_on", "hidden"), (CNN | {"init": "normal", "init_std": 1.0}, "fan", "channels"),
    (MLP, "fan", "channels"), (MLP, "dense_layers", 1), (CNN | {"optimizer": "adam"}, "nesterov", "torch"),
    (CNN | {"optimizer": "sgd"}, "momentum", 0.5), (CNN, "mnist_size", "resize"), (MLP, "svhn_labels", "digit"),
    (MLP | {"dropout": 0.5}, "dropout_at", "every"), (MLP | {"dropout": 0.5}, "dropout_at", "pairs"),
    (MLP | {"dropout": 0.5}, "dropout_kind", "maps"), (MLP | {"population": "exact"}, "norm_momentum", 0.5),
    (MLP | {"norm_placement": "post_activation"}, "norm_bias", False), (MLP | {"split": "last"}, "split_seed", "run"),
    (MLP | {"norm": "layer"}, "population", "exact"), (MLP | {"norm": "layer"}, "norm_momentum", 0.2),
    (CNN | {"norm": "layer_autograd"}, "population", "exact"), (CNN | {"norm": "layer_manual"}, "norm_momentum", 0.2),
    (MLP | {"model": "numpy_mlp"}, "precision", "bf16"),
    (MLP | {"model": "cnn"}, "mnist_size", "native"), (MLP | {"schedule": "constant", "stop_patience": 0}, "improvement", "equal"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "field", "value"), WITHOUT_EFFECT)
def test_a_field_without_effect_is_refused_and_as_a_switch_dropped(base, field, value):
    with pytest.raises(UsageError, match="no effect"):
        Cell(**base, **{field: value})
    assert make_cell(base, {field: value}) == Cell(**base)
    assert inert(Cell(**base), field, value)


ACTING = [
    (MLP, "gamma_init", "ones"), (MLP, "mnist_size", "native"), (CNN | {"dropout": 0.5}, "dropout_at", "pairs"),
    (MLP | {"dropout": 0.5}, "dropout_at", "last"), (MLP | {"norm_placement": "post_activation", "output_norm": True}, "norm_bias", False),
    (MLP | {"norm": "batch_manual"}, "population", "exact"), (CNN | {"norm": "batch_autograd"}, "norm_momentum", 0.2),
    (CNN | {"norm": "layer"}, "norm_eps", 0.1), (MLP | {"norm": "layer"}, "gamma_init", "ones"),
    (CNN, "fan", "channels"), (MLP | {"schedule": "constant"}, "improvement", "equal"), (MLP, "split_seed", "run"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "field", "value"), ACTING)
def test_a_field_with_effect_makes_another_cell(base, field, value):
    assert make_cell(base, {field: value}) == Cell(**base, **{field: value}) != Cell(**base)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"init": "normal"}, "init_std: missing"),
        ({"penalty": "l2"}, "penalty_strength: missing"),
        ({"lrr": 1}, "nearest: lr"),
    ],
)
def test_incomplete_cells_are_refused(fields, told):
    with pytest.raises(UsageError, match=told):
        make_cell(MLP | fields)


@pytest.mark.parametrize("missing", ["dataset", "model", "norm"])
def test_three_fields_have_no_default(missing):
    with pytest.raises(UsageError, match=f"{missing}: missing"):
        make_cell({n: v for n, v in MLP.items() if n != missing})


def test_every_field_is_documented_and_its_default_legal():
    for spec in fields(Cell):
        assert spec.metadata["doc"]
        if spec.name not in MLP:
            assert checked(spec.name, spec.default) == spec.default
            assert type(checked(spec.name, spec.default)) is type(spec.default), HINTS[spec.name]


anything = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.integers(), max_size=2)
)


@settings(deadline=None)
@given(st.sampled_from(sorted(FIELDS)), anything)
def test_any_value_makes_a_cell_or_a_usage_error(field, value):
    result = outcome(MLP | {field: value})
    if isinstance(result, UsageError):
        assert result.cause
        assert result.remedy
    else:
        assert make_cell(json.loads(json.dumps(asdict(result)))).key == result.key


def outcome(fields):
    try:
        return make_cell(fields)
    except UsageError as error:
        return error
