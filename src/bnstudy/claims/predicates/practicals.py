"""Claims of the three course reports: P01 to P29. Rows are those of `bnstudy.printed.practicals`."""

import numpy as np

from bnstudy.claims.by_row import RowCurves, Rows
from bnstudy.claims.catalogue import accuracy, curve
from bnstudy.claims.terms import every, highest, mean, rising


@accuracy
def p01(ev: Rows):
    """The two networks end within 2 points of each other."""
    return np.abs(np.round(ev.accuracy("K1") - ev.accuracy("K2"), 1)) <= 2


@curve
def p02(ev: RowCurves):
    """Training is farther ahead of test over the last three intervals between evaluations than over the second to
    fourth, by over a point."""
    return ev.lead_in_training("K1", "last") > 1 + ev.lead_in_training("K1", "first")


@accuracy
def p03(ev: Rows):
    """At ten times the rate the network ends as a constant guess."""
    return ev.is_chance("K3a")


@curve
def p03_quickly(ev: RowCurves):
    """The training loss is no finite number before a third of the steps are done."""
    return ev.first_without_loss("K3a") <= 1 / 3


@accuracy
def p04(ev: Rows):
    """At a tenth of the rate the network gets less than half as far above 10 % as at the rate itself."""
    return ev.accuracy("K3b") - 10 < (ev.accuracy("K2") - 10) / 2


@curve
def p05(ev: RowCurves):
    """From one evaluation to the next, test accuracy falls and test loss rises by at least half as much again as with
    SGD, on average."""
    dips = ev.accuracy_dips("K4") > 1.5 * ev.accuracy_dips("K2")
    return dips & (ev.loss_jumps("K4") > 1.5 * ev.loss_jumps("K2"))


@accuracy
def p06(ev: Rows):
    """The network ends as a constant guess."""
    return ev.is_chance("K5")


@curve
def p06_loss(ev: RowCurves):
    """The training loss ends within 0.1 nats of that before training."""
    return abs(ev.loss_fall("K5")) < 0.1


@accuracy
def p07(ev: Rows):
    """After 50,000 steps the accuracy is at most one point above that after 1,500."""
    return np.round(ev.accuracy("K6") - ev.accuracy("K2"), 1) <= 1


@accuracy
def p08(ev: Rows):
    """The network of all changes is above those that have one (K4 to K6), and above the defaults."""
    return every(ev.accuracy("K7") > ev.accuracy(row) for row in ("K1", "K2", "K4", "K5", "K6"))


@curve
def p09(ev: RowCurves):
    """The last training accuracy is over 95 %, the last test accuracy at least half a point below the best one."""
    return (ev.last_in_training("K7") > 95) & (ev.last_in_test("K7") <= ev.best_in_test("K7") - 0.5)


@accuracy
def p10(ev: Rows):
    """Averaged over batch sizes and steps, each wider network is above the narrower one."""
    return rising([ev.column(0), ev.column(1), ev.column(2)])


@accuracy
def p11(ev: Rows):
    """Averaged over networks and steps, batches of 600 and of 1,000 are above those of 200."""
    return (ev.column(1) > ev.column(0)) & (ev.column(2) > ev.column(0))


@accuracy
def p12(ev: Rows):
    """For each of the two larger networks, averaged over steps, batches of 1,000 are less than a point above those of
    600."""
    networks = [[g for g in ev.places if g[0] in rows] for rows in (("L3.8", "L3.11"), ("L3.14", "L3.17"))]
    gains = [mean(ev.accuracy(more) - ev.accuracy(fewer) for fewer, more in groups) for groups in networks if groups]
    return every(np.round(gain, 6) < 1 for gain in gains)


@accuracy
def p13(ev: Rows):
    """Averaged over networks and batch sizes, 5,000 steps are above 2,000, by at most two points."""
    gain = ev.column(1) - ev.column(0)
    return (gain > 0) & (gain <= 2)


@curve
def p14(ev: RowCurves):
    """From step 2,000 to the end test accuracy changes by less than two points, and gains less than half of what that
    in training does; of a network that learns."""
    ev.check_learning("L3.17")
    test, training = ev.gain_in_test("L3.17", 2000), ev.gain_in_training("L3.17", 2000)
    return (abs(test) < 2) & (training > 2 * max(test, 0))


@accuracy
def p15(ev: Rows):
    """No other row of the grid is above it."""
    return ev.accuracy("L3.17") >= highest(ev.accuracy(f"L3.{i}") for i in range(1, 19))


@accuracy
def p16(ev: Rows):
    """In each report that prints both: the numpy network above the PyTorch network."""
    return every(ev.accuracy(ours) > ev.accuracy(torchs) for ours, torchs in ev.places)


@accuracy
def p17(ev: Rows):
    """Setup 2 above setup 1."""
    return ev.accuracy("S2.2") > ev.accuracy("S2.1")


@accuracy
def p18(ev: Rows):
    """Setup 7 below setup 6."""
    return ev.accuracy("S2.7") < ev.accuracy("S2.6")


@accuracy
def p19(ev: Rows):
    """Setup 6 above setup 8, and above setup 9."""
    return (ev.accuracy("S2.6") > ev.accuracy("S2.8")) & (ev.accuracy("S2.6") > ev.accuracy("S2.9"))


@accuracy
def p20(ev: Rows):
    """Setups 2, 3, 4 and 5, each above the one before."""
    return rising(ev.accuracy(f"S2.{i}") for i in (2, 3, 4, 5))


@accuracy
def p21(ev: Rows):
    """Setup 6 above each other setup."""
    return every(ev.accuracy("S2.6") > ev.accuracy(f"S2.{i}") for i in (1, 2, 3, 4, 5, 7, 8, 9))


@curve
def p22(ev: RowCurves):
    """At the end of its 2,000 steps setup 6 begins to overfit: over their last quarter the training loss is below that
    of the quarter before, the test loss is not; of a network that learns."""
    ev.check_learning("S2.6")
    return (ev.late_fall("S2.6", "data_loss") > 0) & (ev.late_fall("S2.6", "validation_loss") <= 0)


@accuracy
def p23(ev: Rows):
    """The gain is between 2 and 6 points."""
    return np.abs(np.round(ev.accuracy("S6") - ev.accuracy("S5") - 4, 1)) <= 2


LOSS = 0.05
"""Nats within which a printed loss counts as reproduced; a sample of few images adds two standard errors."""


@curve
def p24(ev: RowCurves):
    """The last test loss is within 0.1 nats of 1.6: 0.05, and 0.05 because the number is rounded."""
    return abs(ev.last("K1", "validation_loss") - 1.6) <= 2 * LOSS


@curve
def p25(ev: RowCurves):
    """The last test loss is within 0.05 nats of 0.75."""
    return abs(ev.last("K10", "validation_loss") - 0.75) <= LOSS


@curve
def p26(ev: RowCurves):
    """The lowest test loss is within 0.05 nats of 1.525."""
    return abs(ev.lowest("L1", "validation_loss") - 1.525) <= LOSS


@curve
def p27(ev: RowCurves):
    """Over the last interval between evaluations, training accuracy is within 8 points of 52 %, the loss within 0.2
    nats of 1.365: two standard errors of a batch of 200 images, and a point and 0.05 nats."""
    return (abs(ev.last("L1", "train_accuracy") - 52) <= 8) & (abs(ev.last("L1", "data_loss") - 1.365) <= 0.2)


@curve
def p28(ev: RowCurves):
    """Means over an interval between evaluations: the best training accuracy is within 13 points of 87.5 %, the lowest
    loss in training within 0.3 nats of 0.338; the lowest test loss is within 0.17 nats of 0.603. These are two standard
    errors of 32 or 200 images, and a point and 0.05 nats."""
    training = (abs(ev.best("L6", "train_accuracy") - 87.5) <= 13) & (abs(ev.lowest("L6", "data_loss") - 0.338) <= 0.3)
    return training & (abs(ev.lowest("L6", "validation_loss") - 0.603) <= 0.17)


@curve
def p29(ev: RowCurves):
    """The best training accuracy, a mean over an interval between evaluations, is within 5 points of 80 %."""
    return abs(ev.best("L3.17", "train_accuracy") - 80) <= 5
