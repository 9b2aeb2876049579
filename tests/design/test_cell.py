# ruff: noqa: E501 - one case, one line
import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnstudy.design.cell import Cell, Run, make_cell
from bnstudy.design.fields import FIELDS
from bnstudy.design.labels import name
from bnstudy.errors import UsageError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "keys.json").read_text())
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
