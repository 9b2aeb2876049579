"""Records as a training leaves them, made in milliseconds: for `bench report`, and for tests of what reads records.

`record(run)` draws smooth, made-up curves; nothing is trained. What becomes of a run follows from its cell as
in the thesis (vanilla breaks at the high rate and with N(0, 1) weights, is stuck with tiny weights), or from
`fate`. The same run always gives the same record; two seeds of a cell differ a little.
"""

import hashlib
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from bnstudy.design.cell import Cell, Run
from bnstudy.results.record import EARLY_COLUMNS, LAYER_COLUMNS, Record

Fate = Literal["learns", "stuck", "diverges"]

LEVEL = {"mnist": 97.5, "svhn": 83.0, "cifar10": 50.0, "cifar100": 21.0, "digits": 95.0}
IMAGES = {"mnist": 10000, "svhn": 26032, "cifar10": 10000, "cifar100": 10000, "digits": 360}
CNN_WIDTHS = (64, 64, 128, 128, 256, 256, 512, 512, 512, 512)
INPUTS = {"mnist": 1, "digits": 1}


def record(
    run: Run,
    data_classes: int = 10,
    fate: Fate | None = None,
    epochs_run: int | None = None,
    test_accuracy: float | None = None,
    **changes: Any,
) -> Record:
    """A finished record of `run`.

    fate            learns, stuck (answers one class throughout) or diverges (NaN from epoch 2); None: the cell decides
    epochs_run      None: all epochs of the cell, less a few that differ by seed, as if stopped by patience
    test_accuracy   percent, of the last weights; None: as the data set and the cell suggest (ignored unless it learns)
    changes         fields of Record to replace, for instance provenance={...} or test={...}
    """
    cell, rng = run.cell, _rng(run)
    fate = fate or natural_fate(cell)
    epochs = epochs_run or max(1, cell.periods - int(rng.integers(0, 1 + cell.periods // 5)))
    level = test_accuracy if test_accuracy is not None else _level(cell, data_classes, rng)
    columns = _epochs(cell, fate, epochs, level, data_classes, rng)
    validation = np.array(columns["validation_accuracy"][1:])
    values: dict[str, Any] = {
        "cell": cell,
        "seed": run.seed,
        "outcome": "diverged" if fate == "diverges" else "finished",
        "diverged_at": {"epoch": 2, "layer": layer_names(cell)[1], "step": 123} if fate == "diverges" else None,
        "stopped": "epochs" if epochs == cell.periods else "patience",
        "epochs_run": epochs,
        "best_epoch": int(validation.argmax()) + 1,
        "first_batch_loss": columns["data_loss"][0],
        "test": _test(cell, fate, level, data_classes, rng),
        "epochs": columns,
        "layers": _layers(cell, fate, epochs, data_classes, rng),
        "early": _early(cell, rng),
        "peak_memory": 2**30,
        "attempts": [{"start": "2026-01-01T00:00:00Z", "host": "synthetic", "seconds": 2.0 * epochs, "first_epoch": 1}],
        "provenance": {
            "data_digest": hashlib.sha256(cell.dataset.encode()).hexdigest(),
            "data_source": "synthetic",
            "source_digest": "0" * 64,
            "engine": "reference",
            "device": "cpu",
        },
    }
    return Record(**(values | changes))


def records(runs: Iterable[Run], data_classes: int = 10, **options: Any) -> list[Record]:
    """`record` of each run, with the same options."""
    return [record(run, data_classes, **options) for run in runs]


def natural_fate(cell: Cell) -> Fate:
    """What the thesis reports for such a cell."""
    if cell.norm != "none":
        return "learns"
    if cell.lr >= 0.1 or (cell.init_std or 0) >= 1:
        return "diverges"
    stuck = (cell.init_std or 1) < 0.01 or (cell.model == "cnn" and cell.activation == "sigmoid")
    return "stuck" if stuck else "learns"


def layer_names(cell: Cell) -> list[str]:
    hidden = [f"conv{i}" for i in range(1, 11)] + ["dense1", "dense2"] if cell.model == "cnn" else _numbered(3)
    return [*hidden, "output"]


def layer_sizes(cell: Cell, data_classes: int = 10) -> list[int]:
    """Weights per layer, of tables 6.2 and 6.3."""
    channels = INPUTS.get(cell.dataset, 3)
    if cell.model != "cnn":
        return [channels * 1024 * 100, 10_000, 10_000, 100 * data_classes]
    widths = [channels, *CNN_WIDTHS]
    convolutions = [9 * a * b for a, b in pairwise(widths)]
    return [*convolutions, 512 * 512, 512 * 512, 512 * data_classes]


def _numbered(count: int) -> list[str]:
    return [f"dense{i}" for i in range(1, count + 1)]


def _rng(run: Run) -> np.random.Generator:
    return np.random.default_rng([int(run.cell.key, 16), run.seed])


def _level(cell: Cell, classes: int, rng: np.random.Generator) -> float:
    """Final accuracy in percent: harder data sets lower, the CNN and batch norm higher, seeds apart by tenths."""
    base = LEVEL.get(cell.dataset, 100 - classes / 2)
    gain = (0.08 if cell.norm != "none" else 0.0) + (0.4 if cell.model == "cnn" else 0.0)
    gain -= 0.02 * abs(np.log2(cell.batch_size / 64))
    return float(base + (99.7 - base) * gain + rng.normal(0, 0.3 * (100 - base) / 50))


def _epochs(
    cell: Cell, fate: Fate, epochs: int, level: float, classes: int, rng: np.random.Generator
) -> dict[str, list[Any]]:
    """EPOCH_COLUMNS from epoch 0."""
    e, chance, start = np.arange(epochs + 1), 100 / classes, float(np.log(classes))
    speed = 3.0 if cell.norm == "none" else 2.2
    rise = 1 - np.exp(-e / speed)
    if fate == "learns":
        validation = chance + (level - chance) * rise + rng.normal(0, 0.4, epochs + 1) * (e > 0)
        loss = start * (1 - level / 100 * rise) + rng.normal(0, 0.01, epochs + 1)
    else:
        validation = np.full(epochs + 1, chance)
        loss = np.full(epochs + 1, start) + rng.normal(0, 0.002, epochs + 1)
    if cell.init_std == 1.0:
        loss[0] += 40.0
    if fate == "diverges":
        loss[1:2], loss[2:] = 900.0 * start, np.nan
    penalty = np.full(epochs + 1, cell.penalty_strength * 3000) * (1 - 0.5 * rise)
    return {
        "epoch": e.tolist(),
        "data_loss": np.maximum(loss, 0.001).tolist(),  # NaN stays NaN
        "penalty": penalty.tolist(),
        "train_accuracy": np.clip(validation + 1, 0, 100).tolist(),
        "validation_accuracy": np.clip(validation, 0, 100).tolist(),
        "validation_loss": np.maximum(loss * 1.05, 0.001).tolist(),
        "lr": [cell.lr] * (epochs + 1),
        "seconds": [0.0] + [2.0] * epochs,
        "weights_digest": [f"{int(x):012x}" for x in rng.integers(0, 2**47, epochs + 1)],
    }


def _test(cell: Cell, fate: Fate, level: float, classes: int, rng: np.random.Generator) -> dict[str, Any]:
    images = IMAGES.get(cell.dataset, 1000)
    if fate == "learns":
        predicted = rng.multinomial(images, [1 / classes] * classes).tolist()
    else:  # NaN logits answer index 0; a dead network answers the most frequent class, here 1
        predicted = [0] * classes
        predicted[0 if fate == "diverges" else 1] = images
        level = 100 / classes
    accuracy = round(level * images / 100) / images * 100
    loss = float("nan") if fate == "diverges" else float(np.log(classes)) * (1 - level / 110)
    last = {"accuracy": accuracy, "loss": loss, "predicted": predicted}
    best = last | {"accuracy": min(100.0, accuracy + 0.1)}
    return {"images": images, "last": last, "best": best, "confusion": _confusion(predicted)}


def _confusion(predicted: list[int]) -> list[list[int]]:
    """Counts by class and answer whose sums over the classes are these: each answer spread evenly over the classes."""
    classes = len(predicted)
    return [[n // classes + (label < n % classes) for n in predicted] for label in range(classes)]


def _layers(cell: Cell, fate: Fate, epochs: int, classes: int, rng: np.random.Generator) -> dict[str, Any]:
    """LAYER_COLUMNS, each [epoch][layer]; gradients of vanilla start higher and vanish (7.2.1)."""
    names, e = layer_names(cell), np.arange(1, epochs + 1)
    fall = {"learns": np.exp(-e / (8.0 if cell.norm == "none" else 30.0)), "stuck": np.full(epochs, 1e-9)}
    gradient = 1e-3 * fall.get(fate, np.full(epochs, np.nan))
    depth = 1 + np.arange(len(names)) / len(names)
    columns: dict[str, Any] = {"names": names, "sizes": layer_sizes(cell, classes), "epoch": e.tolist()}
    for column in LAYER_COLUMNS:
        if column == "saturated_share" and cell.activation != "sigmoid":
            continue
        values = np.outer(gradient if "grad" in column else np.ones(epochs), depth)
        values *= 1 + rng.normal(0, 0.05, values.shape)
        if column in ("weight_grad.mean", "bias_grad.mean"):
            values *= rng.choice([-0.1, 0.1], values.shape)
        columns[column] = np.float32(values).tolist()
    return columns


def _early(cell: Cell, rng: np.random.Generator) -> dict[str, Any]:
    """EARLY_COLUMNS, each [step][layer], of an epoch of 100 steps."""
    steps, layers = [*range(1, 21), 30, 45, 67, 100], len(layer_names(cell))
    columns = {c: np.float32(rng.uniform(0, 1, (len(steps), layers))).tolist() for c in EARLY_COLUMNS}
    return {"step": steps, "data_loss": rng.uniform(1, 3, len(steps)).tolist()} | columns
