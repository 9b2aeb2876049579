"""Claims about accuracy and training by batch size (7.1.5, 7.2.5): M39 to M42, K39 to K43."""

import numpy as np

from bnstudy.claims.catalogue import accuracy, curve, statistics
from bnstudy.claims.evidence import Evidence
from bnstudy.claims.history import History
from bnstudy.claims.terms import every, never_rising, of_size, rank_correlation, weakest
from bnstudy.design.labels import BATCH_SIZES, NORMS

NO_TREND = 0.88
"""Spearman's correlation of six values with their order is 0.886 or more, of either sign, in 24 of 720 orders."""


@accuracy
def m39(ev: Evidence):
    """Batch norm above vanilla with batches of 32, 64 and 128 on each data set."""
    return every(ev.gap("mlp", of_size(b), d) > 0 for b in (32, 64, 128) for d in ev.datasets)


@accuracy
def m40(ev: Evidence):
    """Batch norm's accuracy never rises from batches of 32 over all sizes to 1024, on each data set."""
    return every(never_rising(ev.normed("mlp", of_size(b), d) for b in BATCH_SIZES) for d in ev.datasets)


@accuracy
def m41(ev: Evidence):
    """Vanilla with batches of 32 below vanilla with 1024 on each data set."""
    return every(ev.change("mlp", "batch_32", "batch_1024", d, "none") > 0 for d in ev.datasets)


@accuracy
def m42(ev: Evidence):
    """Batch norm below vanilla with batches of 512 and of 1024 on each data set."""
    return every(ev.gap("mlp", of_size(b), d) < 0 for b in (512, 1024) for d in ev.datasets)


@accuracy
def k39(ev: Evidence):
    """Batch norm above vanilla at each of six batch sizes and on each data set."""
    return every(ev.gap("cnn", of_size(b), d) > 0 for b in BATCH_SIZES for d in ev.datasets)


@accuracy
def k40(ev: Evidence):
    """Accuracy is higher with batches of 32 than of 1024, and its rank correlation with the batch size is negative, for
    each norm and data set."""
    curves = [[ev.accuracy("cnn", of_size(b), d, n) for b in BATCH_SIZES] for d in ev.datasets for n in NORMS]
    return every((values[0] > values[-1]) & (rank_correlation(values) < 0) for values in curves)


@accuracy
def k41(ev: Evidence):
    """The rank correlation of batch norm minus vanilla with the batch size, 32 to 1024, is below 0.88 in size, which
    six values in random order are in 97 % of cases, on the data set where it is largest."""
    gaps = [[ev.gap("cnn", of_size(b), d) for b in BATCH_SIZES] for d in ev.datasets]
    return weakest(NO_TREND - np.abs(rank_correlation(values)) for values in gaps) > 0


@curve
def k42(ev: History):
    """Batches of 1024: vanilla needs more epochs to half of its best validation accuracy, and its loss changes more
    from epoch to epoch (standard deviation), than batch norm, on each data set."""
    cells = [[("cnn", "batch_1024", d, n) for n in NORMS] for d in ev.datasets]
    slow = every(_epochs_to_half(ev, none) > _epochs_to_half(ev, batch) for none, batch in cells)
    return slow & every(ev.loss_jumps(*none) > ev.loss_jumps(*batch) for none, batch in cells)


def _epochs_to_half(ev: History, cell) -> float:
    return ev.epochs_to(*cell, 0.5 * ev.best_accuracy(*cell))


@statistics
def k43(ev: History):
    """Batches of 1024: vanilla's changes of loss and of gradient from epoch to epoch correlate by more than 0.3, and
    batch norm's gradient varies less (standard deviation over mean), on each data set."""
    follows = every(ev.gradient_follows_loss("cnn", "batch_1024", d, "none") > 0.3 for d in ev.datasets)
    varies = ev.gradient_variation
    return follows & every(
        varies("cnn", "batch_1024", d, "batch") < varies("cnn", "batch_1024", d, "none") for d in ev.datasets
    )
