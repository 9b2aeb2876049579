"""The fields of a cell: every hyperparameter and every reading, with its default, its meaning and its legal values.

A new hyperparameter is one line of `Fields`. Stdlib only.
"""

import math
import re
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from bnstudy.errors import UsageError, nearest


def _f(default: Any, doc: str, low: float = -math.inf, high: float = math.inf, above: float = -math.inf) -> Any:
    """A field with its documentation and its legal range: low <= value <= high and value > above."""
    return field(default=default, metadata={"doc": doc, "low": low, "high": high, "above": above})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What a `Cell` consists of. Raises UsageError on a value of the wrong type or out of range.

    Fields typed `str` name an entry of a registry (checked by `bnstudy.studies.choices`); `Literal` fields list
    their values here. Every default is the default reading of the thesis (docs/design.md).
    """

    dataset: str = field(metadata={"doc": "data set (6.1)"})
    model: str = field(metadata={"doc": "mlp (table 6.2), cnn (table 6.3), or a network of the course reports"})
    norm: str = field(metadata={"doc": "normalization; `none` is the thesis's vanilla"})

    # the design's axes
    norm_placement: Literal["pre_activation", "post_activation", "pre_linear"] = _f(
        "pre_activation",
        "normalize before or after the nonlinearity (7.1.1); pre_linear: mlp, before each linear layer, including "
        "the first and the output layer (Soons 2.1)",
    )
    normed_layers: Literal["all", "first", "last", "every_second"] = _f(
        "all", "hidden layers that have the norm (8.1.6); every_second: the first, the third, the fifth, ..."
    )
    activation: str = _f("relu", "nonlinearity (2.10)")
    negative_slope: float = _f(0.01, "slope of leaky_relu below zero (2.10.2); Knigge's is 0.02", low=0, high=1)
    elu_alpha: float = _f(1.0, "alpha of elu (equation 2.35); not stated, 1 is torch's", above=0, high=100)
    hidden: tuple[int, ...] = _f((), "widths of the hidden layers; by default the model's own", low=1, high=65536)
    pretrained: bool = _f(False, "start from weights trained on ImageNet, except the output layer (Soons 4b)")
    trained_layers: Literal["all", "output"] = _f(
        "all",
        "layers whose parameters are trained; output: those of all others stay as they start, such as pretrained ones "
        "(batch norm's running averages go on)",
    )
    init: str = _f(
        "kaiming",
        "weight initialization (2.4): kaiming (equation 2.12), xavier (2.11), lecun (variance 1 / n_in), normal "
        "(variance init_std^2, equation 2.10), zeros, torch_default",
    )
    bias_init: float = _f(0.0, "initial biases, for instance 0.01 (2.4); torch_default draws them", -10, 10)
    init_std: float | None = _f(None, "standard deviation of `init: normal` (7.1.3)", above=0)
    dropout: float = _f(0.0, "probability of dropping a unit (2.12.3)", low=0, high=0.95)
    dropconnect: float = _f(
        0.0, "probability of dropping a weight in a step, in all layers (2.12.3); biases are kept", low=0, high=0.95
    )
    augment: str = _f(
        "none",
        "random changes of training images (2.12.4); several are joined as in flip_crop. flip: half of them are "
        "mirrored; crop: padded by 4 black pixels, then cropped at a random place; rotation: by up to 15 degrees; "
        "color_jitter: brightness, contrast and saturation are multiplied by 0.8 to 1.2; vertical_flip: half of them "
        "are turned upside down; scale: enlarged by 0.8 to 1.2; translation: moved by up to a fifth of the side; "
        "color_shift: up to 0.1 is added to each channel",
    )
    loss: str = _f(
        "cross_entropy",
        "what is minimized (2.11). hinge_sum: max(0, wrong logit - right logit + delta), summed over the wrong classes "
        "(equation 2.36); squared_hinge_sum: the same with each term squared (equation 2.37); hinge, squared_hinge: as "
        "torch has them, divided by the number of classes; squared_error: squared distance of the logits from 1 for "
        "the true class and 0 for the others (equation 2.1)",
    )
    hinge_delta: float = _f(1.0, "margin delta of the hinge losses (equations 2.36, 2.37)", above=0)
    penalty: str = _f(
        "none", "term added to the loss (2.12.2): the sum of |w| (l1), of w^2 (l2), or of both (elastic_net)"
    )
    penalty_strength: float = _f(0.0, "lambda of the penalty (equation 2.41)", low=0)
    elastic_alpha: float | None = _f(
        None, "alpha of elastic_net (equation 2.44): alpha sum |w| + (1 - alpha) sum w^2; by default both whole", 0, 1
    )
    optimizer: str = _f(
        "nesterov",
        "update rule (2.7). adagrad, adadelta, rmsprop, adam, adamax: as torch has them; adagrad_printed, "
        "adadelta_printed, adam_printed: equations 2.16, 2.17, 2.18 as printed; rmsprop takes `momentum`, "
        "rmsprop_plain has none",
    )
    momentum: float = _f(0.9, "momentum mu (equation 2.15), and of rmsprop", low=0, high=0.9999)
    squares_decay: float | None = _f(
        None,
        "decay of the squares: lambda of equation 2.17, beta of 2.18; by default the optimizer's own",
        0,
        0.9999999,
    )
    mean_decay: float | None = _f(
        None, "decay of the mean gradient: alpha of equation 2.18; by default the optimizer's own", 0, 0.9999999
    )
    update_eps: float | None = _f(
        None, "epsilon of equations 2.16 to 2.18; by default the optimizer's own", above=0, high=1
    )
    lr: float = _f(0.01, "learning rate at the start (7.1.2)", above=0)
    schedule: str = _f("adaptive", "how the learning rate falls (2.8)")
    schedule_by: Literal["epoch", "step"] = _f(
        "epoch", "what a schedule counts: epochs, or iterations (2.8.2); so do decay_at, decay_until and decay_rate"
    )
    batch_size: int = _f(
        64, "images in a training batch, up to the whole training part (2.6.1)", low=1, high=10_000_000
    )
    epochs: int = _f(100, "epochs at most", low=1, high=100_000)
    steps: int | None = _f(None, "train this many steps, instead of epochs", low=1, high=100_000_000)
    eval_every: int = _f(
        100, "in a training by steps: steps between evaluations; everywhere else this period counts as an epoch", low=1
    )
    grad_clip: float = _f(0.0, "clip the gradient's norm to this (equation 7.1); 0 = no clipping", low=0)

    # decay and stop (6.2)
    decay_factor: float = _f(0.5, "lr is multiplied by this", above=0, high=1)
    decay_at: tuple[int, ...] = _f(
        (), "schedule scheduled: lr falls after these epochs (2.8.2)", low=1, high=100_000_000
    )
    decay_patience: int = _f(5, "epochs without improvement before lr falls", low=1)
    decay_counter: Literal["restart", "plateau"] = _f(
        "restart",
        "restart: count from zero after an improvement and after a decay, so that lr falls 5, 10, 15 epochs after the "
        "best; plateau: as PyTorch's ReduceLROnPlateau, at the sixth epoch without improvement",
    )
    improvement: Literal["strict", "equal", "previous"] = _f(
        "strict", "what counts as an improvement: above the best, at or above the best, above the previous epoch"
    )
    lr_min: float = _f(1e-4, "lr never falls below this (author's code)", low=0)
    decay_rate: float = _f(0.05, "rate of a schedule that is a formula: linear, exponential, power (2.8.2)", above=0)
    decay_until: int | None = _f(
        None,
        "schedule linear: lr reaches lr_min after this many epochs, eta_min after t_sat (equation 2.22)",
        1,
        100_000_000,
    )
    decay_watch: Literal["accuracy", "loss"] = _f(
        "accuracy", "what must improve, or lr falls: validation accuracy (6.2) or validation loss (equation 2.25)"
    )
    stop_patience: int = _f(20, "stop after this many epochs without improvement; 0 = never", low=0)
    tested_weights: Literal["last", "best"] = _f("last", "weights whose test accuracy is reported (B.1)")
    on_nan: Literal["continue", "stop"] = _f("continue", "what to do when the loss is NaN")

    # size of the study; other than the full protocol is the reading `reduced`
    width: float = _f(1.0, "factor for the number of units and feature maps", above=0, high=8)
    train_size: int | None = _f(None, "use only this many training images (before the split)", low=10)

    # readings: one switch per sentence that can be understood in several ways
    standardization: Literal["scalar", "channel", "dimension", "mean_image", "pca", "zca"] = _f(
        "scalar",
        "mean and deviation over all values, per channel, or per input dimension (6.2); mean_image: pixels 0 to 255 "
        "minus the mean image, not divided (as in the course); pca: whitened, with the axes of the covariance in place "
        "of pixels (2.3.2); zca: the same turned back into pixels",
    )
    standardization_from: Literal["train_part", "train_set", "all"] = _f(
        "train_part", "images from which mean and deviation are computed"
    )
    split: Literal["random", "last", "stratified"] = _f("random", "which images are held out (6.1)")
    split_seed: Literal["fixed", "run"] = _f("fixed", "one split for all runs, or one per seed")
    validation_fraction: float = _f(
        0.1,
        "share of the training set held out (6.1); 0: none, the test images are evaluated instead and decide nothing",
        low=0,
        high=0.9,
    )
    folds: int | None = _f(
        None, "k-fold cross-validation (2.8.4): of so many equal parts of the training set one is held out", 2, 1000
    )
    fold: int = _f(0, "which of the folds is held out, from 0", low=0, high=999)
    mnist_size: Literal["pad", "resize", "native"] = _f(
        "pad", "28x28 to 32x32 by zero padding or interpolation; native: 784 inputs (mlp only) (table 6.1)"
    )
    svhn_labels: Literal["original", "digit"] = _f("original", "class index 0 is digit 1 as in the files, or digit 0")
    kaiming_gain: Literal[1, 2] = _f(2, "kaiming variance = gain / n_in; the author's code has 1")
    init_distribution: Literal["normal", "uniform"] = _f("normal", "distribution of kaiming, xavier and lecun (2.4)")
    fan: Literal["receptive", "channels"] = _f(
        "receptive", "receptive: a convolution's fans count its window; channels: they do not"
    )
    init_std_on: Literal["all", "hidden"] = _f(
        "all", "layers that init_std applies to; hidden leaves kaiming on the output"
    )
    gamma_init: Literal["uniform", "ones"] = _f("uniform", "scale of the norm: uniform on [0, 1) as in Torch7, or 1")
    norm_affine: bool = _f(True, "the norm scales and shifts by gamma and beta; false: neither (7.2.1)")
    norm_eps: float = _f(1e-5, "epsilon of the normalization", above=0)
    norm_momentum: float = _f(0.1, "weight of a new batch in the running averages", above=0, high=1)
    population: Literal["running", "exact"] = _f(
        "running", "statistics in tests: running averages, or those of the training part"
    )
    norm_bias: bool = _f(True, "layers before a norm keep their bias (3.3 allows dropping it)")
    output_norm: bool = _f(False, "normalize the output layer too")
    dense_layers: Literal[1, 2] = _f(2, "dense layers of the cnn before its output layer (author's code: 1)")
    dropout_at: Literal["default", "last", "pairs", "every", "before_norm"] = _f(
        "default",
        "default: mlp after each activation, cnn inside each pair and before the output layer; last: only "
        "before the output layer; pairs: cnn, only inside the pairs; every: after every hidden activation; "
        "before_norm: in every hidden layer, on what enters its norm, or without a norm its nonlinearity (8.1.4)",
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

    @property
    def stops_early(self) -> bool:
        """Return True if the stop rule (6.2) may end the training."""
        return self.stop_patience > 0 and self.steps is None and self.validation_fraction > 0


class Form(NamedTuple):
    """What a field holds: a value of one type, a list of them, or, if it is optional, None."""

    type: type
    is_list: bool
    optional: bool


def _form(hint: Any) -> Form:
    """Read the form of a field from its annotation; a Literal has the type of its values."""
    parts = [part for part in get_args(hint) or (hint,) if part is not Ellipsis]
    types = {part if isinstance(part, type) else type(part) for part in parts}
    (of_values,) = types - {type(None)}
    return Form(of_values, get_origin(hint) is tuple, type(None) in types)


HINTS: dict[str, Any] = get_type_hints(Fields)
MAX_LISTED = 32
TYPE_WORDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a name"}
FIELDS = {spec.name: spec for spec in fields(Fields)}
FORMS = {name: _form(hint) for name, hint in HINTS.items()}


def checked(name: str, value: Any) -> Any:
    """Return `value` as field `name` holds it (1 becomes 1.0 in a float field). Raises UsageError if it is illegal."""
    hint, form = HINTS[name], FORMS[name]
    if value is None:
        if form.optional:
            return None
        raise UsageError(f"{name}: no value", f"Leave it out: {name} is {FIELDS[name].metadata['doc']}.")
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        for choice in choices:
            if value == choice and isinstance(value, bool) == isinstance(choice, bool):
                return choice
        allowed = ", ".join(map(str, choices))
        raise UsageError(f"{name}: {value!r} is not allowed{nearest(value, choices)}", f"Allowed: {allowed}.")
    if form.is_list:
        return _checked_list(name, value)
    return _checked_value(name, value, form.type)


def _checked_list(name: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or len(value) > MAX_LISTED:
        raise UsageError(
            f"{name}: {value!r} is no list of at most {MAX_LISTED} whole numbers",
            f"{name} is {FIELDS[name].metadata['doc']}; write for instance [100] or [900, 500].",
        )
    return tuple(_checked_value(name, each, int) for each in value)


def _checked_value(name: str, value: Any, kind: type) -> Any:
    meta = FIELDS[name].metadata
    if kind is float and type(value) in (int, float) and abs(value) < 1e300:
        value = float(value) + 0.0  # -0.0 becomes 0.0: one value, one key
    if type(value) is not kind:
        raise UsageError(f"{name}: {value!r} is not {TYPE_WORDS[kind]}", f"{name} is {meta['doc']}.")
    if kind is str and not re.fullmatch(r"[a-z0-9_]{1,80}", value):
        bare = re.sub("[^a-z0-9_]", "", value.lower())[:80]
        remedy = f"Names have lower-case letters, digits and underscores{f', such as {bare}' if bare else ''}."
        raise UsageError(f"{name}: {value!r} is not a name", remedy)
    if kind in (int, float) and not (
        abs(value) < math.inf and meta["low"] <= value <= meta["high"] and value > meta["above"]
    ):
        bound = f"above {meta['above']}" if meta["above"] > -math.inf else f"at least {meta['low']}"
        limit = f" and at most {meta['high']}" if meta["high"] < math.inf else ""
        raise UsageError(f"{name}: {value!r} is out of range", f"{name} must be {bound}{limit}.")
    return value
