"""The identity of what is trained: `Cell` (one point of the design) and `Run` (a cell with a seed).

Stdlib only: the Snakefile, the command line and the tests read this without torch.

A cell's key is a hash of its non-default fields. So a field added later, with a default that changes
nothing, moves no old result; and a change of training semantics bumps `recipe`, which moves them all.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple, get_args, get_type_hints

from bnstudy.errors import UsageError, nearest

NAME_PATTERN = r"[a-z0-9_]+-[a-z0-9_]+-[a-z0-9_]+-[a-z0-9_]+-[0-9a-f]{12}"
KEY_PATTERN = r"[0-9a-f]{12}"


def _f(default: Any, doc: str, low: float = -math.inf, high: float = math.inf, above: float = -math.inf) -> Any:
    """A field with its documentation and its legal range: low <= value <= high and value > above."""
    return field(default=default, metadata={"doc": doc, "low": low, "high": high, "above": above})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One point of the design, without the seed.

    Fields typed `str` name an entry of a registry (checked by `bnstudy.choices`); `Literal` fields list
    their values here. Every default is the default reading of the thesis (docs/design.md).
    Raises UsageError on a value out of range, or on a field that has no effect in this cell.
    """

    dataset: str = field(metadata={"doc": "data set (6.1)"})
    model: str = field(metadata={"doc": "mlp (table 6.2) or cnn (table 6.3)"})
    norm: str = field(metadata={"doc": "normalization; `none` is the thesis's vanilla"})

    # the design's axes
    norm_placement: Literal["pre_activation", "post_activation"] = _f(
        "pre_activation", "normalize before or after the nonlinearity (7.1.1)"
    )
    activation: str = _f("relu", "nonlinearity (2.10)")
    init: str = _f("kaiming", "weight initialization (2.4); biases start at zero")
    init_std: float | None = _f(None, "standard deviation of `init: normal` (7.1.3)", above=0)
    dropout: float = _f(0.0, "probability of dropping a unit (2.12.3)", low=0, high=0.95)
    penalty: str = _f("none", "term added to the loss (2.12.2)")
    penalty_strength: float = _f(0.0, "lambda of the penalty (equation 2.41)", low=0)
    optimizer: str = _f("nesterov", "update rule (2.7)")
    momentum: float = _f(0.9, "momentum mu (equation 2.15)", low=0, high=0.9999)
    lr: float = _f(0.01, "learning rate at the start (7.1.2)", above=0)
    schedule: str = _f("adaptive", "how the learning rate falls (2.8)")
    batch_size: int = _f(64, "images in a training batch", low=1, high=65536)
    epochs: int = _f(100, "epochs at most", low=1, high=100_000)
    grad_clip: float = _f(0.0, "clip the gradient's norm to this (equation 7.1); 0 = no clipping", low=0)

    # decay and stop (6.2)
    decay_factor: float = _f(0.5, "lr is multiplied by this", above=0, high=1)
    decay_patience: int = _f(5, "epochs without improvement before lr falls", low=1)
    decay_counter: Literal["restart", "plateau"] = _f(
        "restart",
        "restart: counts anew after an improvement and after a decay, which decays at 5, 10, 15 since the best "
        "just as a single counter would; plateau: as PyTorch's ReduceLROnPlateau, at the sixth bad epoch",
    )
    improvement: Literal["strict", "equal", "previous"] = _f(
        "strict", "what improves: above the best, at or above the best, above the previous epoch"
    )
    lr_min: float = _f(1e-4, "lr never falls below this (author's code)", low=0)
    decay_rate: float = _f(0.05, "rate of a schedule that is a formula: linear, exponential, power (2.8.1)", above=0)
    stop_patience: int = _f(20, "stop after this many epochs without improvement; 0 = never", low=0)
    tested_weights: Literal["last", "best"] = _f("last", "weights whose test accuracy is reported (B.1)")
    on_nan: Literal["continue", "stop"] = _f("continue", "when the loss is no number")

    # size of the study; other than the full protocol is the reading `reduced`
    width: float = _f(1.0, "factor on the number of units and feature maps", above=0, high=8)
    train_size: int | None = _f(None, "use only so many training images (before the split)", low=10)

    # readings: one switch per sentence that can be understood in several ways
    standardization: Literal["scalar", "channel", "dimension"] = _f(
        "scalar", "mean and deviation over all values, per channel, or per input dimension (6.2)"
    )
    standardization_from: Literal["train_part", "train_set", "all"] = _f(
        "train_part", "images the mean and deviation are taken from"
    )
    split: Literal["random", "last", "stratified"] = _f("random", "which images are held out (6.1)")
    split_seed: Literal["fixed", "run"] = _f("fixed", "one split for all runs, or one per seed")
    validation_fraction: float = _f(0.1, "share of the training set held out (6.1)", above=0, high=0.9)
    mnist_size: Literal["pad", "resize", "native"] = _f(
        "pad", "28x28 to 32x32 by zero padding or interpolation; native: 784 inputs (mlp only) (table 6.1)"
    )
    svhn_labels: Literal["original", "digit"] = _f("original", "class index 0 is digit 1 as in the files, or digit 0")
    kaiming_gain: Literal[1, 2] = _f(2, "kaiming variance = gain / n_in; the author's code has 1")
    init_distribution: Literal["normal", "uniform"] = _f("normal", "distribution of kaiming, xavier and lecun (2.4)")
    fan: Literal["receptive", "channels"] = _f("receptive", "whether a convolution's fans count its 3x3 window")
    init_std_on: Literal["all", "hidden"] = _f(
        "all", "layers that init_std applies to; hidden leaves kaiming on the output"
    )
    gamma_init: Literal["uniform", "ones"] = _f("uniform", "scale of batch norm: uniform on [0, 1) as in Torch7, or 1")
    norm_eps: float = _f(1e-5, "epsilon of the normalization", above=0)
    norm_momentum: float = _f(0.1, "weight of a new batch in the running averages", above=0, high=1)
    population: Literal["running", "exact"] = _f(
        "running", "test statistics: running averages, or over the training part"
    )
    norm_bias: bool = _f(True, "layers before a norm keep their bias (3.3 allows to drop it)")
    output_norm: bool = _f(False, "normalize the output layer too")
    dense_layers: Literal[1, 2] = _f(2, "dense layers of the cnn before its output layer (author's code: 1)")
    dropout_at: Literal["default", "last", "pairs", "every"] = _f(
        "default",
        "default: mlp after each activation, cnn inside each pair and before the output layer; last: only "
        "before the output layer; pairs: cnn, only inside the pairs; every: after every hidden activation",
    )
    dropout_kind: Literal["units", "maps"] = _f("units", "drop single activations or whole feature maps")
    penalty_factor: Literal[0.5, 1.0] = _f(  # type: ignore[valid-type]
        1.0, "1: lambda * sum of squares as printed; 0.5: Torch's weightDecay"
    )
    penalty_on: Literal["weights", "all"] = _f("weights", "penalize the weights, or all parameters")
    nesterov: Literal["lookahead", "torch"] = _f("lookahead", "equation 2.15, or torch's SGD as it is")
    last_batch: Literal["drop", "keep"] = _f("drop", "the last, incomplete batch of an epoch")
    shuffle: Literal["epoch", "once"] = _f("epoch", "a new order each epoch, or one order")

    precision: Literal["default", "fp32", "bf16"] = _f("default", "default: fp32 on a CPU, TF32 on a GPU")
    recipe: int = _f(1, "bumped by hand when training semantics change", low=1)

    def __post_init__(self) -> None:
        for spec in fields(self):
            value = getattr(self, spec.name)
            if value is not spec.default:
                object.__setattr__(self, spec.name, checked(spec.name, value))
        for name in self.non_default():
            if reason := inert(self, name):
                raise UsageError(
                    f"{name}: has no effect here, {reason}", f"Leave {name} out, or change the other field."
                )
        if self.init == "normal" and self.init_std is None:
            raise UsageError(
                "init_std: missing, init is normal", "Give init_std a number above 0, for instance 0.0001."
            )
        if self.penalty != "none" and self.penalty_strength == 0:
            raise UsageError(
                f"penalty_strength: missing, penalty is {self.penalty}",
                "Give it a number above 0, for instance 0.0005.",
            )

    def non_default(self) -> dict[str, Any]:
        """The fields that make this cell what it is: the three without default, and every other that differs."""
        return {s.name: getattr(self, s.name) for s in fields(self) if getattr(self, s.name) != s.default}

    @property
    def key(self) -> str:
        """12 hex digits of SHA-256 over the canonical JSON of the non-default fields."""
        text = json.dumps(self.non_default(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


class Run(NamedTuple):
    """A cell with a seed: what one record holds."""

    cell: Cell
    seed: int

    @property
    def id(self) -> str:
        return f"{self.cell.key}/{self.seed}"


HINTS: dict[str, Any] = get_type_hints(Cell)
KINDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a name"}
FIELDS = {spec.name: spec for spec in fields(Cell)}


def checked(name: str, value: Any) -> Any:
    """`value` as field `name` holds it (1 becomes 1.0 in a float field). Raises UsageError where it may not be."""
    hint, meta = HINTS[name], FIELDS[name].metadata
    optional = type(None) in get_args(hint)
    kinds: list[Any] = [k for k in (get_args(hint) or (hint,)) if k is not type(None)]
    if value is None:
        if optional:
            return None
        raise UsageError(f"{name}: no value", f"Leave it out: {name} is {meta['doc']}.")
    if getattr(hint, "__origin__", None) is Literal:
        for choice in kinds:
            if value == choice and isinstance(value, bool) == isinstance(choice, bool):
                return choice
        allowed = ", ".join(map(str, kinds))
        raise UsageError(f"{name}: {value!r} is not allowed{nearest(value, kinds)}", f"Allowed: {allowed}.")
    kind = kinds[0]
    if kind is float and type(value) in (int, float) and abs(value) < 1e300:
        value = float(value) + 0.0  # -0.0 becomes 0.0: one value, one key
    if type(value) is not kind:
        raise UsageError(f"{name}: {value!r} is not {KINDS[kind]}", f"{name} is {meta['doc']}.")
    if kind is str and not re.fullmatch(r"[a-z0-9_]{1,40}", value):
        raise UsageError(f"{name}: {value!r} is not a name", "Names have lower-case letters, digits and underscores.")
    if kind in (int, float) and not (
        math.isfinite(value) and meta["low"] <= value <= meta["high"] and value > meta["above"]
    ):
        bound = f"above {meta['above']}" if meta["above"] > -math.inf else f"at least {meta['low']}"
        limit = f" and at most {meta['high']}" if meta["high"] < math.inf else ""
        raise UsageError(f"{name}: {value!r} is out of range", f"{name} must be {bound}{limit}.")
    return value


_NORMED = (lambda c: c.norm != "none", "norm is none")
_PENALIZED = (lambda c: c.penalty != "none", "penalty is none")
_DROPPED = (lambda c: c.dropout > 0, "dropout is 0")
_ADAPTIVE = (lambda c: c.schedule == "adaptive", "schedule is not adaptive")
_NORMAL = (lambda c: c.init == "normal", "init is not normal")
_SCALED = (lambda c: c.init != "normal", "init is normal")
_NOT_MLP = (lambda c: c.model != "mlp", "model is mlp")
_NO_MOMENTUM = ("sgd", "adam", "adagrad", "adadelta", "adamax")

# field, or field and value -> (does it act in this cell?, why not). One training has one key: a field without effect
# stays at its default.
ACTS: dict[Any, tuple[Callable[[Cell], bool], str]] = {
    "norm_placement": _NORMED, "gamma_init": _NORMED, "norm_eps": _NORMED, "output_norm": _NORMED,
    "population": _NORMED,
    "norm_momentum": (lambda c: c.norm != "none" and c.population == "running", "there are no running averages"),
    "norm_bias": (
        lambda c: c.norm != "none" and (c.norm_placement == "pre_activation" or c.output_norm),
        "no layer stands directly before a norm",
    ),
    "penalty_strength": _PENALIZED, "penalty_factor": _PENALIZED, "penalty_on": _PENALIZED,
    "dropout_at": _DROPPED, "dropout_kind": _DROPPED,
    ("dropout_at", "every"): (lambda c: c.model != "mlp", "an mlp drops after every activation by default"),
    ("dropout_at", "pairs"): (lambda c: c.model != "mlp", "an mlp has no pairs of layers"),
    ("dropout_kind", "maps"): (lambda c: c.model != "mlp", "an mlp has no feature maps"),
    "decay_factor": _ADAPTIVE, "decay_patience": _ADAPTIVE, "decay_counter": _ADAPTIVE,
    "decay_rate": (lambda c: c.schedule not in ("adaptive", "constant"), "schedule has no rate"),
    "improvement": (lambda c: c.schedule == "adaptive" or c.stop_patience > 0, "nothing waits for an improvement"),
    "kaiming_gain": (lambda c: c.init == "kaiming", "init is not kaiming"),
    "init_distribution": _SCALED, "init_std": _NORMAL, "init_std_on": _NORMAL,
    "fan": (lambda c: _NOT_MLP[0](c) and _SCALED[0](c), "model is mlp or init is normal"),
    "dense_layers": (lambda c: c.model == "cnn", "model is not cnn"),
    "nesterov": (lambda c: c.optimizer == "nesterov", "optimizer is not nesterov"),
    "momentum": (lambda c: c.optimizer not in _NO_MOMENTUM, "optimizer has no momentum"),
    "split_seed": (lambda c: c.split != "last", "split is last"),
    "mnist_size": (lambda c: c.dataset == "mnist", "dataset is not mnist"),
    ("mnist_size", "native"): (lambda c: c.model != "cnn", "the cnn halves its images five times and needs 32x32"),
    "svhn_labels": (lambda c: c.dataset == "svhn", "dataset is not svhn"),
    "lr_min": (lambda c: c.schedule != "constant", "schedule is constant"),
}  # fmt: skip


def inert(cell: Cell, name: str, value: Any = None) -> str:
    """Why field `name` (with this value, by default the cell's own) has no effect in `cell`, or an empty string."""
    value = getattr(cell, name) if value is None else value
    rules = (ACTS[rule] for rule in (name, (name, value)) if rule in ACTS)
    return next((reason for acts, reason in rules if not acts(cell)), "")


def make_cell(values: dict[str, Any], switches: dict[str, Any] | None = None) -> Cell:
    """The cell with these field values, and with those reading `switches` that have an effect in it.

    Raises UsageError on an unknown field (naming the nearest) and on everything `Cell` refuses.
    """
    for name in (*values, *(switches or {})):
        if name not in FIELDS:
            raise UsageError(f"{name}: no such field{nearest(name, FIELDS)}", f"Fields: {', '.join(FIELDS)}.")
    for name in ("dataset", "model", "norm"):
        if name not in values:
            raise UsageError(f"{name}: missing", f"Say {name}=..., for instance model=mlp dataset=mnist norm=batch.")
    cell = Cell(**values)
    acting = {n: v for n, v in (switches or {}).items() if not inert(cell, n, v)}
    return Cell(**{**values, **acting}) if acting else cell
