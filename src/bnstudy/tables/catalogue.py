"""The tables as data: what each shows, its rows, its caption. B.1 to B.4 are those of the thesis's appendix B."""

from dataclasses import dataclass
from typing import Literal

from bnstudy import datasets

SETTING_ROWS = (
    ("Activation", "sigmoid", "sigmoid"),
    ("Activation", "relu", "ReLU"),
    ("Activation", "elu", "ELU"),
    ("Learning rate", "lr_high", "high, 0.1"),
    ("Learning rate", "lr_low", "low, 0.001"),
    ("Initial weights", "init_high", "high, N(0, 1)"),
    ("Initial weights", "init_low", "low, std 0.0001"),
    ("Regularization", "dropout", "dropout"),
    ("Regularization", "weight_decay", "weight decay"),
)
"""(parameter, setting, label) of each row of B.1 and B.2; ReLU is the baseline."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `what`: test accuracy in percent, seconds of an epoch, or statistics of weight gradients."""

    id: str
    model: str
    what: Literal["accuracy", "seconds", "gradients"]
    title: str
    caption: str


_ACCURACY = (
    "Test accuracy in percent of the weights after the last epoch. Settings vary one parameter of the baseline "
    "(ReLU, Kaiming, learning rate 0.01, batch size 64); the sigmoid rows start from Xavier weights."
)
_SECONDS = (
    "Seconds of an epoch at each batch size: training, logging of statistics and validation. The thesis's program logs "
    "the statistics of every batch, ours those of 16 batches of an epoch. "
    "The last column is what batch norm costs in percent, mean over the data sets."
)
_GRADIENTS = (
    "Absolute gradients of the weights, as the optimizer gets them, at 16 steps of each epoch. Means are over all "
    "weights. First layer by last layer: in the last epoch. Largest entry: of all measured steps. Dead units are zero "
    "for every measured image of the last epoch; saturated units are sigmoids below 0.05 or above 0.95."
)

CATALOGUE = {
    table.id: table
    for table in (
        Table("B.1", "mlp", "accuracy", "MLP test accuracy", _ACCURACY),
        Table("B.2", "cnn", "accuracy", "CNN test accuracy", _ACCURACY),
        Table("B.3", "mlp", "seconds", "MLP wall time per epoch", _SECONDS),
        Table("B.4", "cnn", "seconds", "CNN wall time per epoch", _SECONDS),
        Table("G.1", "mlp", "gradients", "MLP weight gradients", _GRADIENTS),
        Table("G.2", "cnn", "gradients", "CNN weight gradients", _GRADIENTS),
    )
}


def in_order(names) -> list[str]:
    """Data sets by difficulty, as the thesis orders them; those it does not have last."""
    rank = {name: spec.rank for name, spec in datasets.REGISTRY.items()}
    return sorted(set(names), key=lambda n: (rank.get(n, 99), n))
