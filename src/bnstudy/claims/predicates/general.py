"""Claims of both models together (chapters 3, 6, 7 and 8): G01 to G26, without those of data and of single layers."""

import numpy as np

from bnstudy import datasets
from bnstudy.claims.catalogue import accuracy, curve, stand_in, statistics, validation
from bnstudy.claims.evidence import Evidence
from bnstudy.claims.history import History
from bnstudy.claims.speed import CONVERGED, epochs_to_vanilla, no_faster
from bnstudy.claims.terms import ROWS, NotGiven, count, every, highest, mean, no, of_size, some, weakest, within_factor
from bnstudy.design.labels import BATCH_SIZES, NORMS


@validation
@accuracy
def g01(ev: Evidence):
    """Mean over the nine settings of batch norm minus vanilla is above 0 for each model and data set."""
    return every(mean(ev.gap(m, c, d) for c in ROWS) > 0 for m, d in ev.places)


@validation
@accuracy
def g01_learning(ev: Evidence):
    """The same without the settings in which either network makes a constant guess."""
    return every(_sum_where_both_learn(ev, m, d) > 0 for m, d in ev.places)


def _sum_where_both_learn(ev: Evidence, model: str, dataset: str):
    """Return the sum of batch norm minus vanilla over these settings; it has the sign of the mean."""
    learn = {c: ev.learns(model, c, dataset, "none") & ev.learns(model, c, dataset, "batch") for c in ROWS}
    return np.round(sum(np.where(learn[c], ev.gap(model, c, dataset), 0.0) for c in ROWS), 6)


@accuracy
def g02(ev: Evidence):
    """Batch norm above vanilla in more than half of the pairs of cells."""
    return count(ev.gap(m, c, d) > 0 for m, d in ev.places for c in ROWS) > len(ev.places) * len(ROWS) / 2


@accuracy
def g03(ev: Evidence):
    """At least one vanilla cell makes a constant guess, and none of their twins with batch norm does."""
    stuck = [(m, c, d) for m, d in ev.places for c in ROWS]
    safe = every(ev.learns(*cell, "none") | ev.learns(*cell, "batch") for cell in stuck)
    return safe & (count(ev.is_chance(*cell, "none") for cell in stuck) > 0)


@curve
def g04(ev: History):
    """Baselines: vanilla needs not clearly more epochs than batch norm to 95 % of vanilla's best validation accuracy
    (within one epoch or a factor of 1.5), for each model and data set."""
    return every(no_faster(batch, none) for none, batch in (epochs_to_vanilla(ev, m, "relu", d) for m, d in ev.places))


@curve
def g04_seconds(ev: History):
    """The same in seconds: vanilla takes less than 1.2 times what batch norm takes."""
    return every(_no_time_saved(ev, m, d) for m, d in ev.places)


def _no_time_saved(ev: History, model: str, dataset: str):
    none, batch = epochs_to_vanilla(ev, model, "relu", dataset)
    cost = [ev.seconds(model, 64, dataset, norm) for norm in NORMS]
    return none * cost[0] < 1.2 * batch * cost[1]


@accuracy
def g05(ev: Evidence):
    """Vanilla dropout of the CNN is above every other cell of either model, on each data set."""
    return every(_dropout_is_best(ev, d) for d in ev.on("cnn"))


def _dropout_is_best(ev: Evidence, dataset: str):
    best = ("cnn", "dropout", dataset, "none")
    cells = [(m, c, dataset, n) for m in ("mlp", "cnn") for c in ROWS for n in NORMS]
    return ev.accuracy(*best) > highest(ev.accuracy(*cell) for cell in cells if cell != best)


@accuracy
def g06(ev: Evidence):
    """Normalized ReLU at or above ELU of either norm, for each model and data set."""
    return every(ev.normed(m, "relu", d) >= highest(ev.accuracy(m, "elu", d, n) for n in NORMS) for m, d in ev.places)


@accuracy
def g07(ev: Evidence):
    """ELU: batch norm at or above vanilla on all data sets of the MLP."""
    return every(ev.gap("mlp", "elu", d) >= 0 for d in some(ev.on("mlp")))


@accuracy
def g07_cnn(ev: Evidence):
    """ELU: batch norm at or above vanilla on exactly two of the CNN's four data sets."""
    if len(ev.on("cnn")) < 4:
        raise NotGiven
    return count(ev.gap("cnn", "elu", d) >= 0 for d in ev.on("cnn")) == 2


@accuracy
def g08(ev: Evidence):
    """With batch norm, sigmoid below both ReLU and ELU, for each model and data set."""
    return every(ev.change(m, "sigmoid", c, d, "batch") > 0 for m, d in ev.places for c in ("relu", "elu"))


@accuracy
def g09(ev: Evidence):
    """Low rate: the norms differ by less than one point, for each model and data set."""
    return every(np.abs(ev.gap(m, "lr_low", d)) < 1 for m, d in ev.places)


@accuracy
def g10(ev: Evidence):
    """Batch norm at the high rate loses at most one point against its baseline, for each model and data set."""
    return every(ev.change(m, "relu", "lr_high", d, "batch") >= -1 for m, d in ev.places)


@curve
def g11(ev: History):
    """Batch norm: the baseline needs not clearly more epochs than the high rate to 95 % of the baseline's best
    validation accuracy (within one epoch or a factor of 1.5)."""
    cells = [((m, "lr_high", d, "batch"), (m, "relu", d, "batch")) for m, d in ev.places]
    levels = [CONVERGED * ev.best_accuracy(*base) for _, base in cells]
    return every(
        no_faster(ev.epochs_to(*high, level), ev.epochs_to(*base, level))
        for (high, base), level in zip(cells, levels, strict=True)
    )


@accuracy
def g12(ev: Evidence):
    """Batch norm makes no constant guess from large or from tiny weights."""
    return every(ev.learns(m, c, d, "batch") for m, d in ev.places for c in ("init_high", "init_low"))


@statistics
def g13(ev: History):
    """Batch norm: the gradient of the first epochs is larger from tiny than from large weights, and 95 % of the best
    validation accuracy from large weights is reached in fewer epochs."""
    return every(_tiny_is_better(ev, m, d) for m, d in ev.places)


def _tiny_is_better(ev: History, model: str, dataset: str):
    tiny, large = ((model, c, dataset, "batch") for c in ("init_low", "init_high"))
    level = CONVERGED * ev.best_accuracy(*large)
    sooner = ev.epochs_to(*tiny, level) < ev.epochs_to(*large, level)
    return sooner & (ev.early_gradient(*tiny) > ev.early_gradient(*large))


@accuracy
def g14(ev: Evidence):
    """Dropout: vanilla above batch norm for each model and data set."""
    return every(ev.gap(m, "dropout", d) < 0 for m, d in ev.places)


@accuracy
def g15(ev: Evidence):
    """Weight decay above the baseline for each norm, model and data set."""
    return every(ev.change(m, "relu", "weight_decay", d, n) > 0 for m, d in ev.places for n in NORMS)


@statistics
def g16(ev: History):
    """Vanilla: the gradient of the last epochs is larger with dropout than without, where both learn."""
    ev.check_learning(("cnn", c, d, "none") for c in ("dropout", "relu") for d in ev.datasets)
    late = ev.late_gradient
    return every(late("cnn", "dropout", d, "none") > late("cnn", "relu", d, "none") for d in ev.datasets)


@validation
@stand_in
def g17(ev: Evidence):
    """Batch norm above vanilla at each of six batch sizes and on each data set for the CNN; for the MLP it is not where
    it is least surely ahead."""
    cnn, mlp = ([ev.gap(m, of_size(b), d) for d in ev.on(m) for b in BATCH_SIZES] for m in ("cnn", "mlp"))
    return every(gap > 0 for gap in cnn) & (weakest(mlp) <= 0)


@accuracy
def g18(ev: Evidence):
    """Adaptive decay above exponential and above power decay for each norm, model and data set."""
    rules = ("exponential", "power")
    return every(ev.change(m, c, "relu", d, n) > 0 for m, d in ev.places for c in rules for n in NORMS)


@accuracy
def g19(ev: Evidence):
    """Batch norm above vanilla under Adam and under RMSProp, for each model and data set."""
    return every(ev.gap(m, c, d) > 0 for m, d in ev.places for c in ("adam", "rmsprop"))


@statistics
def g20(ev: History):
    """Vanilla ReLU baseline after training: over the hidden layers the mean pre-activation falls and the share of zero
    outputs rises (rank correlations below and above 0)."""
    trend = ev.trend_with_depth
    falls = every(trend("cnn", "relu", d, "none", "pre_activation.mean") < 0 for d in ev.datasets)
    return falls & every(trend("cnn", "relu", d, "none", "zero_share") > 0 for d in ev.datasets)


@curve
def g21(ev: History):
    """From tiny weights, so that the network guesses all classes alike, the first loss is within 0.3 of ln(classes),
    for each norm, model and data set."""
    return every(
        np.abs(loss - guess) <= 0.3 for m, d in ev.places for loss, guess in _first_losses(ev, m, "init_low", d)
    )


@curve
def g21_baseline(ev: History):
    """The baseline's first loss is of that size: within a factor of √2 of ln(classes), so nearer to that of 10 classes
    than to that of 100 or the reverse."""
    return every(within_factor(np.sqrt(2), *pair) for m, d in ev.places for pair in _first_losses(ev, m, "relu", d))


def _first_losses(ev: History, model: str, setting: str, dataset: str) -> list[tuple[float, float]]:
    """Return (first loss, ln(classes)) of each norm."""
    guess = float(np.log(datasets.REGISTRY[dataset].classes))
    return [(ev.first_batch_loss(model, setting, dataset, n), guess) for n in NORMS]


@accuracy
def g23(ev: Evidence):
    """Some of the vanilla cells make a constant guess, and each that does scores the share of digit 1, 19.6 % (on our
    own data within 0.1)."""
    cells = [(m, c, d) for m, d in ev.places for c in ROWS]
    failed = [ev.is_chance(*cell, "none") for cell in cells]
    quoted = [ev.quoted(ev.vanilla(*cell), 19.6, 0.1) for cell in cells]
    return (count(failed) > 0) & every(no(f) | q for f, q in zip(failed, quoted, strict=True))


@accuracy
def g26(ev: Evidence):
    """Vanilla at the high rate with weight decay makes no constant guess, for each model and data set."""
    return every(ev.learns(m, "lr_high_weight_decay", d, "none") for m, d in ev.places)
