"""Fields as the words a person types and reads, both ways: lr=0.001, norm_bias=false, hidden=900-500; and which
field another program's word means. Stdlib only."""

import re
from collections.abc import Iterable
from typing import Any

from bnstudy.design.fields import FORMS
from bnstudy.errors import UsageError, nearest

WIDTHS = "[0-9]{1,9}(-[0-9]{1,9})*"

OTHER_WORDS = {
    "learning_rate": "lr", "bs": "batch_size", "batchsize": "batch_size", "weight_decay": "penalty=l2 penalty_strength",
    "max_epochs": "epochs", "num_epochs": "epochs", "n_epochs": "epochs", "optim": "optimizer", "opt": "optimizer",
    "scheduler": "schedule", "lr_scheduler": "schedule", "dropout_rate": "dropout", "augmentation": "augment",
    "seed": "--seeds", "network": "model", "arch": "model", "architecture": "model", "data": "dataset",
    "normalization": "norm", "patience": "stop_patience", "initializer": "init", "criterion": "loss",
}  # fmt: skip
"""What Keras, Lightning, Hydra and PyTorch call what is a field here."""


def plain(value: Any) -> Any:
    """Return a field's value as frames hold it: a list as one word, widths as `900-500`; other values as they are."""
    return "-".join(map(str, value)) if isinstance(value, tuple) else value


def as_word(value: Any) -> str:
    """Return a field's value as it is typed and printed: true, 0.001, 900-500."""
    return str(value).lower() if isinstance(value, bool) else str(plain(value))


def short_word(value: Any) -> str:
    """Return a field's value as it is typed, a whole number without its fraction: 1 for 1.0."""
    return as_word(value).removesuffix(".0")


def fields_of(words: Iterable[str]) -> dict[str, Any]:
    """Read `key=value` words as fields, each value in the type of its field. Raises UsageError."""
    given: dict[str, Any] = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            raise UsageError(
                f"{word}: not of the form key=value", "For instance: bnstudy try model=mlp dataset=digits norm=batch"
            )
        if key in given:
            raise UsageError(f"{key}: given twice, {given[key]} and {value}", "Give it once.")
        given[key] = _typed(key, value)
    return given


def _typed(key: str, text: str) -> Any:
    """Convert a word to the type of its field; a word that does not fit stays text, which `Cell` refuses."""
    form = FORMS.get(key)
    if form is None or text == "null":
        return None if text == "null" else text
    if form.is_list:
        return [int(each) for each in text.split("-")] if re.fullmatch(WIDTHS, text) else text
    if form.type is bool:
        return {"true": True, "false": False}.get(text, text)
    try:
        return form.type(text)
    except ValueError:
        return text


def hint(name: str, known: Iterable[str]) -> str:
    """Return ` (here: lr)` if other programs call something so that is `known` here, else the nearest known name."""
    known = list(known)
    word = OTHER_WORDS.get(name.lower().replace("-", "_"), "")
    if not word or word.removeprefix("--") in known:
        return nearest(word.removeprefix("--") or name, known)
    return f" (here: {word})"
