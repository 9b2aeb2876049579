"""What the fast engines implement: a list of known fields, not of unknown ones.

A field added later acts in the reference engine alone, until a fast engine implements it, is tested against the
reference, and the field is listed here. So no fast engine can silently ignore a hyperparameter. Which networks a fast
engine implements is declared beside each network (`ModelFacts.engines`).
"""

from bnstudy.design.cell import Cell
from bnstudy.design.model_facts import facts_of

KNOWN = frozenset({
    "dataset", "model", "norm", "norm_placement", "normed_layers", "activation", "init", "init_std", "dropout",
    "penalty", "penalty_strength", "optimizer", "momentum", "lr", "schedule", "batch_size", "epochs", "grad_clip",
    "decay_factor", "decay_patience", "decay_counter", "improvement", "lr_min", "decay_rate", "stop_patience",
    "tested_weights", "on_nan", "width", "train_size", "standardization", "standardization_from", "split", "split_seed",
    "validation_fraction", "mnist_size", "svhn_labels", "kaiming_gain", "init_distribution", "fan", "init_std_on",
    "gamma_init", "norm_eps", "norm_momentum", "population", "norm_bias", "output_norm", "dense_layers", "dropout_at",
    "dropout_kind", "folds", "fold", "penalty_factor", "penalty_on", "nesterov", "last_batch", "shuffle", "precision",
    "recipe",
})  # fmt: skip
"""Fields that the fast engines implement at any value, except values that an engine excludes in `supports`."""

NAMES = {
    "norm": ("none", "batch", "layer", "group", "rms"),
    "activation": ("sigmoid", "relu", "elu", "tanh", "leaky_relu", "prelu", "softplus"),
    "penalty": ("none", "l1", "l2", "elastic_net"),
    "standardization": ("scalar", "channel", "dimension", "mean_image"),
}
"""Names whose code was tested in a fast engine; others, such as those of extensions, need the reference engine."""

PLACEMENTS = ("pre_activation", "post_activation")


def is_known(cell: Cell, engine: str) -> bool:
    """Return True if this fast engine implements the cell's network, and all fast engines the cell's other fields."""
    return (
        engine in facts_of(cell.model).engines
        and cell.non_default().keys() <= KNOWN
        and all(getattr(cell, field) in names for field, names in NAMES.items())
        and cell.norm_placement in PLACEMENTS
        and cell.validation_fraction > 0
    )
