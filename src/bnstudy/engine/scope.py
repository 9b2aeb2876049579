"""What the fast engines implement: a list of what they know, not of what they do not.

A field added to `Cell` later acts on the reference engine alone, until a fast engine honours it, is tested against the
reference and the field's name is put here. So no fast engine can silently ignore a hyperparameter.
"""

from bnstudy.cell import Cell

KNOWN = frozenset({
    "dataset", "model", "norm", "norm_placement", "activation", "init", "init_std", "dropout", "penalty",
    "penalty_strength", "optimizer", "momentum", "lr", "schedule", "batch_size", "epochs", "grad_clip",
    "decay_factor", "decay_patience", "decay_counter", "improvement", "lr_min", "decay_rate", "stop_patience",
    "tested_weights", "on_nan", "width", "train_size", "standardization", "standardization_from", "split", "split_seed",
    "validation_fraction", "mnist_size", "svhn_labels", "kaiming_gain", "init_distribution", "fan", "init_std_on",
    "gamma_init", "norm_eps", "norm_momentum", "population", "norm_bias", "output_norm", "dense_layers", "dropout_at",
    "dropout_kind", "penalty_factor", "penalty_on", "nesterov", "last_batch", "shuffle", "precision", "recipe",
})  # fmt: skip
"""Fields that both fast engines honour at any value, but for the values each of them names in `supports`."""

NAMES = {
    "model": ("mlp", "cnn"),
    "norm": ("none", "batch"),
    "activation": ("sigmoid", "relu", "elu", "tanh", "leaky_relu", "prelu", "softplus"),
    "penalty": ("none", "l1", "l2", "elastic_net"),
    "standardization": ("scalar", "channel", "dimension", "mean_image"),
}
"""Names whose code was tried in a fast engine; a later one, or an extension's, is for the reference alone."""

PLACEMENTS = ("pre_activation", "post_activation")


def is_known(cell: Cell) -> bool:
    """Whether every field that makes this cell what it is is one the fast engines implement."""
    return (
        cell.non_default().keys() <= KNOWN
        and all(getattr(cell, field) in names for field, names in NAMES.items())
        and cell.norm_placement in PLACEMENTS
        and cell.validation_fraction > 0
    )
