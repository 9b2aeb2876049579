"""The tables as data: what each shows, its rows, its caption. B.1 to B.4 are those of the thesis's appendix B;
the others show what it measures or announces and prints no table of."""

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
    """A table. `what`: test accuracy in percent, seconds of an epoch, statistics of weight gradients, seconds of an
    epoch's parts, best validation accuracy in percent, or memory of a GPU in MB."""

    id: str
    model: str
    what: Literal["accuracy", "seconds", "gradients", "parts", "validation", "memory"]
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
_PARTS = (
    "Seconds of an epoch at each batch size, by part: training, what the statistics of layers add, and what validation "
    "adds. The last column is what batch norm costs in percent, mean over the data sets, of the epoch so far: of "
    "training, of training with statistics, of all three."
)
_VALIDATION = (
    "Best validation accuracy of a run in percent, after whichever epoch. The introduction of the thesis's appendix B "
    "announces these numbers, and none are printed. Settings as in the table of test accuracies."
)
_MEMORY = (
    "The most memory of a GPU that training takes, in MB: what its tensors occupy, without the data set. In the thesis "
    "the memory bounds the batch size of the CNN (7.1.5). `bnstudy model` estimates it."
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
        Table("V.1", "mlp", "validation", "MLP best validation accuracy", _VALIDATION),
        Table("V.2", "cnn", "validation", "CNN best validation accuracy", _VALIDATION),
        Table("T.1", "mlp", "parts", "MLP wall time of an epoch's parts", _PARTS),
        Table("T.2", "cnn", "parts", "CNN wall time of an epoch's parts", _PARTS),
        Table("M.1", "mlp", "memory", "MLP memory by batch size", _MEMORY),
        Table("M.2", "cnn", "memory", "CNN memory by batch size", _MEMORY),
    )
}


def in_order(names) -> list[str]:
    """Data sets by difficulty, as the thesis orders them; those it does not have last."""
    rank = {name: spec.rank for name, spec in datasets.REGISTRY.items()}
    return sorted(set(names), key=lambda n: (rank.get(n, 99), n))
