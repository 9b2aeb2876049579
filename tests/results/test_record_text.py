"""The text of a record: exact both ways, and no change of a character goes unseen."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import synthetic
from bnstudy.design.cell import Cell, Run
from bnstudy.errors import DataError
from bnstudy.results.record import Record, digest_of, without_layers

CELL = Cell(dataset="digits", model="mlp", norm="none", lr=0.1)
TEXT = synthetic.record(Run(CELL, 0), epochs_run=3).to_text()


def test_what_is_written_is_read_back_numbers_that_are_none_included():
    record = Record.from_text(TEXT)
    assert math.isnan(record.epochs["data_loss"][2])
    assert record.to_text() == TEXT


def test_a_finite_record_comes_back_equal():
    record = synthetic.record(Run(CELL, 1), fate="learns", epochs_run=2)
    assert Record.from_text(record.to_text()) == record


def test_arrays_are_written_as_lists():
    """A published run is read from Parquet, so its layers are arrays."""
    record = synthetic.record(Run(CELL, 1), fate="learns", epochs_run=2)
    layers = {name: np.array(column) for name, column in record.layers.items()}
    assert dataclasses.replace(record, layers=layers).to_text() == record.to_text()


def test_a_record_of_an_earlier_version_is_read_and_written_as_it_is():
    body = json.loads(TEXT)
    for field in ("digest", "early", "peak_memory"):
        del body[field]
    del body["test"]["confusion"], body["diverged_at"]["step"]
    old = json.dumps(body | {"digest": digest_of(body)}, sort_keys=True, separators=(",", ":")) + "\n"
    record = Record.from_text(old)
    assert (record.early, record.peak_memory) == (None, None)
    assert record.to_text() == old


def test_the_same_content_in_another_layout_is_accepted():
    assert Record.from_text(json.dumps(json.loads(TEXT), indent=1)).to_text() == TEXT


@settings(deadline=None)
@given(at=st.integers(0, len(TEXT) - 2), new=st.sampled_from('0179ae",{} '))
def test_no_changed_character_goes_unseen(at, new):
    changed = TEXT[:at] + new + TEXT[at + 1 :]
    if not says_the_same(changed):
        with pytest.raises(DataError):
            Record.from_text(changed)
        with pytest.raises(DataError):
            without_layers(changed)


def says_the_same(text: str) -> bool:
    """Whether every value is as in TEXT: 6e0 is 6.0."""
    try:
        return json.dumps(json.loads(text)) == json.dumps(json.loads(TEXT))
    except ValueError:
        return False


def test_all_but_the_layers_is_read_without_them():
    body = json.loads(TEXT)
    assert without_layers(TEXT) == {member: value for member, value in body.items() if member != "layers"}


@pytest.mark.parametrize(
    "broken",
    [
        TEXT.replace('"seed":0', '"seed":1'),
        TEXT.replace('"digest":"', '"digest":"0', 1),
        TEXT[:-20],
        TEXT + TEXT,
        "[]",
        "",
    ],
)
def test_damage_is_refused(broken):
    with pytest.raises(DataError):
        Record.from_text(broken)
    with pytest.raises(DataError):
        without_layers(broken)


def test_a_second_digest_member_does_not_hide_a_change():
    digest = json.loads(TEXT)["digest"]
    twice = TEXT.replace('"epochs_run":3', f'"digest":"{digest}","epochs_run":4', 1)
    with pytest.raises(DataError):
        Record.from_text(twice)
