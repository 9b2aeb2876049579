"""Which fields act in which cells, and what a cell cannot be without.

One training has one key: a field that has no effect in a cell must stay at its default there.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bnstudy.cell import Cell


def is_watched(cell: Cell) -> bool:
    """Whether images are held out that may end the training."""
    return cell.steps is None and cell.validation_fraction > 0


def train_part(cell: Cell, images: int) -> int:
    """How many of so many training images are trained on, and not held out (thesis 6.1)."""
    return floor((1 - Fraction(str(cell.validation_fraction))) * images)


BATCH_NORMS = ("batch", "batch_autograd", "batch_manual")
_DENSE = ("mlp", "numpy_mlp")  # networks without convolutions
_OWN_LAYOUT = ("resnet_course", "densenet121")  # networks that say themselves where their norms stand
_LAYER_NORMS = ("layer", "layer_autograd", "layer_manual")
_NORMED = (lambda c: c.norm != "none", "norm is none")
_AVERAGED = (lambda c: c.norm not in ("none", *_LAYER_NORMS), "no norm takes averages over images")
_PENALIZED = (lambda c: c.penalty != "none", "penalty is none")
_DROPPED = (lambda c: c.dropout > 0, "dropout is 0")
_ADAPTIVE = (lambda c: c.schedule == "adaptive", "schedule is not adaptive")
_NORMAL = (lambda c: c.init == "normal", "init is not normal")
_DRAWN = ("normal", "torch_default")  # inits with a distribution of their own
_NO_MOMENTUM = ("sgd", "adam", "adagrad", "adadelta", "adamax")
_EPOCHS = (lambda c: c.steps is None, "steps gives the length")
_SPLIT = (lambda c: c.validation_fraction > 0, "no images are held out")
_WATCHED = (is_watched, "the length is fixed, or no images are held out")
_NOT_TORCHVISION = (lambda c: c.model != "densenet121", "densenet121 is torchvision's")

Rule = tuple[Callable[["Cell"], bool], str]

# field, or field and value -> (does it act in this cell?, why not)
ACTS: dict[Any, Rule] = {
    "norm_placement": (lambda c: c.norm != "none" and c.model not in _OWN_LAYOUT, "norm is none, or the model says it"),
    ("norm_placement", "pre_linear"): (lambda c: c.model == "mlp", "model is not mlp"),
    "gamma_init": _NORMED, ("gamma_init", "ones"): (lambda c: not c.pretrained, "the scales are given"),
    "norm_eps": (lambda c: c.norm != "none" and c.model != "densenet121", "norm is none, or torchvision's"),
    "output_norm": (
        lambda c: c.norm != "none" and c.norm_placement != "pre_linear" and c.model not in _OWN_LAYOUT,
        "norm is none, or its places are given",
    ),
    "population": _AVERAGED,
    "norm_momentum": (
        lambda c: _AVERAGED[0](c) and c.population == "running" and c.model != "densenet121",
        "there are no running averages, or they are torchvision's",
    ),
    "norm_bias": (
        lambda c: c.norm != "none" and c.model not in _OWN_LAYOUT
        and (c.norm_placement == "pre_activation" or c.output_norm),
        "no layer stands directly before a norm",
    ),
    "activation": _NOT_TORCHVISION, "width": (lambda c: not c.hidden and c.model != "densenet121", "widths are given"),
    "negative_slope": (lambda c: c.activation == "leaky_relu", "activation is not leaky_relu"),
    "hidden": (lambda c: c.model in _DENSE, "the model has convolutions"),
    ("hidden", (100, 100, 100)): (lambda c: c.model != "mlp", "these are the model's own widths"),  # table 6.2
    ("hidden", (100,)): (lambda c: c.model != "numpy_mlp", "these are the model's own widths"),
    "pretrained": (lambda c: c.model == "densenet121", "model is not densenet121"),
    "precision": (lambda c: c.model != "numpy_mlp", "numpy computes as on a CPU"),
    "penalty_strength": _PENALIZED, "penalty_factor": _PENALIZED, "penalty_on": _PENALIZED,
    "dropout": (lambda c: c.model in ("mlp", "cnn"), "the model has no dropout"),
    "dropconnect": (lambda c: c.model in ("mlp", "cnn"), "the model has no dropconnect"),
    "dropout_at": _DROPPED, "dropout_kind": _DROPPED,
    ("dropout_at", "every"): (lambda c: c.model != "mlp", "an mlp drops after every activation by default"),
    ("dropout_at", "pairs"): (lambda c: c.model != "mlp", "an mlp has no pairs of layers"),
    ("dropout_kind", "maps"): (lambda c: c.model != "mlp", "an mlp has no feature maps"),
    "epochs": _EPOCHS, "last_batch": _EPOCHS, "stop_patience": _WATCHED,
    "eval_every": (lambda c: c.steps is not None, "steps is not given"),
    "decay_factor": (lambda c: c.schedule in ("adaptive", "scheduled"), "schedule has no factor"),
    "decay_at": (lambda c: c.schedule == "scheduled", "schedule is not scheduled"),
    "decay_patience": _ADAPTIVE, "decay_counter": _ADAPTIVE,
    "decay_rate": (lambda c: c.schedule not in ("adaptive", "constant", "scheduled"), "schedule has no rate"),
    "improvement": (lambda c: c.schedule == "adaptive" or c.stops_early, "nothing waits for an improvement"),
    "kaiming_gain": (lambda c: c.init == "kaiming", "init is not kaiming"),
    "init_distribution": (lambda c: c.init not in _DRAWN, "init has its own"),
    "init_std": _NORMAL, "init_std_on": _NORMAL,
    "fan": (lambda c: c.model not in _DENSE and c.init not in _DRAWN, "model has no convolution, or init no fan"),
    "dense_layers": (lambda c: c.model == "cnn", "model is not cnn"),
    "nesterov": (lambda c: c.optimizer == "nesterov", "optimizer is not nesterov"),
    "momentum": (lambda c: c.optimizer not in _NO_MOMENTUM, "optimizer has no momentum"),
    "split": _SPLIT, ("standardization_from", "train_set"): _SPLIT, ("tested_weights", "best"): _SPLIT,
    "split_seed": (lambda c: c.split != "last" and c.validation_fraction > 0, "the split is not drawn"),
    "mnist_size": (lambda c: c.dataset == "mnist", "dataset is not mnist"),
    ("mnist_size", "native"): (lambda c: c.model != "cnn", "the cnn halves its images five times and needs 32x32"),
    "svhn_labels": (lambda c: c.dataset == "svhn", "dataset is not svhn"),
    "lr_min": (lambda c: c.schedule != "constant", "schedule is constant"),
}  # fmt: skip

# What a cell cannot be without: (does it lack that?, cause, remedy).
NEEDS: tuple[tuple[Callable[[Cell], bool], str, str], ...] = (
    (lambda c: c.init == "normal" and c.init_std is None, "init_std: missing, init is normal",
     "Give init_std a number above 0, for instance 0.0001."),
    (lambda c: c.penalty != "none" and c.penalty_strength == 0, "penalty_strength: missing, penalty is {cell.penalty}",
     "Give it a number above 0, for instance 0.0005."),
    (lambda c: c.schedule == "scheduled" and not c.decay_at, "decay_at: missing, schedule is scheduled",
     "Give the epochs after which lr falls, for instance [30, 60]."),
    (lambda c: list(c.decay_at) != sorted(set(c.decay_at)), "decay_at: {cell.decay_at} does not rise",
     "Give each epoch once, in rising order."),
    (lambda c: c.schedule == "adaptive" and not c.validation_fraction,
     "schedule: adaptive needs images held out, validation_fraction is 0", "Give another one, for instance constant."),
    (lambda c: c.steps is not None and c.eval_every > c.steps,
     "eval_every: {cell.eval_every} is more than all {cell.steps} steps", "Give at most as many as steps."),
    (lambda c: c.model == "densenet121" and c.norm != "batch", "norm: densenet121 has its own, batch",
     "Say norm=batch, or take another model."),
    (lambda c: c.augment != "none" and c.standardization == "pca",
     "augment: {cell.augment} needs pixels, which whitened images (standardization pca) have not",
     "Take another standardization, or leave augment out."),
)  # fmt: skip


def inert(cell: Cell, name: str, value: Any = None) -> str:
    """Why field `name` (with this value, by default the cell's own) has no effect in `cell`, or an empty string."""
    value = getattr(cell, name) if value is None else value
    rules = (ACTS[rule] for rule in (name, (name, value)) if rule in ACTS)
    return next((reason for acts, reason in rules if not acts(cell)), "")
