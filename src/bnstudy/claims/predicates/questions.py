"""The statements of the open questions: Q01 to Q12, written before their runs. A cell's setting is what it changes of
the baseline (`questions.cells.at`)."""

from typing import Any

import numpy as np

from bnstudy.claims.catalogue import accuracy, curve, statistics
from bnstudy.claims.evidence import Evidence
from bnstudy.claims.history import History
from bnstudy.claims.terms import count, every, highest, mean
from bnstudy.design.labels import NORMS, SETTINGS
from bnstudy.questions.cells import (
    ACTIVATIONS,
    BASELINE,
    DECAYS,
    GRADIENT_SCALES,
    HIGH_RATES,
    LARGE,
    LAWFUL,
    LAYERS,
    LEVEL,
    LONG,
    OPTIMIZERS,
    OTHER_NORMS,
    PLACES,
    RATES,
    ROWS,
    SCALES,
    SHARES,
    STRENGTHS,
    at,
    decay,
    dropout,
    penalty,
    scale,
    sized,
)

SMALL = [s for s in SCALES if s <= 0.01]
NEAR = 1.0
"""Points within which one network does as well as another."""
LITTLE = 0.5
ABOUT_ONE = 0.1
"""How far from -1 the slope of Q12 may be: a factor of 0.8 to 1.26 for each factor of ten."""


def _best(ev: Evidence, settings: list[str], dataset: str, norm: str) -> Any:
    """Return the highest accuracy of a norm over these settings, percent."""
    return highest(ev.accuracy("mlp", setting, dataset, norm) for setting in settings)


@accuracy
def q01(ev: Evidence):
    """Batch norm, on each data set: deviation 1e-8 is at most one point below 0.01, and no deviation from 0.01 down to
    1e-8 makes a constant guess."""
    smallest, first = at(**scale(SMALL[-1])), at(**scale(SMALL[0]))
    as_good = every(ev.change("mlp", first, smallest, d, "batch") >= -NEAR for d in ev.datasets)
    return as_good & every(ev.learns("mlp", at(**scale(s)), d, "batch") for s in SMALL for d in ev.datasets)


@accuracy
def q02(ev: Evidence):
    """On each data set the highest rate at which batch norm makes no constant guess is above vanilla's."""
    return every(_highest_rate(ev, d, "batch") > _highest_rate(ev, d, "none") for d in ev.datasets)


def _highest_rate(ev: Evidence, dataset: str, norm: str) -> Any:
    """Return the highest rate at which a norm learns; 0 if there is none."""
    return highest(np.where(ev.learns("mlp", at(lr=lr), dataset, norm), lr, 0.0) for lr in RATES)


@accuracy
def q02_best(ev: Evidence):
    """On each data set batch norm at its best rate is above vanilla at its best rate."""
    rates = [at(lr=lr) for lr in RATES]
    return every(_best(ev, rates, d, "batch") > _best(ev, rates, d, "none") for d in ev.datasets)


@curve
def q03(ev: History):
    """Batch norm, at the rates 0.1 and 0.3 on each data set: to 99 % of the best validation accuracy of the baseline
    (rate 0.01, halved after 5 epochs without improvement), a fifth after 1 epoch needs fewer epochs than a half after
    5, and than the baseline."""
    return every(_is_faster(ev, lr, d) for lr in HIGH_RATES for d in ev.datasets)


def _is_faster(ev: History, lr: float, dataset: str) -> Any:
    level = LEVEL * ev.best_accuracy("mlp", BASELINE, dataset, "batch")
    usual, *_, fastest = (at(lr=lr, **decay(*each)) for each in DECAYS)
    own, *others = (ev.epochs_to("mlp", cell, dataset, "batch", level) for cell in (fastest, usual, BASELINE))
    return every(own < other for other in others)


@accuracy
def q04(ev: Evidence):
    """With each of the four optimizers, on each data set: batch norm at its best rate is above vanilla at its best
    rate."""
    grids = [[at(**fields, lr=lr) for lr in rates] for fields, rates in OPTIMIZERS.values()]
    return every(_best(ev, grid, d, "batch") > _best(ev, grid, d, "none") for grid in grids for d in ev.datasets)


@accuracy
def q05(ev: Evidence):
    """Batch norm, on each data set: no other activation is more than half a point above ReLU, and tanh is below it."""
    cells = {name: at(**fields) for name, fields in ACTIVATIONS.items()}
    above = {
        (n, d): ev.change("mlp", cells["ReLU"], cell, d, "batch") for n, cell in cells.items() for d in ev.datasets
    }
    return every(gain <= LITTLE for gain in above.values()) & every(above["tanh", d] < 0 for d in ev.datasets)


@accuracy
def q06(ev: Evidence):
    """Means over the data sets: with the norm in all hidden layers accuracy is above vanilla's, and with the norm in
    the first alone, in the last alone or in every second one it is above by at least half of that."""
    all_layers = mean(ev.gap("mlp", BASELINE, d) for d in ev.datasets)
    fewer = [at(**changes) for _, changes in LAYERS.values() if changes]
    kept = highest(mean(_gain(ev, cell, d, "batch", BASELINE) for d in ev.datasets) for cell in fewer)
    return (all_layers > 0) & (np.round(kept - all_layers / 2, 6) >= 0)


def _gain(ev: Evidence, setting: str, dataset: str, norm: str, other: str) -> Any:
    """Return the accuracy of a norm in a setting minus vanilla's in another, points."""
    return ev.accuracy("mlp", setting, dataset, norm) - ev.vanilla("mlp", other, dataset)


@accuracy
def q07(ev: Evidence):
    """Batch norm, on each data set: batches of 1,024 at the constant rate are below batches of 64; with the better of
    the two growing rates they lose at most half of that."""
    return every(_keeps_half(ev, d) for d in ev.datasets)


def _keeps_half(ev: Evidence, dataset: str) -> Any:
    scaled = _best(ev, [at(**sized(1024, rule)) for rule in ("root", "linear")], dataset, "batch")
    usual, base = (ev.normed("mlp", at(batch_size=size), dataset) for size in (1024, 64))
    return (base > usual) & (np.round(base - scaled - (base - usual) / 2, 6) <= 0)


@accuracy
def q08(ev: Evidence):
    """Batch norm, on each data set: in at most 100 epochs N(0, 1) is below Kaiming's weights; after 300 epochs it is
    behind them by at most half of that."""
    return every(_makes_up(ev, d) for d in ev.datasets)


def _makes_up(ev: Evidence, dataset: str) -> Any:
    base, short, long = (ev.normed("mlp", setting, dataset) for setting in (BASELINE, at(**LARGE), at(**LONG)))
    return (base > short) & (np.round(base - long - (base - short) / 2, 6) <= 0)


@accuracy
def q09(ev: Evidence):
    """With 0.1, 0.3 and 0.5 of the units dropped, on each data set: vanilla with dropout after each activation is above
    batch norm with dropout after each activation, before each norm and before the output layer alone, and above it with
    exact statistics of the population."""
    vanilla, *_ = PLACES
    others = [place for place, (norm, _) in PLACES.items() if norm == "batch"]
    return every(
        ev.vanilla("mlp", at(**dropout(p, vanilla)), d) > _best(ev, [at(**dropout(p, o)) for o in others], d, "batch")
        for p in SHARES
        for d in ev.datasets
    )


@accuracy
def q10(ev: Evidence):
    """On each data set the strength with batch norm's highest accuracy is below that with vanilla's; of several equal
    ones the smallest counts."""
    return every(_best_strength(ev, d, "batch") < _best_strength(ev, d, "none") for d in ev.datasets)


def _best_strength(ev: Evidence, dataset: str, norm: str) -> Any:
    """Return the place among STRENGTHS of the highest accuracy."""
    accuracies = [ev.accuracy("mlp", at(**penalty(strength)), dataset, norm) for strength in STRENGTHS]
    return np.argmax(np.stack(np.broadcast_arrays(*accuracies)), axis=0)


@accuracy
def q11(ev: Evidence):
    """In each of the nine settings, on each data set: where vanilla makes a constant guess, layer, group and RMS norm
    make none."""
    cells = [(at(**SETTINGS[setting]), d) for setting in ROWS for d in ev.datasets]
    return every(
        ev.learns("mlp", cell, d, "none") | ev.learns("mlp", cell, d, norm) for cell, d in cells for norm in OTHER_NORMS
    )


@accuracy
def q11_gain(ev: Evidence):
    """Over the settings and data sets in which all five norms learn, batch norm's mean gain on vanilla is above 0, and
    that of layer, of group and of RMS norm is at least half of it."""
    cells = [(at(**SETTINGS[setting]), d) for setting in ROWS for d in ev.datasets]
    learn = [every(ev.learns("mlp", *cell, norm) for norm in (*NORMS, *OTHER_NORMS)) for cell in cells]
    batch, *others = (_mean_gain(ev, cells, learn, norm) for norm in ("batch", *OTHER_NORMS))
    return (batch > 0) & every(np.round(other - batch / 2, 6) >= 0 for other in others)


def _mean_gain(ev: Evidence, cells: list[tuple[str, str]], learn: list[Any], norm: str) -> Any:
    """Return the mean gain of a norm on vanilla over those of the cells that `learn`, points; NaN if there are none."""
    gains = [_gain(ev, cell, d, norm, cell) for cell, d in cells]
    return sum(np.where(own, gain, 0.0) for own, gain in zip(learn, gains, strict=True)) / count(learn)


@statistics
def q12(ev: History):
    """Batch norm, on each data set: over the deviations 0.3 to 0.01 of the hidden layers' weights, a straight line
    through log10 of their first mean absolute gradient by log10 of the deviation has a slope within 0.1 of -1."""
    return every(abs(gradient_slope(ev, d, "batch") + 1) <= ABOUT_ONE for d in ev.datasets)


def gradient_slope(ev: History, dataset: str, norm: str) -> float:
    """Return the slope of log gradient by log deviation, over the deviations of at least LAWFUL."""
    scales = [s for s in GRADIENT_SCALES if s >= LAWFUL]
    gradients = [ev.first_gradient("mlp", at(**scale(s, init_std_on="hidden")), dataset, norm) for s in scales]
    return float(np.polyfit(np.log10(scales), np.log10(np.maximum(gradients, 1e-300)), 1)[0])
