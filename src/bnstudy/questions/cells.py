"""The cells that answer each question, as the points of its figure, and their place in frames. Stdlib only.

A cell is addressed by what it changes of the baseline besides the norm, `at(lr=0.1)`: so one cell has one address,
whichever question asks for it, and the predicates of claims read it as they read a row of table B.1.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from typing import Any, NamedTuple

from bnstudy.design.cell import Cell, make_cell
from bnstudy.design.fields import FIELDS
from bnstudy.design.labels import ALL_SETTINGS, BATCH_SIZES, NORMS, SETTINGS
from bnstudy.design.words import short_word
from bnstudy.questions.catalogue import registry

MODEL = "mlp"
BASELINE = "baseline"

SCALES = (1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
"""Standard deviations of the initial weights (Q01)."""
TINIEST = (1e-5, 1e-6, 1e-7, 1e-8)
SMALL_EPS = 1e-30
"""An epsilon below the variance of units whose weights are TINIEST: is it epsilon that stops them?"""
RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
HIGH_RATES = (0.1, 0.3)
DECAYS = tuple((factor, patience) for factor in (0.5, 0.2) for patience in (5, 2, 1))
"""(factor, patience) of the rate's decay (Q03): the usual one first, the fastest last."""
LEVEL = 0.99
"""The share of the baseline's best validation accuracy that Q03 counts epochs to: decay acts late in training."""
OPTIMIZERS: dict[str, tuple[dict[str, Any], tuple[float, ...]]] = {
    "Adam": ({"optimizer": "adam"}, (0.0001, 0.001, 0.01)),
    "RMSProp": ({"optimizer": "rmsprop", "momentum": 0.0}, (0.0001, 0.001, 0.01)),
    "AdaGrad": ({"optimizer": "adagrad"}, (0.001, 0.01, 0.1)),
    "AdaDelta": ({"optimizer": "adadelta"}, (0.1, 1.0, 10.0)),
}
"""Name -> (fields, rates), with torch's default rate in the middle or next to it (Q04)."""
ACTIVATIONS: dict[str, dict[str, Any]] = {
    "ReLU": {},
    "leaky ReLU": {"activation": "leaky_relu"},
    "parametric ReLU": {"activation": "prelu"},
    "tanh": {"activation": "tanh", "init": "xavier"},
    "softplus": {"activation": "softplus"},
}
"""Name -> fields (Q05); tanh starts from Xavier's weights, as the thesis's sigmoid does."""
LAYERS: dict[str, tuple[str, dict[str, Any]]] = {
    "none": ("none", {}),
    "last": ("batch", {"normed_layers": "last"}),
    "first": ("batch", {"normed_layers": "first"}),
    "every second": ("batch", {"normed_layers": "every_second"}),
    "all": ("batch", {}),
}
"""Which of the three hidden layers have the norm -> (norm, fields) (Q06)."""
NORMED_LAYERS = dict(zip(LAYERS, (0, 1, 1, 2, 3), strict=True))
"""The same -> how many these are."""
SCALED_RATES: dict[str, dict[int, float]] = {
    "constant": dict.fromkeys(BATCH_SIZES, 0.01),
    "root": {32: 0.0071, 64: 0.01, 128: 0.0141, 256: 0.02, 512: 0.0283, 1024: 0.04},
    "linear": {32: 0.005, 64: 0.01, 128: 0.02, 256: 0.04, 512: 0.08, 1024: 0.16},
}
"""How the rate grows with the batch -> batch size -> rate, 0.01 at 64 (Q07)."""
LARGE: dict[str, Any] = {"init": "normal", "init_std": 1.0}
LONG: dict[str, Any] = LARGE | {"stop_patience": 0, "epochs": 300}
SHARES = (0.1, 0.3, 0.5)
PLACES: dict[str, tuple[str, dict[str, Any]]] = {
    "vanilla, after each activation": ("none", {}),
    "vanilla, before the output alone": ("none", {"dropout_at": "last"}),
    "batch norm, after each activation": ("batch", {}),
    "batch norm, the same with exact statistics": ("batch", {"population": "exact"}),
    "batch norm, before each norm": ("batch", {"dropout_at": "before_norm"}),
    "batch norm, before the output alone": ("batch", {"dropout_at": "last"}),
}
"""Where dropout acts -> (norm, fields) (Q09). Exact statistics of the population are those without dropped units."""
STRENGTHS = (0.0, 1e-5, 3e-5, 1e-4, 3e-4, 5e-4, 1e-3, 3e-3, 1e-2)
GRADIENT_SCALES = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""Deviations of the hidden layers' weights alone (Q12); the law is tested on those of at least LAWFUL."""
LAWFUL = 0.01

ROWS = tuple(setting for setting in ALL_SETTINGS if not setting.startswith("batch_"))
"""The nine settings of table B.1 (Q11)."""
OTHER_NORMS = ("layer", "group", "rms")
"""Norms that do not need a batch (Q11)."""


class Point(NamedTuple):
    """A cell's place in the figure of its question.

    line     the line it belongs to, a norm or several words
    x        its place along the line: a number, or a word
    changes  fields that differ from the baseline's, without the norm
    """

    line: str
    x: float | str
    norm: str
    changes: dict[str, Any]

    @property
    def at(self) -> str:
        return at(**self.changes)


def at(**changes: Any) -> str:
    """Return the address of the cell that changes these fields of the baseline, such as `lr=0.1 batch_size=128`."""
    differing = {f: changes[f] for f, spec in FIELDS.items() if f in changes and changes[f] != spec.default}
    return " ".join(f"{f}={short_word(v)}" for f, v in differing.items()) or BASELINE


def scale(deviation: float, **more: Any) -> dict[str, Any]:
    """Initial weights from N(0, deviation²)."""
    return {"init": "normal", "init_std": deviation, **more}


def decay(factor: float, patience: int) -> dict[str, Any]:
    return {"decay_factor": factor, "decay_patience": patience}


def penalty(strength: float) -> dict[str, Any]:
    """Weight decay of this strength; none for 0."""
    return {"penalty": "l2", "penalty_strength": strength} if strength else {}


def sized(size: int, rule: str) -> dict[str, Any]:
    """Batches of this size with the rate that belongs to it."""
    return {"batch_size": size, "lr": SCALED_RATES[rule][size]}


def _both(x: float | str, changes: dict[str, Any], norms: Iterable[str] = NORMS) -> Iterator[Point]:
    """A point for each norm, on the line of the norm."""
    for norm in norms:
        yield Point(norm, x, norm, changes)


def _scales() -> Iterator[Point]:
    for s in SCALES:
        yield from _both(s, scale(s))
    for s in TINIEST:
        yield Point("batch norm, ε = 1e-30", s, "batch", scale(s, norm_eps=SMALL_EPS))


def _rates() -> Iterator[Point]:
    for lr in RATES:
        yield from _both(lr, {"lr": lr})


def _decays() -> Iterator[Point]:
    for factor, patience in DECAYS:
        for lr in (0.01, *HIGH_RATES):
            yield Point(f"× {factor:g} after {patience}", lr, "batch", {"lr": lr} | decay(factor, patience))


def _optimizers() -> Iterator[Point]:
    for name, (fields, rates) in OPTIMIZERS.items():
        for lr in rates:
            yield from _both(f"{name} {lr:g}", fields | {"lr": lr})


def _activations() -> Iterator[Point]:
    for name, fields in ACTIVATIONS.items():
        yield from _both(name, fields)


def _layers() -> Iterator[Point]:
    for name, (norm, changes) in LAYERS.items():
        yield Point("normalized layers", name, norm, changes)


def _batches() -> Iterator[Point]:
    for norm in NORMS:
        for rule in SCALED_RATES:
            for size in BATCH_SIZES:
                yield Point(f"{norm} {rule}", size, norm, sized(size, rule))


def _long() -> Iterator[Point]:
    yield Point("Kaiming, at most 100 epochs", "Kaiming, 100", "batch", {})
    yield Point("N(0, 1), at most 100 epochs", "N(0, 1), 100", "batch", LARGE)
    yield Point("N(0, 1), 300 epochs", "N(0, 1), 300", "batch", LONG)


def dropout(share: float, place: str) -> dict[str, Any]:
    """Dropout of this share at a place of PLACES."""
    return {"dropout": share, **PLACES[place][1]}


def _places() -> Iterator[Point]:
    for place, (norm, _) in PLACES.items():
        yield Point(place, 0.0, norm, {})
        for share in SHARES:
            yield Point(place, share, norm, dropout(share, place))


def _penalties() -> Iterator[Point]:
    for strength in STRENGTHS:
        yield from _both(strength, penalty(strength))


def _norms() -> Iterator[Point]:
    for setting in ROWS:
        yield from _both(setting, SETTINGS[setting], (*NORMS, *OTHER_NORMS))


def _gradients() -> Iterator[Point]:
    for s in GRADIENT_SCALES:
        yield from _both(s, scale(s, init_std_on="hidden"))


POINTS: dict[str, Callable[[], Iterator[Point]]] = {
    "Q01": _scales, "Q02": _rates, "Q03": _decays, "Q04": _optimizers, "Q05": _activations, "Q06": _layers,
    "Q07": _batches, "Q08": _long, "Q09": _places, "Q10": _penalties, "Q11": _norms, "Q12": _gradients,
}  # fmt: skip


@cache
def points(id: str) -> tuple[Point, ...]:
    """Return the points of a question, in the order of its lines and along them."""
    return tuple(POINTS[id]())


def cell(point: Point, dataset: str) -> Cell:
    return make_cell({"dataset": dataset, "model": MODEL, "norm": point.norm, **point.changes})


@cache
def cells(id: str) -> dict[str, tuple[Cell, ...]]:
    """Return data set -> the distinct cells that a question asks for there."""
    asked = registry()[id].datasets
    return {dataset: tuple(dict.fromkeys(cell(point, dataset) for point in points(id))) for dataset in asked}


@cache
def homes() -> dict[str, str]:
    """Return the key of each cell of the questions -> its address."""
    return {
        cell(point, dataset).key: point.at
        for id in registry()
        for dataset in registry()[id].datasets
        for point in points(id)
    }


@lru_cache(maxsize=4)
def asked_by(keys: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the questions that a study with cells of these keys asks, each with its data sets: those on which it has
    every cell of the question."""
    known = set(keys)
    found = {id: tuple(d for d, own in cells(id).items() if {each.key for each in own} <= known) for id in registry()}
    return {id: datasets for id, datasets in found.items() if datasets}


def placed(frame: Any) -> Any:
    """Return the rows of a frame (with a column `key`) that belong to the questions' cells, with the address as setting
    and the default reading, so that verdicts address them like rows of table B.1."""
    mine = frame[frame["key"].isin(list(homes()))]
    return mine.assign(setting=mine["key"].map(homes()).astype("str"), reading="default")
