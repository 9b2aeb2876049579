"""A record comes back as it was, or is refused: whatever digit, bit, column or type of it has been changed."""

import contextlib
import json
import math
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnstudy.errors import DataError, Unreadable
from bnstudy.results.record import EPOCH_COLUMNS, LAYER_COLUMNS, Record, digest_of
from faults import small, tally
from synthetic import record

RECORD = record(small.RUNS[2], epochs_run=2)
TEXT = RECORD.to_text()


def resigned(**changes) -> str:
    """The record with these changes, and a digest that verifies."""
    body = json.loads(TEXT)
    del body["digest"]
    for key, value in changes.items():
        if value is None:
            body.pop(key, None)
        else:
            body[key] = value
    return json.dumps(body | {"digest": digest_of(body)})


def test_a_record_comes_back_as_it_was():
    assert Record.from_text(TEXT) == RECORD
    assert Record.from_text(resigned()) == RECORD
    assert set(RECORD.epochs) == set(EPOCH_COLUMNS)
    assert set(RECORD.layers) <= {"names", "sizes", "epoch", *LAYER_COLUMNS}
    assert Record.from_text(TEXT).test_accuracy == RECORD.test["last"]["accuracy"]
    assert RECORD.started == RECORD.attempts[0]["start"]
    assert replace(RECORD, attempts=[]).started is None


@settings(deadline=None)
@given(st.lists(st.floats(), min_size=3, max_size=3))
def test_every_float_comes_back(values):
    changed = replace(RECORD, epochs=RECORD.epochs | {"data_loss": values})
    back = Record.from_text(changed.to_text()).epochs["data_loss"]
    assert all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(values, back, strict=True))


def refused_or_same(text: str) -> None:
    """A change of white space, or of a digit beyond the precision of a float, changes nothing that is read."""
    tally.count("altered records")
    with contextlib.suppress(DataError):
        assert Record.from_text(text) == RECORD


def test_words_stay_words():
    changed = replace(RECORD, stopped="nan", attempts=[{"host": "inf"}], provenance={"cpu": "-inf"})
    changed = replace(changed, layers=RECORD.layers | {"names": ["nan", *RECORD.layers["names"][1:]]})
    assert Record.from_text(changed.to_text()) == changed


def test_a_digit_of_an_accuracy_is_seen():
    accuracy = json.dumps(RECORD.test["last"]["accuracy"])
    assert accuracy in TEXT
    with pytest.raises(DataError, match="digest is"):
        Record.from_text(TEXT.replace(accuracy, accuracy[:-1] + str((int(accuracy[-1]) + 1) % 10)))


def test_one_digit_changed_anywhere_is_seen():
    digits = [m.start() for m in re.finditer(r"\d", TEXT)]
    assert len(digits) > 1000
    for at in digits[:: max(1, len(digits) // 300)]:
        refused_or_same(TEXT[:at] + str((int(TEXT[at]) + 1) % 10) + TEXT[at + 1 :])


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 8 * len(TEXT) - 1))
def test_one_bit_changed_anywhere_is_seen(bit):
    changed = bytearray(TEXT.encode())
    changed[bit // 8] ^= 1 << bit % 8
    refused_or_same(changed.decode("utf-8", "surrogateescape"))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, len(TEXT) - 2))
def test_a_part_of_a_record_is_none(length):
    tally.count("altered records")
    with pytest.raises(DataError):
        Record.from_text(TEXT[:length])


@pytest.mark.parametrize(
    "text",
    ["", "null", "7", "[]", '"x"', "{}", '{"digest": 1}', "[" * 100_000, '{"a":' * 100_000, "9" * 5000,
     '{"digest": NaN}', '{"digest": "x", "a": NaN}', '{"digest": "x", "a": 1e999}', "\udcff",
     "!!python/object/apply:os.system [ls]"],
    ids=range(15),
)  # fmt: skip
def test_what_is_no_record(text):
    tally.count("altered records")
    with pytest.raises(DataError, match=r"not a complete record|digest is"):
        Record.from_text(text)


CELL = json.loads(TEXT)["cell"]
EPOCHS, LAYERS, TESTED, EARLY = (json.loads(TEXT)[key] for key in ("epochs", "layers", "test", "early"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"schema": 0}, "another version"),
        ({"schema": None}, "another version"),
        ({"key": "0" * 12}, "holds key"),
        ({"key": None}, "not a record of this program"),
        ({"cell": None}, "not a record of this program"),
        ({"cell": 3}, "not a record of this program"),
        ({"cell": CELL | {"lr": -1.0}}, "not a record of this program"),
        ({"cell": CELL | {"lr": 0.02}}, "holds key"),
        ({"outcome": None}, "not a record of this program"),
        ({"seed": True}, "column"),
        ({"seed": "0"}, "column"),
        ({"epochs_run": 3}, "column"),
        ({"epochs_run": "2"}, "column"),
        ({"epochs": {k: v for k, v in EPOCHS.items() if k != "lr"}}, "column"),
        ({"epochs": EPOCHS | {"lr": EPOCHS["lr"][:-1]}}, "column"),
        ({"epochs": EPOCHS | {"lr": 3}}, "column"),
        ({"epochs": []}, "column"),
        ({"layers": LAYERS | {"weight.l2": []}}, "column"),
        ({"layers": 3}, "column"),
        ({"early": EARLY | {"weight_grad.max_abs": EARLY["weight_grad.max_abs"][1:]}}, "column"),
        ({"early": {"weight_grad.max_abs": []}}, "column"),
        ({"test": TESTED | {"confusion": TESTED["confusion"][1:]}}, "column"),
        ({"test": TESTED | {"confusion": [row[1:] for row in TESTED["confusion"]]}}, "column"),
        ({"test": {}}, "column"),
        ({"test": TESTED | {"last": TESTED["last"] | {"predicted": []}}}, "column"),
    ],
    ids=range(25),
)
def test_a_record_that_somebody_signed_anew(changes, told):
    tally.count("altered records")
    with pytest.raises(DataError, match=told) as error:
        Record.from_text(resigned(**changes), "some/file.json")
    assert error.value.cause.startswith("some/file.json: ")
    assert "\n" not in error.value.cause + error.value.remedy


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"schema": 2}, r"later version of this program \(schema 2\)"),
        ({"cell": CELL | {"color": "red"}}, r"\(color\)"),
        ({"gradient_norms": [1.0]}, r"\(gradient_norms\)"),
    ],
)
def test_a_record_of_a_later_version_is_left_alone(changes, told):
    """It is whole, so it must not be moved aside and trained again by who cannot read it."""
    with pytest.raises(Unreadable, match=told):
        Record.from_text(resigned(**changes), "some/file.json")
