# ruff: noqa: E501 - one case, one line
"""A field without effect is refused in a cell, and dropped as a switch of a reading."""

import pytest

from bnstudy.design.cell import Cell, make_cell
from bnstudy.design.fields import FIELDS
from bnstudy.design.rules import ACTS, inert
from bnstudy.errors import UsageError

MLP = {"dataset": "mnist", "model": "mlp", "norm": "batch"}


@pytest.mark.parametrize("field", sorted({rule if isinstance(rule, str) else rule[0] for rule in ACTS}))
def test_rules_name_fields(field):
    assert field in FIELDS


CNN = {"dataset": "cifar10", "model": "cnn", "norm": "none"}
HIDDEN_STD = {"init": "normal", "init_std": 1.0, "init_std_on": "hidden"}
WITHOUT_EFFECT = [
    (CNN, "norm_placement", "post_activation"), (CNN, "gamma_init", "ones"), (CNN, "norm_eps", 0.1), (CNN, "norm_momentum", 0.2),
    (CNN, "population", "exact"), (CNN, "norm_bias", False), (CNN, "output_norm", True), (CNN, "penalty_strength", 0.1),
    (CNN, "penalty_factor", 0.5), (CNN, "penalty_on", "all"), (CNN, "dropout_at", "last"), (CNN, "dropout_kind", "maps"),
    (CNN | {"schedule": "constant"}, "decay_factor", 0.1), (CNN | {"schedule": "power"}, "decay_patience", 2),
    (CNN | {"schedule": "linear"}, "decay_counter", "plateau"), (CNN, "decay_rate", 0.1),
    (CNN | {"schedule": "constant"}, "lr_min", 0.0), (CNN | {"init": "xavier"}, "kaiming_gain", 1),
    (CNN | {"init": "normal", "init_std": 1.0}, "init_distribution", "uniform"), (CNN, "init_std", 1.0),
    (CNN, "init_std_on", "hidden"), (CNN | {"init": "normal", "init_std": 1.0}, "fan", "channels"),
    (MLP, "fan", "channels"), (MLP, "dense_layers", 1), (CNN | {"optimizer": "adam"}, "nesterov", "torch"),
    (CNN | {"optimizer": "sgd"}, "momentum", 0.5), (CNN, "mnist_size", "resize"), (MLP, "svhn_labels", "digit"),
    (MLP | {"dropout": 0.5}, "dropout_at", "every"), (MLP | {"dropout": 0.5}, "dropout_at", "pairs"),
    (MLP | {"dropout": 0.5}, "dropout_kind", "maps"), (MLP | {"population": "exact"}, "norm_momentum", 0.5),
    (MLP | {"norm_placement": "post_activation"}, "norm_bias", False), (MLP | {"split": "last"}, "split_seed", "run"),
    (MLP | {"norm": "layer"}, "population", "exact"), (MLP | {"norm": "layer"}, "norm_momentum", 0.2),
    (MLP | {"norm": "group"}, "population", "exact"), (CNN | {"norm": "rms"}, "norm_momentum", 0.2),
    (CNN | {"norm": "layer_autograd"}, "population", "exact"), (CNN | {"norm": "layer_manual"}, "norm_momentum", 0.2),
    (MLP | {"model": "numpy_mlp"}, "precision", "bf16"), (CNN, "normed_layers", "first"),
    (MLP | {"norm_placement": "pre_linear"}, "normed_layers", "last"), (MLP | {"hidden": [9]}, "normed_layers", "first"),
    (MLP | {"hidden": [9, 8]}, "normed_layers", "every_second"), (MLP | {"model": "resnet_course"}, "normed_layers", "last"),
    (MLP, "dropout_at", "before_norm"), (MLP | {"norm_placement": "pre_linear", "dropout": 0.5}, "dropout_at", "before_norm"),
    (MLP | {"model": "cnn"}, "mnist_size", "native"), (MLP | {"schedule": "constant", "stop_patience": 0}, "improvement", "equal"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "field", "value"), WITHOUT_EFFECT)
def test_a_field_without_effect_is_refused_and_as_a_switch_dropped(base, field, value):
    with pytest.raises(UsageError, match="no effect"):
        Cell(**base, **{field: value})
    assert make_cell(base, {field: value}) == Cell(**base)
    assert inert(Cell(**base), field, value)


ACTING = [
    (MLP, "gamma_init", "ones"), (MLP, "mnist_size", "native"), (CNN | {"dropout": 0.5}, "dropout_at", "pairs"),
    (MLP | {"dropout": 0.5}, "dropout_at", "last"), (MLP | {"norm_placement": "post_activation", "output_norm": True}, "norm_bias", False),
    (MLP | {"norm": "batch_manual"}, "population", "exact"), (CNN | {"norm": "batch_autograd"}, "norm_momentum", 0.2),
    (CNN | {"norm": "group"}, "norm_eps", 0.1), (MLP | {"norm": "rms"}, "norm_affine", False), (MLP | {"norm": "rms"}, "gamma_init", "ones"),
    (CNN | {"norm": "layer"}, "norm_eps", 0.1), (MLP | {"norm": "layer"}, "gamma_init", "ones"),
    (MLP, "normed_layers", "every_second"), (MLP | {"hidden": [9, 8]}, "normed_layers", "first"),
    (MLP | {"norm_placement": "post_activation"}, "normed_layers", "last"), (CNN | {"norm": "batch"}, "normed_layers", "first"),
    (MLP | {"dropout": 0.5}, "dropout_at", "before_norm"), (CNN | {"dropout": 0.5}, "dropout_at", "before_norm"),
    (CNN | HIDDEN_STD, "fan", "channels"), (CNN | HIDDEN_STD, "kaiming_gain", 1), (CNN | HIDDEN_STD, "init_distribution", "uniform"),
    (CNN, "fan", "channels"), (MLP | {"schedule": "constant"}, "improvement", "equal"), (MLP, "split_seed", "run"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "field", "value"), ACTING)
def test_a_field_with_effect_makes_another_cell(base, field, value):
    assert make_cell(base, {field: value}) == Cell(**base, **{field: value}) != Cell(**base)
