"""`Record`: everything kept of one trained run, and its exact text form.

The text is JSON with sorted keys and its own digest. JSON has no NaN: a number that is not finite is written as "nan",
"inf" or "-inf" and read back as the float. Stdlib only.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from bnstudy import small_json
from bnstudy.design.cell import Cell, Run, make_cell
from bnstudy.design.fields import FIELDS
from bnstudy.errors import DataError, Unreadable, UsageError

SCHEMA = 1

EPOCH_COLUMNS = (
    "epoch",  # 0 = before training
    "data_loss",  # mean over the epoch's batches, training mode, nats; epoch 0: batches of the untrained network
    "penalty",  # mean over the epoch's batches, as added to the loss
    "train_accuracy",  # percent, over the epoch's batches, training mode
    "validation_accuracy",  # percent, evaluation mode, after the epoch
    "validation_loss",  # nats
    "lr",  # of this epoch's steps
    "seconds",  # of the epoch's training pass, statistics included, validation not
    "weights_digest",  # 12 hex of SHA-256 over all parameters and running statistics after the epoch
)

MOMENTS = ("mean", "mean_abs", "std", "min", "max", "l2")
MEASURED = ("pre_activation", "activation", "weight", "weight_grad", "bias_grad")
SHARES = (
    "zero_share",  # of activations, over the sampled steps
    "dead_share",  # of units that are zero on a whole fixed batch
    "saturated_share",  # of sigmoid activations farther than 0.45 from 0.5
)
LAYER_COLUMNS = tuple(f"{what}.{m}" for what in MEASURED for m in MOMENTS) + SHARES
"""Per epoch (from 1) and layer, in forward order; weight layers with their nonlinearity, last the output layer."""

EARLY_COLUMNS = (
    "weight_grad.mean_abs",  # of the step's gradient
    "weight_grad.max_abs",  # its largest entry
    "zero_share",  # of the step's activations; NaN if one of them is
)
"""Per sampled step of the first epoch and layer: changes within an epoch, which its mean hides."""

NOT_FINITE = ("nan", "inf", "-inf")
"""The text of numbers that are not finite."""

OPTIONAL = ("early", "peak_memory")
"""Fields that are left out of the text if they are None, as in records of earlier versions."""

REDO = "Delete the file and train again."

LAYERS, AFTER_LAYERS = ',"layers":{', '},"outcome":'
"""The text before the layer statistics and after them."""

NUMBERS = ("first_batch_loss", "test", "epochs", "layers", "early")
"""Fields in which "nan", "inf" and "-inf" are numbers; in others they are text, as in `stopped: nan`."""

NAMES = "names"
"""The column of layers in which they are text too."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The measured part of a `Record`, which an engine returns for a finished training; fields as in `Record`."""

    outcome: str
    diverged_at: dict[str, Any] | None
    stopped: str
    epochs_run: int
    best_epoch: int
    first_batch_loss: float
    test: dict[str, Any]
    epochs: dict[str, list[Any]]
    layers: dict[str, Any]
    early: dict[str, list[Any]] | None = None
    peak_memory: int | None = None


@dataclass(frozen=True, kw_only=True)
class Record(Trained):
    """One trained run. Accuracies in percent, losses in nats (mean over images), durations in seconds.

    outcome       finished, or diverged: the training loss was not finite at some step
    diverged_at   {"epoch", "layer"} where the first number that is not finite appeared, and the "step" (from 1) whose
                  loss was the first that is not finite; None if finished
    stopped       why training ended: epochs, steps, patience, nan
    test          images; for the last and the best weights: accuracy, loss, predicted (count per class); confusion of
                  the weights that the cell's reading tests: [true class][predicted class], counts of test images
    epochs        EPOCH_COLUMNS, each a list from epoch 0 to epochs_run
    layers        names, sizes (weights per layer), epoch, and LAYER_COLUMNS: each [epoch][layer], float32; a column
                  that does not apply (saturated_share of relu) is absent
    early         sampled steps of the first epoch or period: step (from 1) and data_loss (nats, mean over the batch) by
                  step, and EARLY_COLUMNS: each [step][layer], float32
    peak_memory   bytes: the most that training allocated on the GPU, without the data set; None on a CPU
    attempts      start (UTC), host, seconds, first_epoch of each attempt
    provenance    source digest, commit, data digest and source, engine, device, torch, threads, precision, ...

    Earlier versions wrote no early, peak_memory, confusion or step of divergence: these are absent in their records.
    """

    cell: Cell
    seed: int
    attempts: list[dict[str, Any]] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def run(self) -> Run:
        return Run(self.cell, self.seed)

    @property
    def test_accuracy(self) -> float:
        """Return percent, of the weights that the cell's reading tests (the last ones by default)."""
        return self.test[self.cell.tested_weights]["accuracy"]

    @property
    def started(self) -> str | None:
        """Return when the first attempt began (UTC), None if unknown."""
        return str(self.attempts[0]["start"]) if self.attempts else None

    def to_text(self) -> str:
        """Return the record as one line of JSON, with its schema and digest."""
        body: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "cell"}
        body = {name: value for name, value in body.items() if value is not None or name not in OPTIONAL}
        body |= {"schema": SCHEMA, "key": self.cell.key, "cell": asdict(self.cell)}
        body = _encoded(body)
        return _canonical(body | {"digest": digest_of(body)}) + "\n"

    @classmethod
    def from_text(cls, text: str, source: str = "record") -> "Record":
        """Return the record in `text`. Raises DataError if it is incomplete or its digest does not verify, Unreadable
        if it is whole but from a later version of this program."""
        try:
            body = small_json.parse(text, dict)
            claimed = body.pop("digest")
            found = _digest_in(text, claimed) or digest_of(body)
        except (ValueError, KeyError) as error:
            raise DataError(f"{source}: not a complete record ({type(error).__name__})", REDO) from error
        if claimed != found:
            raise DataError(f"{source}: digest is {str(claimed)[:12]!a}, the content gives {found[:12]}", REDO)
        if later := _later(body):
            raise Unreadable(f"{source}: written by a later version of this program ({later})", "Update bnstudy.")
        if body.pop("schema", None) != SCHEMA:
            raise DataError(f"{source}: written by another version of this program (schema)", REDO)
        try:
            key, cell = body.pop("key"), make_cell(body.pop("cell"))
            if any(f'"{word}"' in text for word in NOT_FINITE):
                body |= {field: _decoded(body[field]) for field in NUMBERS if field in body}
            record = cls(cell=cell, **body)
        except (KeyError, TypeError, UsageError) as error:
            raise DataError(f"{source}: not a record of this program ({str(error).splitlines()[0]})", REDO) from error
        if cell.key != key:
            raise DataError(f"{source}: holds key {str(key)[:12]!a}, its cell has {cell.key}", REDO)
        if not record.is_whole():
            raise DataError(f"{source}: a column is absent or has the wrong length", REDO)
        return record

    def is_whole(self) -> bool:
        """Return True if every column is present and has its length; of what is optional, only the lengths count."""
        try:
            rows = self.epochs_run + 1
            layers = [column for name, column in self.layers.items() if name not in (NAMES, "sizes")]
            predicted = self.test[self.cell.tested_weights]["predicted"]
            confusion = self.test.get("confusion", [predicted] * len(predicted))
            early = self.early or {"step": []}
            return (
                type(self.seed) is int
                and self.epochs.keys() == set(EPOCH_COLUMNS)
                and all(len(column) == rows for column in self.epochs.values())
                and all(len(column) == rows - 1 for column in layers)
                and len(predicted) > 0
                and [len(row) for row in confusion] == [len(predicted)] * len(predicted)
                and all(len(column) == len(early["step"]) for column in early.values())
            )
        except (AttributeError, KeyError, TypeError):
            return False


def _later(body: dict[str, Any]) -> str:
    """Return what only a later version of this program can have written, or an empty string."""
    schema, cell = body.get("schema"), body.get("cell")
    if type(schema) is int and schema > SCHEMA:
        return f"schema {schema}"
    unknown = body.keys() - {"schema", "key", *(f.name for f in fields(Record))}
    return ", ".join(sorted(unknown | (set(cell) - FIELDS.keys() if isinstance(cell, dict) else set())))


def _digest_in(text: str, claimed: Any) -> str | None:
    """Return `claimed` if it is the digest of the text without its digest member; None if that cannot be decided.

    A stored text is canonical, so it need not be encoded again, which would take half of the reading time.
    """
    member = f'"digest":"{claimed}",'
    if text.count(member) != 1 or not text.startswith("{") or not text.endswith("}\n"):
        return None
    rest = text[:-1].replace(member, "")
    return claimed if hashlib.sha256(rest.encode()).hexdigest() == claimed else None


def without_layers(text: str, source: str = "record") -> dict[str, Any]:
    """Return the members of a stored text without its layer statistics, which are most of it; for reading many records.

    Raises DataError if the digest does not verify; nothing else is checked.
    """
    try:
        head, tail = text.index(LAYERS), text.rindex(AFTER_LAYERS)
        body = small_json.parse(text[:head] + text[tail + 1 :], dict)
    except ValueError as error:
        raise DataError(f"{source}: not a complete record ({type(error).__name__})", REDO) from error
    if _digest_in(text, str(body.get("digest"))) is None:
        raise DataError(f"{source}: the digest does not match the content", REDO)
    return body


def digest_of(body: dict[str, Any]) -> str:
    """Return SHA-256 over the canonical JSON of an encoded record without its digest."""
    return hashlib.sha256(_canonical(body).encode()).hexdigest()


def _canonical(body: Any) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _encoded(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {k: _encoded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_encoded(v) for v in value]
    if plain := getattr(value, "tolist", None):  # layers of a published run are arrays
        return _encoded(plain())
    return value


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and value in NOT_FINITE:
        return float(value)
    if isinstance(value, dict):
        return {k: v if k == NAMES else _decoded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_decoded(v) for v in value]
    return value
