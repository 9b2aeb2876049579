"""Which fields act in which cells, and which fields a cell cannot do without.

One training has one key: a field that has no effect in a cell must keep its default there. What depends on the network
is declared beside it (`model_facts`); everything else is here. Stdlib only.
"""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from math import floor
from typing import Any, NamedTuple

from bnstudy.design.fields import Fields
from bnstudy.design.model_facts import Field, facts_of
from bnstudy.errors import UsageError

BATCH_NORMS = ("batch", "batch_autograd", "batch_manual")
IMAGE_NORMS = ("layer", "layer_autograd", "layer_manual", "group", "rms")
"""Norms whose statistics are those of a single image."""
WITH_SQUARES = ("rmsprop", "rmsprop_plain", "adadelta", "adadelta_printed", "adam", "adam_printed", "adamax")
WITH_MEAN = ("adam", "adam_printed", "adamax")
WITH_EPS = (*WITH_SQUARES, "adagrad", "adagrad_printed")
WITHOUT_MOMENTUM = ("sgd", *(optimizer for optimizer in WITH_EPS if optimizer != "rmsprop"))
WHITENED = ("pca", "zca")
HINGES = ("hinge", "squared_hinge", "hinge_sum", "squared_hinge_sum")
DRAWN_OTHERWISE = ("normal", "torch_default", "zeros")
"""Inits whose distribution is part of their definition, so that they have neither fans nor a choice of distribution."""


def train_part(cell: Fields, images: int) -> int:
    """Return how many of `images` training images remain after the validation images are held out (thesis 6.1)."""
    if cell.folds is not None:
        first, last = fold_bounds(cell, images)
        return images - (last - first)
    return floor((1 - Fraction(str(cell.validation_fraction))) * images)


def fold_bounds(cell: Fields, images: int) -> tuple[int, int]:
    """Return the places [first, last) of the images of the cell's fold in the order of the split; all folds together
    hold each image once, and their sizes differ by at most one."""
    assert cell.folds is not None
    return cell.fold * images // cell.folds, (cell.fold + 1) * images // cell.folds


def steps_of_epoch(cell: Fields, images: int) -> int:
    """Return how many batches an epoch has with `images` training images, before any are held out."""
    part = train_part(cell, images)
    return part // cell.batch_size if cell.last_batch == "drop" else -(-part // cell.batch_size)


class Rule(NamedTuple):
    """A condition under which a field acts, and the reason to give where it does not hold."""

    holds: Callable[[Fields], bool]
    otherwise: str


def only(field: str, *values: Any, otherwise: str = "") -> Rule:
    """The condition that `field` has one of these values."""
    return Rule(
        lambda cell: getattr(cell, field) in values, otherwise or f"{field} is not {' or '.join(map(str, values))}"
    )


def unless(field: str, *values: Any, otherwise: str = "") -> Rule:
    """The condition that `field` has none of these values."""
    return Rule(
        lambda cell: getattr(cell, field) not in values, otherwise or f"{field} is {' or '.join(map(str, values))}"
    )


def awaits_improvement(cell: Fields) -> bool:
    return cell.schedule == "adaptive" or cell.stops_early


def has_layer_before_norm(cell: Fields) -> bool:
    """Return True if the output of some layer goes into a norm directly."""
    return cell.norm_placement == "pre_activation" or cell.output_norm


def inits_of(cell: Fields) -> set[str]:
    """Return the inits that some layer has: with `init_std_on` hidden the output layer has Kaiming's."""
    return {cell.init, "kaiming" if cell.init_std_on == "hidden" else cell.init}


def draws_by_fan(cell: Fields) -> bool:
    return not inits_of(cell) <= set(DRAWN_OTHERWISE)


NORMED = unless("norm", "none")
AVERAGED = unless("norm", "none", *IMAGE_NORMS, otherwise="no norm takes averages over images")
PENALIZED = unless("penalty", "none")
DROPS = unless("dropout", 0)
ADAPTIVE = only("schedule", "adaptive")
NORMAL = only("init", "normal")
EPOCHS = only("steps", None, otherwise="steps gives the length")
HELD_OUT = unless("validation_fraction", 0, otherwise="no images are held out")

ACTS: dict[Field, tuple[Rule, ...]] = {
    # normalization
    "norm_placement": (NORMED,),
    "normed_layers": (
        NORMED,
        unless("norm_placement", "pre_linear"),
        Rule(lambda cell: len(cell.hidden) != 1, "there is only one hidden layer"),
    ),
    ("normed_layers", "every_second"): (
        Rule(lambda cell: len(cell.hidden) != 2, "with two hidden layers it is the same as first"),
    ),
    "norm_eps": (NORMED,),
    "norm_momentum": (AVERAGED, only("population", "running", otherwise="there are no running averages")),
    "norm_bias": (NORMED, Rule(has_layer_before_norm, "no layer is directly before a norm")),
    "output_norm": (NORMED, unless("norm_placement", "pre_linear")),
    "population": (AVERAGED,),
    "norm_affine": (
        only("norm", "none", "batch", "layer", "group", "rms", otherwise="a norm from formulas has gamma and beta"),
        NORMED,
    ),
    "gamma_init": (NORMED, only("norm_affine", True, otherwise="the norm has no gamma")),
    ("gamma_init", "ones"): (only("pretrained", False, otherwise="the scales are pretrained"),),
    # network
    "width": (only("hidden", (), otherwise="widths are given"),),
    "negative_slope": (only("activation", "leaky_relu"),),
    "elu_alpha": (only("activation", "elu"),),
    "dropout_at": (DROPS,),
    ("dropout_at", "before_norm"): (unless("norm_placement", "pre_linear"),),
    "dropout_kind": (DROPS,),
    # initialization
    "kaiming_gain": (Rule(lambda cell: "kaiming" in inits_of(cell), "init is not kaiming"),),
    "init_distribution": (Rule(draws_by_fan, "init has its own distribution"),),
    "bias_init": (unless("init", "torch_default", otherwise="init draws the biases"),),
    "init_std": (NORMAL,),
    "init_std_on": (NORMAL,),
    "fan": (Rule(draws_by_fan, "init has no fan"),),
    # loss and update
    "hinge_delta": (only("loss", *HINGES, otherwise="loss has no margin"),),
    "elastic_alpha": (only("penalty", "elastic_net"),),
    "penalty_strength": (PENALIZED,),
    "penalty_factor": (PENALIZED,),
    "penalty_on": (PENALIZED,),
    "nesterov": (only("optimizer", "nesterov"),),
    "momentum": (unless("optimizer", *WITHOUT_MOMENTUM, otherwise="optimizer has no momentum"),),
    "squares_decay": (only("optimizer", *WITH_SQUARES, otherwise="optimizer decays no squares"),),
    "mean_decay": (only("optimizer", *WITH_MEAN, otherwise="optimizer decays no mean gradient"),),
    "update_eps": (only("optimizer", *WITH_EPS, otherwise="optimizer has no epsilon"),),
    # length, decay and stop
    "epochs": (EPOCHS,),
    "last_batch": (EPOCHS,),
    "eval_every": (unless("steps", None, otherwise="steps is not given"),),
    "stop_patience": (EPOCHS, HELD_OUT),
    "improvement": (Rule(awaits_improvement, "nothing waits for an improvement"),),
    "schedule_by": (unless("schedule", "adaptive", "constant", otherwise="schedule counts nothing"),),
    "decay_factor": (only("schedule", "adaptive", "scheduled", otherwise="schedule has no factor"),),
    "decay_at": (only("schedule", "scheduled"),),
    "decay_patience": (ADAPTIVE,),
    "decay_counter": (ADAPTIVE,),
    "decay_watch": (ADAPTIVE,),
    "decay_until": (only("schedule", "linear"),),
    "decay_rate": (
        unless("schedule", "adaptive", "constant", "scheduled", otherwise="schedule has no rate"),
        only("decay_until", None, otherwise="decay_until gives the slope"),
    ),
    "lr_min": (unless("schedule", "constant"),),
    ("tested_weights", "best"): (HELD_OUT,),
    "validation_fraction": (only("folds", None, otherwise="folds gives the share"),),
    "fold": (unless("folds", None, otherwise="folds is not given"),),
    # data
    "split": (HELD_OUT,),
    "split_seed": (unless("split", "last", otherwise="the split is not drawn"), HELD_OUT),
    ("standardization_from", "train_set"): (HELD_OUT,),
    "mnist_size": (only("dataset", "mnist"),),
    "svhn_labels": (only("dataset", "svhn"),),
}
"""A field, or one value of it, -> the conditions under which it acts. What is not listed acts everywhere."""


def inert(cell: Fields, name: str, value: Any = None) -> str:
    """Return why field `name`, with this value or by default the cell's, has no effect in `cell`; "" if it acts."""
    value = getattr(cell, name) if value is None else value
    facts = facts_of(cell.model)
    for rule in (name, (name, value)):
        for condition in ACTS.get(rule, ()):
            if not condition.holds(cell):
                return condition.otherwise
        if reason := facts.inert(rule):
            return reason
    return ""


def lacking(cell: Fields) -> Iterator[tuple[str, str]]:
    """Yield what the cell cannot do without, as cause and remedy of an error."""
    norms = facts_of(cell.model).norms
    if cell.init == "normal" and cell.init_std is None:
        yield "init_std: missing, init is normal", "Give init_std a number above 0, for instance 0.0001."
    if cell.penalty != "none" and cell.penalty_strength == 0:
        yield f"penalty_strength: missing, penalty is {cell.penalty}", "Give a number above 0, for instance 0.0005."
    if cell.schedule == "scheduled" and not cell.decay_at:
        yield "decay_at: missing, schedule is scheduled", "Give the epochs after which lr falls, for instance [30, 60]."
    if list(cell.decay_at) != sorted(set(cell.decay_at)):
        yield f"decay_at: {cell.decay_at} does not rise", "Give each epoch once, in rising order."
    if cell.folds is not None and cell.fold >= cell.folds:
        yield f"fold: {cell.fold}, but there are {cell.folds} folds", f"Give a number from 0 to {cell.folds - 1}."
    if cell.schedule == "adaptive" and not cell.validation_fraction:
        yield (
            "schedule: adaptive needs images held out, validation_fraction is 0",
            "Give another one, for instance constant.",
        )
    if cell.steps is not None and cell.eval_every > cell.steps:
        yield f"eval_every: {cell.eval_every} is more than all {cell.steps} steps", "Give at most as many as steps."
    if norms and cell.norm not in norms:
        own = " or ".join(norms)
        yield f"norm: {cell.model} has its own, {own}", f"Give norm={own}, or take another model."
    if cell.augment != "none" and cell.standardization in WHITENED:
        yield (
            f"augment: {cell.augment} needs pixels, whitened images (standardization {cell.standardization}) have none",
            "Take another standardization, or leave augment out.",
        )


def check(cell: Fields, given: Iterable[str]) -> None:
    """Raise UsageError if one of the `given` fields has no effect in the cell, or if the cell lacks something."""
    for name in given:
        if reason := inert(cell, name):
            raise UsageError(f"{name}: has no effect here, {reason}", f"Leave {name} out, or change the other field.")
    for cause, remedy in lacking(cell):
        raise UsageError(cause, remedy)
