# ruff: noqa: E501 - one case, one line
"""Every field has a default, a meaning and legal values; other values are refused by name."""

from dataclasses import fields

import pytest

from bnstudy.design.cell import Cell
from bnstudy.design.fields import HINTS, Fields, checked
from bnstudy.errors import UsageError

MLP = {"dataset": "mnist", "model": "mlp", "norm": "batch"}

BAD_VALUES = [
    ("lr", 0, "out of range"), ("lr", -0.1, "out of range"), ("lr", float("nan"), "out of range"),
    ("lr", float("inf"), "out of range"), ("lr", "0.1", "not a number"), ("lr", True, "not a number"),
    ("lr", 10**400, "not a number"), ("lr", None, "no value"), ("epochs", 0, "out of range"), ("epochs", 1.5, "whole number"),
    ("epochs", True, "whole number"), ("batch_size", 10_000_001, "out of range"), ("dropout", 0.96, "out of range"),
    ("momentum", 1.0, "out of range"), ("decay_factor", 0.0, "out of range"), ("width", 9, "out of range"),
    ("train_size", 9, "out of range"), ("kaiming_gain", True, "not allowed"), ("kaiming_gain", 3, "not allowed"),
    ("norm_bias", 1, "true or false"), ("norm_bias", "false", "true or false"), ("activation", "Re LU", "not a name"),
    ("activation", "../x", "not a name"), ("activation", "x" * 81, "not a name"), ("activation", "relu\n", "not a name"),
    ("split", "lsat", "nearest: last"), ("split", ["last"], "not allowed"), ("recipe", 0, "out of range"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "told"), BAD_VALUES)
def test_bad_values_are_refused_by_name(field, value, told):
    with pytest.raises(UsageError, match=told) as error:
        Cell(**(MLP | {field: value}))
    assert error.value.cause.startswith(f"{field}: ")
    assert error.value.remedy


def test_every_field_is_documented_and_its_default_legal():
    for spec in fields(Fields):
        assert spec.metadata["doc"]
        if spec.name not in MLP:
            assert checked(spec.name, spec.default) == spec.default
            assert type(checked(spec.name, spec.default)) is type(spec.default), HINTS[spec.name]
