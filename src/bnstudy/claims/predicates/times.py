"""Claims about time (7.1.5, 7.1.6, 7.2.6): M43 to M48, K44 to K46.

Seconds are those of the machine that ran the timing study. Unless that is the thesis's GPU they decide nothing
(verdict `other hardware`).
"""

from itertools import pairwise

import numpy as np

from bnstudy.claims.catalogue import curve, timing
from bnstudy.claims.evidence import Evidence
from bnstudy.claims.history import History
from bnstudy.claims.speed import epochs_to_vanilla
from bnstudy.claims.terms import every, falling, rising, some
from bnstudy.design.labels import BATCH_SIZES, NORMS


@timing
def m43(ev: Evidence):
    """Batches of 64: the mean overhead is 27 % and 0.6 s (on our own data within 5 points and 0.3 s)."""
    seconds = np.round(ev.added_seconds("mlp", 64), 1)
    return ev.quoted(ev.mean_overhead("mlp", 64), 27, 5) & ev.quoted(seconds, 0.6, 0.3)


@timing
def m44(ev: Evidence):
    """The mean overhead in percent rises with each step of the batch size from 32 to 1024."""
    return rising(ev.mean_overhead("mlp", b) for b in BATCH_SIZES)


@timing
def m45(ev: Evidence):
    """Batch norm adds more seconds to an epoch with batches of 1024 than of 32, mean over data sets."""
    return np.round(ev.added_seconds("mlp", 1024) - ev.added_seconds("mlp", 32), 6) > 0  # printed: a tie


@timing
def m46(ev: Evidence):
    """Seconds per epoch never rise with the batch size, for each norm and data set (on our own data by no more than the
    4 % that a printed 1.2 leaves open)."""
    allowed = 1.0 if ev.exact else 1.04
    curves = [[ev.seconds("mlp", b, d, n) for b in BATCH_SIZES] for d in ev.datasets for n in NORMS]
    return every(later <= allowed * earlier for curve in curves for earlier, later in pairwise(curve))


@curve
def m47(ev: History):
    """Baseline: in seconds to 95 % of vanilla's best validation accuracy, vanilla takes at most 1.2 times what batch
    norm takes, on each data set."""
    return every(_no_time_saved(ev, d) for d in ev.datasets)


def _no_time_saved(ev: History, dataset: str):
    none, batch = epochs_to_vanilla(ev, "mlp", "relu", dataset)
    cost = [ev.seconds("mlp", 64, dataset, norm) for norm in NORMS]
    return none * cost[0] <= 1.2 * batch * cost[1]


@timing
def m48(ev: Evidence):
    """From batches of 32 to 16, and from 16 to 8, an epoch takes between 1.5 and 2.5 times as long, for each norm and
    data set."""
    seconds = [[ev.seconds("mlp", b, d, n) for b in (32, 16, 8)] for d in ev.datasets for n in NORMS]
    ratios = [later / earlier for times in seconds for earlier, later in pairwise(times)]
    return every((ratio >= 1.5) & (ratio <= 2.5) for ratio in ratios)


@timing
def k44(ev: Evidence):
    """Batches of 64: the mean overhead is 19.0 % (on our own data within 5 points) and between 18.5 and 20 s."""
    seconds = ev.added_seconds("cnn", 64)
    return ev.quoted(ev.mean_overhead("cnn", 64), 19.0, 5) & (seconds >= 18.5) & (seconds <= 20)


@timing
def k45(ev: Evidence):
    """The mean overhead in percent falls with each step of the batch size from 32 to 1024."""
    return falling(ev.mean_overhead("cnn", b) for b in BATCH_SIZES)


@timing
def k46(ev: Evidence):
    """The mean overhead in percent, over the data sets of both models and on one machine, is smaller for the CNN than
    for the MLP at each batch size."""
    both = some(d for d in ev.on("cnn") if d in ev.on("mlp"))
    ev.check_one_machine()
    return every(ev.mean_overhead("cnn", b, both) < ev.mean_overhead("mlp", b, both) for b in BATCH_SIZES)
