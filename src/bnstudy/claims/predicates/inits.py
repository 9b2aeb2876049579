"""Claims about initial weights (7.1.3, 7.2.3): M28 to M32, K22 to K28.

Large weights have standard deviation 1, tiny ones 0.0001.
"""

import numpy as np

from bnstudy.claims.catalogue import accuracy, curve, statistics, validation
from bnstudy.claims.evidence import Evidence
from bnstudy.claims.history import History
from bnstudy.claims.speed import never_starts, slowest
from bnstudy.claims.terms import DIGITS, OBJECTS, NotGiven, every


@accuracy
def m28(ev: Evidence):
    """Large weights: vanilla makes a constant guess on each data set."""
    return every(ev.is_chance("mlp", "init_high", d, "none") for d in ev.datasets)


@curve
def m28_stays(ev: History):
    """Large weights: vanilla's best validation accuracy is at most 1.5 times a constant guess's, on each data set."""
    return never_starts(ev, "mlp", "init_high")


@curve
def m28_overflow(ev: History):
    """Large weights: the mean of vanilla's training loss over the first epoch is no finite number, on each data set."""
    return every(np.isinf(ev.data_loss("mlp", "init_high", d, "none")[1]) for d in ev.datasets)


@accuracy
def m29(ev: Evidence):
    """Batch norm from large weights: below its baseline, and no constant guess, on each data set."""
    worse = every(ev.change("mlp", "relu", "init_high", d, "batch") < 0 for d in ev.datasets)
    return worse & every(ev.learns("mlp", "init_high", d, "batch") for d in ev.datasets)


@curve
def m29_slower(ev: History):
    """Batch norm from large weights needs more epochs to 95 % of its own best validation accuracy than its baseline
    needs to that level, on each data set."""
    return every(slowest(ev, "init_high", ("relu",), d) for d in ev.datasets)


@accuracy
def m30(ev: Evidence):
    """Tiny weights: vanilla makes a constant guess on each data set."""
    return every(ev.is_chance("mlp", "init_low", d, "none") for d in ev.datasets)


@curve
def m30_stays(ev: History):
    """Tiny weights: vanilla's best validation accuracy is at most 1.5 times a constant guess's, on each data set."""
    return never_starts(ev, "mlp", "init_low")


@accuracy
def m31(ev: Evidence):
    """Batch norm: tiny weights above the baseline on each data set."""
    return every(ev.change("mlp", "relu", "init_low", d, "batch") > 0 for d in ev.datasets)


@accuracy
def m32(ev: Evidence):
    """Batch norm: large weights below the baseline and below tiny weights on each data set."""
    return every(ev.change("mlp", "init_high", c, d, "batch") > 0 for c in ("relu", "init_low") for d in ev.datasets)


@accuracy
def k22(ev: Evidence):
    """Large weights: vanilla makes a constant guess on each data set."""
    return every(ev.is_chance("cnn", "init_high", d, "none") for d in ev.datasets)


@curve
def k22_stays(ev: History):
    """Large weights: vanilla's best validation accuracy is at most 1.5 times a constant guess's, on each data set."""
    return never_starts(ev, "cnn", "init_high")


@accuracy
def k23(ev: Evidence):
    """Batch norm from large weights: more than 1 point below its baseline, and no constant guess, on each data set."""
    below = every(ev.change("cnn", "relu", "init_high", d, "batch") < -1 for d in ev.datasets)
    return below & every(ev.learns("cnn", "init_high", d, "batch") for d in ev.datasets)


@statistics
def k24(ev: History):
    """Batch norm from large weights: the gradient falls from the first to the last epochs on MNIST and SVHN, and does
    not on the CIFAR sets."""
    fall = {d: ev.gradient_fall("cnn", "init_high", d, "batch") for d in ev.datasets}
    return every(fall[d] > 1 for d in ev.only(*DIGITS)) & every(fall[d] <= 1 for d in ev.only(*OBJECTS))


@accuracy
def k25(ev: Evidence):
    """Tiny weights: vanilla makes a constant guess and batch norm does not, on each data set."""
    stuck = every(ev.is_chance("cnn", "init_low", d, "none") for d in ev.datasets)
    return stuck & every(ev.learns("cnn", "init_low", d, "batch") for d in ev.datasets)


@curve
def k25_stays(ev: History):
    """Tiny weights: vanilla's best validation accuracy is at most 1.5 times a constant guess's, on each data set."""
    return never_starts(ev, "cnn", "init_low")


@curve
def k26(ev: History):
    """Batch norm: a training loss below 0.05 is reached in fewer epochs from tiny than from large weights, on each data
    set on which it is reached."""
    return every(_tiny_ends_sooner(ev, d) for d in ev.datasets)


def _tiny_ends_sooner(ev: History, dataset: str):
    tiny, large = (ev.epochs_to_loss("cnn", c, dataset, "batch", 0.05) for c in ("init_low", "init_high"))
    if tiny == large == np.inf:
        raise NotGiven(("cnn", dataset))
    return tiny < large


@accuracy
def k27(ev: Evidence):
    """Batch norm: tiny weights above large weights on each data set."""
    return every(ev.change("cnn", "init_high", "init_low", d, "batch") > 0 for d in ev.datasets)


@validation
@accuracy
def k28(ev: Evidence):
    """Batch norm: the baseline above tiny and large weights on each data set."""
    return every(ev.change("cnn", c, "relu", d, "batch") > 0 for c in ("init_low", "init_high") for d in ev.datasets)
