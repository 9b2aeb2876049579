"""Claims about activations (7.1.1, 7.2.1): M01 to M17, K01 to K12."""

import numpy as np

from bnstudy.claims.catalogue import accuracy, curve, stand_in, statistics, validation
from bnstudy.claims.evidence import Evidence
from bnstudy.claims.history import History
from bnstudy.claims.predicates.data import SVHN_LABELS
from bnstudy.claims.speed import epochs_to_own, epochs_to_vanilla, never_starts, no_faster
from bnstudy.claims.terms import DIGITS, OBJECTS, every, highest, lowest
from bnstudy.design.labels import NORMS
from bnstudy.printed import CONSTANT_GUESS


@validation
@stand_in
def m01(ev: Evidence):
    """ReLU: batch norm above vanilla on each data set."""
    return every(ev.gap("mlp", "relu", d) > 0 for d in ev.datasets)


@accuracy
def m02(ev: Evidence):
    """ReLU: batch norm minus vanilla is above 0 and at most 3 points on each data set."""
    return every((ev.gap("mlp", "relu", d) > 0) & (ev.gap("mlp", "relu", d) <= 3) for d in ev.datasets)


@curve
def m03(ev: History):
    """ReLU: to 95 % of vanilla's best validation accuracy batch norm saves at most one epoch, on each data set."""
    return every(batch >= none - 1 for none, batch in (epochs_to_vanilla(ev, "mlp", "relu", d) for d in ev.datasets))


@curve
def m04(ev: History):
    """ReLU: the relative drop of the training loss in the epoch after a cut of the rate, over that of the epoch before,
    is above 0 and larger for vanilla on each data set."""
    drops = [[ev.drop_at_cuts("mlp", "relu", d, n) for n in NORMS] for d in ev.datasets]
    return every(none > max(batch, 0) for none, batch in drops)


@curve
def m05(ev: History):
    """ReLU: the last validation accuracy is within 1 point of the best for each norm and data set."""
    cells = [("mlp", "relu", d, n) for d in ev.datasets for n in NORMS]
    return every(ev.last_accuracy(*cell) >= ev.best_accuracy(*cell) - 1 for cell in cells)


@accuracy
def m06(ev: Evidence):
    """Batch norm after and before the nonlinearity differ by less than 0.5 points on each data set."""
    return every(np.abs(ev.change("mlp", "relu", "relu_norm_after", d, "batch")) < 0.5 for d in ev.datasets)


@accuracy
def m07(ev: Evidence):
    """Sigmoid: batch norm above vanilla on each data set."""
    return every(ev.gap("mlp", "sigmoid", d) > 0 for d in ev.datasets)


@accuracy
def m08(ev: Evidence):
    """Sigmoid: the largest gain on MNIST and SVHN is below the smallest on the CIFAR sets."""
    digits, objects = ([ev.gap("mlp", "sigmoid", d) for d in ev.only(*kind)] for kind in (DIGITS, OBJECTS))
    return highest(digits) < lowest(objects)


@curve
def m09(ev: History):
    """Sigmoid: batch norm reaches 95 % of vanilla's best validation accuracy in fewer epochs, on each data set."""
    return every(batch < none for none, batch in (epochs_to_vanilla(ev, "mlp", "sigmoid", d) for d in ev.datasets))


@curve
def m10(ev: History):
    """Sigmoid on SVHN: after one epoch vanilla has the validation accuracy of a constant guess, batch norm has not: the
    share of digit 1 in the training images, 18.9 %, within three standard errors of a tenth of them, 1.4 points."""
    share = SVHN_LABELS["train"][1] / sum(SVHN_LABELS["train"])
    error = np.sqrt(share * (1 - share) / (0.1 * sum(SVHN_LABELS["train"])))
    none, batch = (abs(ev.first_accuracy("mlp", "sigmoid", "svhn", n) / 100 - share) <= 3 * error for n in NORMS)
    return bool(none and not batch)


@curve
def m11(ev: History):
    """Sigmoid: over the first two epochs batch norm's loss falls by more; except on CIFAR100, 95 % of the whole fall
    is done in fewer epochs."""
    early, flat = ev.early_loss_fall, ev.epochs_to_flat
    sooner = [d for d in ev.datasets if d != "cifar100"]
    steeper = every(early("mlp", "sigmoid", d, "batch") > early("mlp", "sigmoid", d, "none") for d in ev.datasets)
    return steeper & every(flat("mlp", "sigmoid", d, "batch") < flat("mlp", "sigmoid", d, "none") for d in sooner)


@curve
def m12(ev: History):
    """Sigmoid, weight decay: batch norm ends with more training loss and more validation accuracy than vanilla."""
    cells = [[("mlp", c, d, n) for n in NORMS] for c in ("sigmoid", "weight_decay") for d in ev.datasets]
    loss = every(ev.last_loss(*batch) > ev.last_loss(*none) for none, batch in cells)
    return loss & every(ev.last_accuracy(*batch) > ev.last_accuracy(*none) for none, batch in cells)


@curve
def m13(ev: History):
    """ELU: vanilla reaches 95 % of its own best validation accuracy in fewer epochs than batch norm of its own."""
    cells = [[("mlp", "elu", d, n) for n in NORMS] for d in ev.datasets]
    return every(epochs_to_own(ev, none) < epochs_to_own(ev, batch) for none, batch in cells)


@validation
@accuracy
def m14(ev: Evidence):
    """ELU: batch norm above vanilla on SVHN and the CIFAR sets, vanilla above batch norm on MNIST."""
    others = every(ev.gap("mlp", "elu", d) > 0 for d in ev.only("svhn", *OBJECTS))
    return others & every(ev.gap("mlp", "elu", d) < 0 for d in ev.only("mnist"))


@accuracy
def m15(ev: Evidence):
    """ELU: batch norm above vanilla on each data set."""
    return every(ev.gap("mlp", "elu", d) > 0 for d in ev.datasets)


@validation
@stand_in
def m16(ev: Evidence):
    """With batch norm, ELU above ReLU on SVHN and the CIFAR sets."""
    return every(ev.change("mlp", "relu", "elu", d, "batch") > 0 for d in ev.datasets)


@accuracy
def m17(ev: Evidence):
    """Sigmoid below ReLU and ELU for each norm and data set."""
    return every(ev.change("mlp", "sigmoid", c, d, n) > 0 for c in ("relu", "elu") for d in ev.datasets for n in NORMS)


@validation
@accuracy
def k01(ev: Evidence):
    """ReLU: batch norm above vanilla on each data set."""
    return every(ev.gap("cnn", "relu", d) > 0 for d in ev.datasets)


@validation
@stand_in
def k02(ev: Evidence):
    """ReLU on CIFAR100: batch norm at least 5 points above vanilla."""
    return every(ev.gap("cnn", "relu", d) >= 5 for d in ev.datasets)


@curve
def k02_faster(ev: History):
    """ReLU on CIFAR100: batch norm needs at most half as many epochs to vanilla's best validation accuracy."""
    level = ev.best_accuracy("cnn", "relu", "cifar100", "none")
    none, batch = (ev.epochs_to("cnn", "relu", "cifar100", n, level) for n in NORMS)
    return batch <= none / 2


@curve
def k03(ev: History):
    """ReLU: in the end at least 99.9 % of the training images are right and the loss is below 0.01, for each norm and
    data set."""
    cells = [("cnn", "relu", d, n) for d in ev.datasets for n in NORMS]
    return every((ev.last_train_accuracy(*cell) >= 99.9) & (ev.last_loss(*cell) < 0.01) for cell in cells)


@statistics
def k04(ev: History):
    """ReLU: vanilla's gradient of the first epochs is larger than batch norm's, and falls by a larger factor to the
    last epochs, on each data set."""
    cells = [[("cnn", "relu", d, n) for n in NORMS] for d in ev.datasets]
    higher = every(ev.early_gradient(*none) > ev.early_gradient(*batch) for none, batch in cells)
    return higher & every(ev.gradient_fall(*none) > ev.gradient_fall(*batch) for none, batch in cells)


@statistics
def k05(ev: History):
    """ReLU: batch norm's gradient of the last epochs is larger than vanilla's on each data set."""
    late = ev.late_gradient
    return every(late("cnn", "relu", d, "batch") > late("cnn", "relu", d, "none") for d in ev.datasets)


@accuracy
def k06(ev: Evidence):
    """Sigmoid: vanilla makes a constant guess on each data set."""
    return every(ev.is_chance("cnn", "sigmoid", d, "none") for d in ev.datasets)


@curve
def k06_stays(ev: History):
    """Sigmoid: vanilla's best validation accuracy is at most 1.5 times a constant guess's, on each data set."""
    return never_starts(ev, "cnn", "sigmoid")


@accuracy
def k07(ev: Evidence):
    """Sigmoid: batch norm more than 30 points above the best constant guess on each data set."""
    return every(ev.normed("cnn", "sigmoid", d) - max(CONSTANT_GUESS[d]) > 30 for d in ev.datasets)


@curve
def k08(ev: History):
    """Batch norm: the standard deviation of the changes of validation accuracy from epoch to epoch is larger with
    sigmoid than with ReLU on each data set."""
    jumps = ev.accuracy_jumps
    return every(jumps("cnn", "sigmoid", d, "batch") > jumps("cnn", "relu", d, "batch") for d in ev.datasets)


@statistics
def k09(ev: History):
    """Sigmoid: in the first half of the hidden layers vanilla's gradient is below a tenth of batch norm's, and more
    than half of vanilla's outputs are within 0.05 of 0 or 1, on each data set."""
    cells = [[("cnn", "sigmoid", d, n) for n in NORMS] for d in ev.datasets]
    starved = every(ev.early_layers_gradient(*none) < 0.1 * ev.early_layers_gradient(*batch) for none, batch in cells)
    return starved & every(ev.saturated(*none) > 0.5 for none, _ in cells)


@validation
@stand_in
def k10(ev: Evidence):
    """ELU: batch norm at most 2 points above vanilla on each data set."""
    return every(ev.gap("cnn", "elu", d) <= 2 for d in ev.datasets)


@curve
def k10_no_faster(ev: History):
    """ELU: vanilla needs not clearly more epochs than batch norm to 95 % of vanilla's best validation accuracy (within
    one epoch or a factor of 1.5), on each data set."""
    return every(
        no_faster(batch, none) for none, batch in (epochs_to_vanilla(ev, "cnn", "elu", d) for d in ev.datasets)
    )


@statistics
def k11(ev: History):
    """Standard deviation over mean of the gradient, over epochs, is smaller with ELU than with ReLU for each norm and
    data set on which both learn."""
    ev.check_learning(("cnn", c, d, n) for c in ("elu", "relu") for d in ev.datasets for n in NORMS)
    varies = ev.gradient_variation
    return every(varies("cnn", "elu", d, n) < varies("cnn", "relu", d, n) for d in ev.datasets for n in NORMS)


@accuracy
def k12(ev: Evidence):
    """With batch norm, ReLU above ELU on each data set."""
    return every(ev.change("cnn", "elu", "relu", d, "batch") > 0 for d in ev.datasets)
