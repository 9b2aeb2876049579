"""The answers that need more than one part; None where a part is missing."""

import contextlib
from collections.abc import Callable
from typing import Any

from bnstudy import datasets
from bnstudy.bench.gpu.session import Found
from bnstudy.design.labels import NORMS, SETTINGS, THESIS_DATASETS

EPOCHS = 100


def summary(found: Found) -> Found:
    out: Found = {}
    for name, answer in ANSWERS.items():
        out[name] = None
        with contextlib.suppress(KeyError, TypeError, ZeroDivisionError):
            out[name] = answer(found)
    return out


def _of_norm(answer: Callable[[Found, str], Any]) -> Callable[[Found], Any]:
    return lambda found: {norm: answer(found, norm) for norm in NORMS}


def _seconds(found: Found, norm: str, kind: str = "graph") -> float:
    """Of a training pass of the CNN on CIFAR10, batch 64, TF32."""
    return found["cnn"][norm]["seconds"][kind]


def _gain(kind: str) -> Callable[[Found, str], float]:
    """How many times shorter than by `kind` a pass of the graph engine is."""
    return lambda found, norm: round(_seconds(found, norm, kind) / _seconds(found, norm), 2)


def _plain_seconds(found: Found, norm: str) -> float:
    return round(found["usual"][f"plain_cnn_{norm}"] * found["cnn"][norm]["steps"] / 1e6, 2)


def _share(found: Found, norm: str) -> float:
    return round(found["cnn"][norm]["tflop_per_s"] / found["rates"]["tf32"], 3)


def _batch_norm_costs(found: Found) -> float:
    return round(100 * (_seconds(found, "batch") / _seconds(found, "none") - 1), 1)


def _determinism_costs(found: Found, norm: str) -> float:
    """Percent over the fastest that cuDNN finds."""
    us = found["determinism"]
    return round(100 * (us[f"deterministic_{norm}"] / us[f"autotuned_{norm}"] - 1), 1)


def _side_by_side_gain(found: Found) -> dict[str, dict[str, float]]:
    """By network, how many times more steps a second so many runs side by side make than one alone."""
    return {
        what: {count: round(row["us"]["1"] / us, 2) for count, us in row["us"].items()}
        for what, row in found["side_by_side"].items()
    }


def family_hours(us: dict[str, float]) -> dict[str, float]:
    """Hours of training steps for the 112 cells of a model, 100 epochs, one seed, one run at a time: an estimate
    from `batch_sizes` (CIFAR10), taken for every data set."""
    totals = {"mlp": 0.0, "cnn": 0.0}
    for model in totals:
        for dataset in THESIS_DATASETS:
            images = datasets.REGISTRY[dataset].train * 9 // 10
            for setting in [s for s in SETTINGS if s != "relu_norm_after"]:
                size = SETTINGS[setting].get("batch_size", 64)
                totals[model] += sum(us[f"{model}_{norm}_{size}"] for norm in NORMS) * (images // size) * EPOCHS
    return {model: round(total / 3.6e9, 2) for model, total in totals.items()}


ANSWERS: dict[str, Callable[[Found], Any]] = {
    "tests_passed": lambda found: found["tests"]["exit"] == 0,
    "cnn_seconds_per_epoch": _of_norm(_seconds),
    "cnn_times_called": _of_norm(_gain("called")),
    "cnn_times_reference": _of_norm(_gain("reference")),
    "cnn_plain_seconds_per_epoch": _of_norm(_plain_seconds),
    "cnn_times_plain": _of_norm(lambda found, norm: round(_plain_seconds(found, norm) / _seconds(found, norm), 2)),
    "cnn_share_of_tf32_roofline": _of_norm(_share),
    "batch_norm_costs_percent": _batch_norm_costs,
    "family_hours_one_seed": lambda found: family_hours(found["batch_sizes"]),
    "replayed_has_the_bits_of_called": lambda found: all(found["cnn"][norm]["same_bits"] for norm in NORMS),
    "side_by_side_has_the_bits_of_alone": lambda found: all(row["same"] for row in found["side_by_side"].values()),
    "determinism_costs_percent": _of_norm(_determinism_costs),
    "side_by_side_gain": _side_by_side_gain,
}
