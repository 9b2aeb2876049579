"""Claims about learning rates (7.1.2, 7.2.2): M18 to M27, K13 to K21, K47."""

import numpy as np

from bnstudy.claims.catalogue import accuracy, curve, stand_in, statistics, validation
from bnstudy.claims.evidence import Evidence
from bnstudy.claims.history import History
from bnstudy.claims.speed import CONVERGED, epochs_to_vanilla, no_faster, slowest
from bnstudy.claims.terms import DIGITS, OBJECTS, NotGiven, chance, every, highest, lowest, within_factor
from bnstudy.design.labels import NORMS


@accuracy
def m18(ev: Evidence):
    """High rate: vanilla makes a constant guess on each data set."""
    return every(ev.is_chance("mlp", "lr_high", d, "none") for d in ev.datasets)


@validation
@stand_in
def m19(ev: Evidence):
    """Batch norm: the high rate above the base rate and above the low rate on each data set."""
    return every(ev.change("mlp", c, "lr_high", d, "batch") > 0 for c in ("relu", "lr_low") for d in ev.datasets)


@curve
def m20(ev: History):
    """High rate on MNIST: vanilla's validation accuracy exceeds 80 in one of the first nine epochs, and ends as a
    constant guess's."""
    cell = ("mlp", "lr_high", "mnist", "none")
    return (ev.early_accuracy(*cell, 9) > 80) & chance(ev.last_accuracy(*cell), "mnist")


@statistics
def m21(ev: History):
    """High rate: vanilla's largest gradient of the first ten epochs is over ten times batch norm's on each data set.
    The first epoch's is that of its largest recorded step; without recorded steps, the mean of an epoch counts."""
    return every(none > 10 * batch for none, batch in (_peaks(ev, "mlp", d) for d in ev.datasets))


def _peaks(ev: History, model: str, dataset: str) -> list[float]:
    """Return the largest early gradient at the high rate, vanilla and batch norm."""
    return ev.peak_gradients(*((model, "lr_high", dataset, norm) for norm in NORMS))


@statistics
def m21_vanished(ev: History):
    """High rate: vanilla's gradient of the last epochs is below a hundredth of batch norm's and over nine tenths of its
    hidden units are dead in the end, on each data set on which it did not diverge: then it has neither."""
    cells = [[("mlp", "lr_high", d, n) for n in NORMS] for d in ev.datasets]
    for none, _ in cells:
        if not np.isfinite(ev.late_gradient(*none)):
            raise NotGiven((none[0], none[2]))
    vanishes = every(ev.late_gradient(*none) < 0.01 * ev.late_gradient(*batch) for none, batch in cells)
    return vanishes & every(ev.dead(*none) > 0.9 for none, _ in cells)


@statistics
def m22(ev: History):
    """High rate: vanilla's largest gradient of the first ten epochs on MNIST is below that on each other data set.
    Steps count as in M21."""
    slots = [("mlp", "lr_high", d, "none") for d in ev.datasets]
    peaks = dict(zip(ev.datasets, ev.peak_gradients(*slots), strict=True))
    return highest(peaks[d] for d in ev.only("mnist")) < lowest(peaks[d] for d in ev.only("svhn", *OBJECTS))


@accuracy
def m23(ev: Evidence):
    """Vanilla at the high rate with gradient clipping makes no constant guess on each data set."""
    return every(ev.learns("mlp", "lr_high_clip", d, "none") for d in ev.datasets)


@accuracy
def m24(ev: Evidence):
    """Low rate: the norms differ by less than one point on MNIST, SVHN and CIFAR10."""
    return every(np.abs(ev.gap("mlp", "lr_low", d)) < 1 for d in ev.datasets)


@accuracy
def m25(ev: Evidence):
    """Low rate on CIFAR100: batch norm below vanilla."""
    return every(ev.gap("mlp", "lr_low", d) < 0 for d in ev.datasets)


@curve
def m26(ev: History):
    """Low rate: batch norm ends with more training loss; for each norm the last validation accuracy is below the best,
    by at most 1 point."""
    last, best = ev.last_accuracy, ev.best_accuracy
    loss = every(
        ev.last_loss("mlp", "lr_low", d, "batch") > ev.last_loss("mlp", "lr_low", d, "none") for d in ev.datasets
    )
    cells = [("mlp", "lr_low", d, n) for d in ev.datasets for n in NORMS]
    return loss & every(0 < best(*cell) - last(*cell) <= 1 for cell in cells)


@accuracy
def m27(ev: Evidence):
    """Batch norm: the low rate below the base and the high rate on each data set."""
    return every(ev.change("mlp", "lr_low", c, d, "batch") > 0 for c in ("relu", "lr_high") for d in ev.datasets)


@curve
def m27_slower(ev: History):
    """Batch norm: to 95 % of its own best validation accuracy the low rate needs more epochs than the others need to
    that level, on each data set."""
    return every(slowest(ev, "lr_low", ("relu", "lr_high"), d) for d in ev.datasets)


@accuracy
def k13(ev: Evidence):
    """High rate: vanilla makes a constant guess on each data set."""
    return every(ev.is_chance("cnn", "lr_high", d, "none") for d in ev.datasets)


@accuracy
def k14(ev: Evidence):
    """Batch norm: the high and the base rate differ by at most 2 points on each data set."""
    return every(np.abs(ev.change("cnn", "relu", "lr_high", d, "batch")) <= 2 for d in ev.datasets)


@statistics
def k15(ev: History):
    """High rate: vanilla's largest gradient of the first ten epochs is over ten times batch norm's on MNIST, SVHN and
    CIFAR10, and is not on CIFAR100. The first epoch's is that of its largest recorded step; without recorded steps, the
    mean of an epoch counts."""
    explodes = {d: none > 10 * batch for d in ev.datasets for none, batch in (_peaks(ev, "cnn", d),)}
    calm = every(not explodes[d] for d in ev.only("cifar100"))
    return calm & every(explodes[d] for d in ev.only(*DIGITS, "cifar10"))


@validation
@accuracy
def k16(ev: Evidence):
    """Batch norm: the high rate at or above the base rate on MNIST, SVHN and CIFAR10, below it on CIFAR100."""
    change = {d: ev.change("cnn", "relu", "lr_high", d, "batch") for d in ev.datasets}
    return every(change[d] >= 0 for d in ev.only(*DIGITS, "cifar10")) & every(
        change[d] < 0 for d in ev.only("cifar100")
    )


@validation
@stand_in
def k17(ev: Evidence):
    """Low rate: batch norm above vanilla, by more than in the baseline, on each data set."""
    return every(
        (ev.gap("cnn", "lr_low", d) > 0) & (ev.gap("cnn", "lr_low", d) > ev.gap("cnn", "relu", d)) for d in ev.datasets
    )


@accuracy
def k18(ev: Evidence):
    """Batch norm: the low rate below the base and the high rate on each data set."""
    return every(ev.change("cnn", "lr_low", c, d, "batch") > 0 for c in ("relu", "lr_high") for d in ev.datasets)


@accuracy
def k19(ev: Evidence):
    """Batch norm: the low rate loses at most 1 point against the baseline on each data set."""
    return every(ev.change("cnn", "relu", "lr_low", d, "batch") >= -1 for d in ev.datasets)


@curve
def k20(ev: History):
    """Low rate: batch norm reaches 95 % of vanilla's best validation accuracy in fewer epochs, on each data set."""
    return every(batch < none for none, batch in (epochs_to_vanilla(ev, "cnn", "lr_low", d) for d in ev.datasets))


@statistics
def k21(ev: History):
    """Low rate: vanilla's mean gradient over all epochs is within a factor of 2 of batch norm's on MNIST and SVHN, and
    more than twice batch norm's on the CIFAR sets."""
    means = {d: [ev.mean_gradient("cnn", "lr_low", d, n) for n in NORMS] for d in ev.datasets}
    alike = every(within_factor(2, *means[d]) for d in ev.only(*DIGITS))
    return alike & every(means[d][0] > 2 * means[d][1] for d in ev.only(*OBJECTS))


@validation
def k47(ev: Evidence):
    """Low rate: batch norm is further ahead of vanilla in validation accuracy than at the base rate, on each data
    set."""
    return every(ev.gap("cnn", "lr_low", d) > ev.gap("cnn", "relu", d) for d in ev.datasets)


@curve
def k47_speed(ev: History):
    """Batch norm's speed-up is larger at the low rate than at the base rate, on each data set. Speed-up: vanilla's
    epochs over those of batch norm, to 95 % of vanilla's best validation accuracy at that rate."""
    low, base = ([epochs_to_vanilla(ev, "cnn", c, d) for d in ev.datasets] for c in ("lr_low", "relu"))
    return every(_lead(*one) > _lead(*other) for one, other in zip(low, base, strict=True))


def _lead(none: float, batch: float) -> float:
    """Return the epochs of vanilla over those of batch norm; 0 if batch norm never arrives."""
    return none / batch if np.isfinite(batch) else 0.0


@curve
def k47_harm(ev: History):
    """On each data set, batch norm needs about as many epochs at the low rate as at the base rate (within one epoch or
    a factor of 1.5), and vanilla more than twice as many. Both are counted to 95 % of the network's own best validation
    accuracy at the low rate."""
    none, batch = ([_low_and_base(ev, d, n) for d in ev.datasets] for n in NORMS)
    return every(no_faster(base, low) for low, base in batch) & every(low > 2 * base for low, base in none)


def _low_and_base(ev: History, dataset: str, norm: str) -> list[float]:
    """Return the epochs at the low and at the base rate to 95 % of the best validation accuracy at the low rate."""
    level = CONVERGED * ev.best_accuracy("cnn", "lr_low", dataset, norm)
    return [ev.epochs_to("cnn", c, dataset, norm, level) for c in ("lr_low", "relu")]
