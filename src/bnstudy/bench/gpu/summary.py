"""The answers that need more than one part. One whose parts are not there is None."""

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


def _seconds(found: Found, norm: str) -> float:
    """Of an epoch of the CNN on CIFAR10, batch 64, TF32."""
    return found["epochs"][norm]["seconds_per_epoch"]


def _plain_seconds(found: Found, norm: str) -> float:
    return round(found["usual"][f"plain_cnn_{norm}"] * found["epochs"][norm]["steps"] / 1e6, 2)


def _share(found: Found, norm: str) -> float:
    return round(found["epochs"][norm]["tflop_per_s"] / found["rates"]["tf32"], 3)


def _batch_norm_costs(found: Found) -> float:
    return round(100 * (_seconds(found, "batch") / _seconds(found, "none") - 1), 1)


def _determinism_costs(found: Found, norm: str) -> float:
    """Percent over the fastest that cuDNN finds."""
    us = found["determinism"]
    return round(100 * (us[f"deterministic_{norm}"] / us[f"autotuned_{norm}"] - 1), 1)


def _streams_gain(found: Found) -> dict[str, dict[str, float]]:
    """By network, how many times more steps a second so many runs side by side make than one alone."""
    us, gains = found["streams"], {}
    for key, value in us.items():
        what, _, count = key.rpartition("_")
        gains.setdefault(what, {})[count] = round(us[f"{what}_1"] / value, 2)
    return gains


def _same_bits(part: str) -> Callable[[Found], bool]:
    return lambda found: all(row["same"] for row in found[part].values() if isinstance(row, dict))


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
    "cnn_plain_seconds_per_epoch": _of_norm(_plain_seconds),
    "cnn_times_plain": _of_norm(lambda found, norm: round(_plain_seconds(found, norm) / _seconds(found, norm), 2)),
    "cnn_share_of_tf32_roofline": _of_norm(_share),
    "batch_norm_costs_percent": _batch_norm_costs,
    "family_hours_one_seed": lambda found: family_hours(found["batch_sizes"]),
    "replayed_has_the_bits_of_called": _same_bits("bits"),
    "side_by_side_has_the_bits_of_alone": _same_bits("side_by_side"),
    "determinism_costs_percent": _of_norm(_determinism_costs),
    "streams_gain": _streams_gain,
}
