"""The answer to each open question in a sentence per data set, from what was run of its cells; the verdict on its
statement stands beside it (`claims.questions`)."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from bnstudy.claims.history import History
from bnstudy.claims.measured import Mean, Measured
from bnstudy.claims.predicates.questions import gradient_slope
from bnstudy.claims.terms import NotGiven, chance
from bnstudy.design.labels import NORMS, SETTINGS
from bnstudy.figures import style
from bnstudy.questions.cells import (
    ACTIVATIONS,
    BASELINE,
    DECAYS,
    HIGH_RATES,
    LARGE,
    LAYERS,
    LEVEL,
    LONG,
    MODEL,
    OPTIMIZERS,
    OTHER_NORMS,
    PLACES,
    RATES,
    ROWS,
    SCALED_RATES,
    SCALES,
    SHARES,
    SMALL_EPS,
    STRENGTHS,
    TINIEST,
    at,
    cells,
    decay,
    dropout,
    penalty,
    scale,
    sized,
)
from bnstudy.verdicts.accuracies import half_up, signed

NAMES = {norm: style.norm(norm).label for norm in NORMS}


class Found:
    """What was run on one data set: means by setting and norm, and curves by seed."""

    def __init__(self, measured: Measured, dataset: str):
        self.dataset, self._measured = dataset, measured

    def mean(self, setting: str, norm: str = "batch") -> Mean | None:
        return self._measured.test.get((MODEL, setting, self.dataset, norm))

    def accuracy(self, setting: str, norm: str = "batch") -> float | None:
        """Return the mean test accuracy, percent; None if the cell was not run."""
        found = self.mean(setting, norm)
        return None if found is None else found.value

    def learns(self, setting: str, norm: str = "batch") -> bool | None:
        """Return False if the cell makes a constant guess; None if it was not run."""
        found = self.mean(setting, norm)
        return None if found is None else not (found.broken or bool(chance(found.value, self.dataset)))

    def some(self, setting: str, norm: str) -> str:
        """Return ` (1 of 3 seeds)` if only some seeds of a cell learn, else nothing."""
        found = self.mean(setting, norm)
        seeds = found.seeds if found else ()
        learn = sum(not (broken or chance(accuracy, self.dataset)) for accuracy, broken in seeds)
        return f" ({learn} of {len(seeds)} seeds)" if learn < len(seeds) else ""

    def gain(self, setting: str, norm: str = "batch", other: str = BASELINE) -> float | None:
        """Return the accuracy of a norm minus vanilla's in the setting `other`, points."""
        own, vanilla = self.accuracy(setting, norm), self.accuracy(other, "none")
        return None if own is None or vanilla is None else own - vanilla

    def over_seeds(self, measure: Callable[[History], float]) -> float | None:
        """Return the mean of a measure over the seeds that have the runs it needs; None if none has."""
        values = []
        for seed in self._measured.histories.seeds:
            try:
                values.append(measure(self._measured.history([(MODEL, self.dataset)], seed)))
            except NotGiven:
                continue
        return float(np.mean(values)) if values else None


def of(id: str, datasets: Sequence[str], measured: Measured) -> tuple[str, ...]:
    """Return a sentence for each data set on which cells of the question were run; it begins with `So far` if some were
    not."""
    found, ran = [], set(measured.runs["key"])
    for dataset in datasets:
        if text := "; ".join(ANSWERS[id](Found(measured, dataset))):
            whole = all(cell.key in ran for cell in cells(id)[dataset])
            found.append(f"{'On' if whole else 'So far, on'} {style.dataset(dataset)} {text}.")
    return tuple(found)


Parts = Iterable[str]


def _scales(found: Found) -> Parts:
    for norm, name in NAMES.items():
        ran = [s for s in SCALES if found.mean(at(**scale(s)), norm)]
        learned = [s for s in ran if found.learns(at(**scale(s)), norm)]
        if ran:
            does = "learns from" if learned else "does not learn from any of"
            yield f"{name} {does} the deviations {_listed(learned or ran)}"
    cured = {s: found.learns(at(**scale(s, norm_eps=SMALL_EPS))) for s in TINIEST}
    stopped = [s for s in TINIEST if cured[s] is not None and found.learns(at(**scale(s))) is False]
    if not stopped:
        return
    if left := [s for s in stopped if not cured[s]]:
        yield f"with an epsilon of 1e-30 in the norm it still does not learn from {_listed(left)}"
    else:
        yield (
            f"with an epsilon of 1e-30 in the norm it learns from {_listed(stopped)} too: what stops it there is the "
            "usual epsilon of 1e-5, not the range of floats"
        )


def _rates(found: Found) -> Parts:
    for norm, name in NAMES.items():
        ran = {lr: value for lr in RATES if (value := found.accuracy(at(lr=lr), norm)) is not None}
        learned = [lr for lr in ran if found.learns(at(lr=lr), norm)]
        if learned:
            best = max(learned, key=lambda lr: ran[lr])
            yield (
                f"{name} learns up to a rate of {learned[-1]:g}{found.some(at(lr=learned[-1]), norm)} "
                f"and is best at {best:g} ({half_up(ran[best])} %)"
            )
        elif ran:
            yield f"{name} does not learn at any of the rates {_listed(list(ran))}"


def _decays(found: Found) -> Parts:
    settings = {"the baseline": BASELINE}
    for lr in HIGH_RATES:
        for words, (factor, patience) in (("usual", DECAYS[0]), ("fastest", DECAYS[-1])):
            settings[f"rate {lr:g} with the {words} decay"] = at(lr=lr, **decay(factor, patience))
    epochs = {
        name: found.over_seeds(lambda ev, c=cell: _epochs(ev, c, found.dataset)) for name, cell in settings.items()
    }
    shown = [f"{name} {_count(n)}" for name, n in epochs.items() if n is not None]
    if shown:
        yield f"epochs to 99 % of the baseline's best validation accuracy are: {', '.join(shown)}"


def _epochs(ev: History, cell: str, dataset: str) -> float:
    level = LEVEL * ev.best_accuracy(MODEL, BASELINE, dataset, "batch")
    return ev.epochs_to(MODEL, cell, dataset, "batch", level)


def _count(epochs: float) -> str:
    return f"{epochs:.1f}" if np.isfinite(epochs) else "never for some seed"


def _optimizers(found: Found) -> Parts:
    gains = []
    for name, (fields, rates) in OPTIMIZERS.items():
        best = {norm: _best(found, [at(**fields, lr=lr) for lr in rates], norm) for norm in NAMES}
        if None not in best.values():
            gains.append(f"{signed(best['batch'] - best['none'])} with {name}")  # type: ignore[operator]
    if gains:
        yield f"if each norm has its best rate, batch norm gains in points: {', '.join(gains)}"


def _best(found: Found, settings: Iterable[str], norm: str) -> float | None:
    values = [value for setting in settings if (value := found.accuracy(setting, norm)) is not None]
    return max(values, default=None)


def _activations(found: Found) -> Parts:
    ran = {name: found.accuracy(at(**fields)) for name, fields in ACTIVATIONS.items()}
    shown = [f"{half_up(value)} % with {name}" for name, value in ran.items() if value is not None]
    if shown:
        yield f"batch norm reaches {', '.join(shown)}"
    gains = {name: found.gain(at(**fields), other=at(**fields)) for name, fields in ACTIVATIONS.items()}
    shown = [f"{signed(gain)} with {name}" for name, gain in gains.items() if gain is not None]
    if shown:
        yield f"its gain in points is {', '.join(shown)}"


def _layers(found: Found) -> Parts:
    full = found.gain(BASELINE)
    parts = {name: found.gain(at(**changes)) for name, (_, changes) in LAYERS.items() if changes}
    words = {"last": "the last alone", "first": "the first alone"}
    shown = [f"{signed(gain)} in {words.get(name, name)}" for name, gain in parts.items() if gain is not None]
    if full is not None and shown:
        yield f"the gain in points is {signed(full)} with a norm in all hidden layers, {', '.join(shown)}"


def _batches(found: Found) -> Parts:
    for norm, name in NAMES.items():
        base = found.accuracy(BASELINE, norm)
        lost = {rule: found.accuracy(at(**sized(1024, rule)), norm) for rule in SCALED_RATES}
        words = {"constant": "at the constant rate", "root": "if it grows by root", "linear": "if it grows linearly"}
        both = {words[rule]: v - base for rule, v in lost.items() if v is not None and base is not None}
        shown = [f"{signed(away)} {where}" for where, away in both.items()]
        if shown:
            yield f"from batches of 64 to 1,024 {name} changes in points by {', '.join(shown)}"


def _long(found: Found) -> Parts:
    cells = {"in at most 100 epochs": at(**LARGE), "in 300": at(**LONG)}
    ran = {words: value for words, cell in cells.items() if (value := found.accuracy(cell)) is not None}
    if ran:
        yield f"batch norm reaches {' and '.join(f'{half_up(value)} % {words}' for words, value in ran.items())}"
        if (base := found.accuracy(BASELINE)) is not None:
            yield f"from Kaiming's weights it reaches {half_up(base)} %"


def _places(found: Found) -> Parts:
    for share in SHARES:
        ran = {
            place: value
            for place, (norm, _) in PLACES.items()
            if (value := found.accuracy(at(**dropout(share, place)), norm)) is not None
        }
        own = {place: value for place, value in ran.items() if PLACES[place][0] == "batch"}
        if own:
            best, (vanilla, *_) = max(own, key=lambda place: own[place]), PLACES
            beside = f"; {vanilla}: {half_up(ran[vanilla])} %" if vanilla in ran else ""
            yield f"with {share:g} of the units dropped, best is {best} ({half_up(own[best])} %{beside})"


def _penalties(found: Found) -> Parts:
    for norm, name in NAMES.items():
        ran = {s: value for s in STRENGTHS if (value := found.accuracy(at(**penalty(s)), norm)) is not None}
        if len(ran) > 1:
            best = max(ran, key=lambda s: ran[s])
            without = f", {half_up(ran[0.0])} without" if 0.0 in ran else ""
            yield f"the best strength for {name} is {best:g} ({half_up(ran[best])} %{without})"


def _norms(found: Found) -> Parts:
    learns = {cell: [found.learns(cell, n) for n in (*NORMS, *OTHER_NORMS)] for cell in map(_cell, ROWS)}
    settings = [cell for cell, by_norm in learns.items() if None not in by_norm]
    guessing = [cell for cell in settings if found.learns(cell, "none") is False]
    if guessing:
        saved = {n: sum(bool(found.learns(cell, n)) for cell in guessing) for n in ("batch", *OTHER_NORMS)}
        listed = ", ".join(f"{style.norm(n).label} {count}" for n, count in saved.items())
        where = f"{len(guessing)} of {len(settings)} settings"
        yield f"vanilla makes a constant guess in {where}; of these, the norms learn in: {listed}"
    common = [cell for cell in settings if all(found.learns(cell, n) for n in (*NORMS, *OTHER_NORMS))]
    gains = {n: [found.gain(cell, n, cell) for cell in common] for n in ("batch", *OTHER_NORMS)}
    shown = [f"{style.norm(n).label} {signed(float(np.mean(own)))}" for n, own in gains.items() if own]  # type: ignore[arg-type]
    if shown:
        yield f"in the settings in which all norms learn ({len(common)}), the mean gain in points is {', '.join(shown)}"


def _cell(setting: str) -> str:
    return at(**SETTINGS[setting])


def _gradients(found: Found) -> Parts:
    slopes = {
        name: found.over_seeds(lambda ev, n=norm: gradient_slope(ev, found.dataset, n)) for norm, name in NAMES.items()
    }
    shown = [f"{slope:.2f} for {name}".replace("-", "−") for name, slope in slopes.items() if slope is not None]
    if shown:
        yield f"the slope of log gradient by log deviation is {' and '.join(shown)} (inversely proportional: −1)"


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}".replace("e-0", "e-") for value in values)


ANSWERS: dict[str, Callable[[Found], Parts]] = {
    "Q01": _scales, "Q02": _rates, "Q03": _decays, "Q04": _optimizers, "Q05": _activations, "Q06": _layers,
    "Q07": _batches, "Q08": _long, "Q09": _places, "Q10": _penalties, "Q11": _norms, "Q12": _gradients,
}  # fmt: skip
