"""A field's value as a word, and back."""

import pytest

from bnstudy.design.fields import FIELDS, checked
from bnstudy.design.words import as_word, fields_of, plain, short_word
from bnstudy.errors import UsageError

VALUES = [
    ("lr", 0.001, "0.001"), ("epochs", 3, "3"), ("norm_bias", False, "false"), ("hidden", (900, 500), "900-500"),
    ("activation", "elu", "elu"), ("decay_at", (5,), "5"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "word"), VALUES)
def test_a_value_comes_back_from_its_word(field, value, word):
    assert as_word(value) == word
    assert checked(field, fields_of([f"{field}={word}"])[field]) == value


def test_every_default_comes_back_from_its_word():
    for field, spec in FIELDS.items():
        if field not in ("dataset", "model", "norm") and spec.default not in (None, ()):
            assert checked(field, fields_of([f"{field}={as_word(spec.default)}"])[field]) == spec.default


def test_words_are_read_as_the_types_of_their_fields():
    read = fields_of(["lr=1e-3", "epochs=3", "norm_bias=false", "steps=null", "split=last", "reading=code"])
    assert read == {"lr": 0.001, "epochs": 3, "norm_bias": False, "steps": None, "split": "last", "reading": "code"}


def test_a_word_that_does_not_fit_stays_text_for_the_field_to_refuse():
    assert fields_of(["lr=fast", "norm_bias=no", "hidden=9-"]) == {"lr": "fast", "norm_bias": "no", "hidden": "9-"}


@pytest.mark.parametrize(("words", "told"), [(["lr"], "not of the form"), (["lr=1", "lr=2"], "given twice, 1.0 and 2")])
def test_words_that_give_no_field_are_refused(words, told):
    with pytest.raises(UsageError, match=told):
        fields_of(words)


def test_a_frame_holds_a_list_as_a_word_and_any_other_value_as_it_is():
    assert [plain(value) for value in ((900, 500), 0.1, None, True)] == ["900-500", 0.1, None, True]


@pytest.mark.parametrize(("value", "word"), [(1.0, "1"), (0.1, "0.1"), (10.0, "10"), (1e-8, "1e-08"), (True, "true")])
def test_a_whole_number_has_no_fraction_as_a_short_word(value, word):
    assert short_word(value) == word
