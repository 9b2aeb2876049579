"""Claims about dropout and weight decay (7.1.4, 7.2.4): M33 to M38, K29 to K38."""

import numpy as np

from bnstudy.claims.catalogue import accuracy, curve, stand_in, statistics, validation
from bnstudy.claims.evidence import Evidence
from bnstudy.claims.history import History
from bnstudy.claims.speed import CONVERGED, epochs_to_vanilla
from bnstudy.claims.terms import DIGITS, ROWS, count, every, falling, mean, no, within_factor
from bnstudy.design.labels import NORMS


@accuracy
def m33(ev: Evidence):
    """Dropout not above the baseline for each norm and data set."""
    return every(ev.change("mlp", "relu", "dropout", d, n) <= 0 for d in ev.datasets for n in NORMS)


@accuracy
def m34(ev: Evidence):
    """Dropout: batch norm above vanilla on each data set."""
    return every(ev.gap("mlp", "dropout", d) > 0 for d in ev.datasets)


@curve
def m34_faster(ev: History):
    """Dropout: batch norm reaches 95 % of vanilla's best validation accuracy in fewer epochs, on each data set."""
    return every(batch < none for none, batch in (epochs_to_vanilla(ev, "mlp", "dropout", d) for d in ev.datasets))


@curve
def m35(ev: History):
    """Dropout ends with more training loss than the baseline for each norm; vanilla's drops after cuts of the rate are
    smaller than in the baseline."""
    last, drop = ev.last_loss, ev.drop_at_cuts
    loss = every(last("mlp", "dropout", d, n) > last("mlp", "relu", d, n) for d in ev.datasets for n in NORMS)
    return loss & every(drop("mlp", "dropout", d, "none") < drop("mlp", "relu", d, "none") for d in ev.datasets)


@accuracy
def m36(ev: Evidence):
    """Weight decay above the baseline for each norm and data set."""
    return every(ev.change("mlp", "relu", "weight_decay", d, n) > 0 for d in ev.datasets for n in NORMS)


@accuracy
def m37(ev: Evidence):
    """Batch norm minus vanilla, mean over data sets, is smaller with weight decay than in the baseline, but at least
    half of it ("a little" smaller)."""
    decayed, plain = (mean(ev.gap("mlp", c, d) for d in ev.datasets) for c in ("weight_decay", "relu"))
    return (np.round(decayed - plain, 6) < 0) & (np.round(decayed - plain / 2, 6) >= 0)


@accuracy
def m38(ev: Evidence):
    """Batch norm: weight decay above the baseline, and that above dropout, on each data set."""
    ranking = ("weight_decay", "relu", "dropout")
    return every(falling(ev.normed("mlp", c, d) for c in ranking) for d in ev.datasets)


@validation
@accuracy
def k29(ev: Evidence):
    """Dropout: vanilla above batch norm on MNIST, SVHN and CIFAR10, below it on CIFAR100."""
    gap = {d: ev.gap("cnn", "dropout", d) for d in ev.datasets}
    return every(gap[d] < 0 for d in ev.only(*DIGITS, "cifar10")) & every(gap[d] > 0 for d in ev.only("cifar100"))


@accuracy
def k30(ev: Evidence):
    """Fewer than three of the 18 CNN cells of a data set are above vanilla with dropout, on each data set."""
    return every(
        count(ev.accuracy("cnn", c, d, n) > ev.vanilla("cnn", "dropout", d) for c in ROWS for n in NORMS) < 3
        for d in ev.datasets
    )


@curve
def k31(ev: History):
    """To 95 % of the baseline's best validation accuracy dropout needs more epochs than the baseline, for each norm and
    data set."""
    return every(no(_reaches(ev, "dropout", d, n) <= _reaches(ev, "relu", d, n)) for d in ev.datasets for n in NORMS)


def _reaches(ev: History, setting: str, dataset: str, norm: str) -> float:
    """Return the epochs to 95 % of the baseline's best validation accuracy."""
    return ev.epochs_to("cnn", setting, dataset, norm, CONVERGED * ev.best_accuracy("cnn", "relu", dataset, norm))


@statistics
def k32(ev: History):
    """Vanilla: after epoch 2 the gradient varies less (standard deviation over mean) with dropout than without, and
    with dropout it is largest in the first epoch, on each data set on which both learn."""
    ev.check_learning(("cnn", c, d, "none") for c in ("dropout", "relu") for d in ev.datasets)
    varies = ev.gradient_variation
    steadier = every(varies("cnn", "dropout", d, "none", 2) < varies("cnn", "relu", d, "none", 2) for d in ev.datasets)
    return steadier & every(ev.peak_epoch("cnn", "dropout", d, "none") == 1 for d in ev.datasets)


@validation
@stand_in
def k33(ev: Evidence):
    """Weight decay: batch norm above vanilla on each data set, by 8 to 11 points on CIFAR100."""
    gap = {d: ev.gap("cnn", "weight_decay", d) for d in ev.datasets}
    return every((gap[d] >= 8) & (gap[d] <= 11) if d == "cifar100" else gap[d] > 0 for d in gap)


@curve
def k33_faster(ev: History):
    """Weight decay: batch norm reaches 95 % of vanilla's best validation accuracy in fewer epochs, on each data set."""
    pairs = (epochs_to_vanilla(ev, "cnn", "weight_decay", d) for d in ev.datasets)
    return every(batch < none for none, batch in pairs)


@accuracy
def k34(ev: Evidence):
    """Weight decay above the baseline for each norm and data set."""
    return every(ev.change("cnn", "relu", "weight_decay", d, n) > 0 for d in ev.datasets for n in NORMS)


@curve
def k34_faster(ev: History):
    """To 95 % of the baseline's best validation accuracy weight decay needs fewer epochs than the baseline, for each
    norm and data set."""
    return every(_reaches(ev, "weight_decay", d, n) < _reaches(ev, "relu", d, n) for d in ev.datasets for n in NORMS)


@validation
@accuracy
def k35(ev: Evidence):
    """Batch norm: weight decay above the baseline on each data set."""
    return every(ev.change("cnn", "relu", "weight_decay", d, "batch") > 0 for d in ev.datasets)


@validation
@accuracy
def k36(ev: Evidence):
    """Batch norm: dropout above the baseline and above weight decay on SVHN and CIFAR10."""
    return every(ev.change("cnn", c, "dropout", d, "batch") > 0 for c in ("relu", "weight_decay") for d in ev.datasets)


@curve
def k37(ev: History):
    """Weight decay: in the end the loss with the penalty is above 0.05 and without it below, for each norm and data
    set."""
    cells = [("cnn", "weight_decay", d, n) for d in ev.datasets for n in NORMS]
    return every((ev.last_loss(*cell) > 0.05) & (ev.last_data_loss(*cell) < 0.05) for cell in cells)


@statistics
def k38(ev: History):
    """Weight decay: batch norm's mean gradient is within a factor of 2 of its baseline's, and vanilla's varies less
    (standard deviation over mean) than its baseline's, on each data set on which these learn."""
    ev.check_learning(("cnn", c, d, n) for c in ("weight_decay", "relu") for d in ev.datasets for n in NORMS)
    means = ([ev.mean_gradient("cnn", c, d, "batch") for c in ("weight_decay", "relu")] for d in ev.datasets)
    varies = ([ev.gradient_variation("cnn", c, d, "none") for c in ("weight_decay", "relu")] for d in ev.datasets)
    return every(within_factor(2, *pair) for pair in means) & every(falling(reversed(pair)) for pair in varies)
