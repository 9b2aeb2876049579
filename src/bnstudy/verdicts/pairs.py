"""The difference in test accuracy between two cells, paired by seed, with its interval."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

from bnstudy.design.labels import name
from bnstudy.errors import DataError
from bnstudy.results.record import Record

LEVEL = 0.95


def compare(a: Sequence[Record], b: Sequence[Record]) -> dict[str, Any]:
    """Return the test accuracy of cell B minus that of cell A, in points, over the seeds that both have.

    Keys: a and b (names), seeds, accuracy_a and accuracy_b (percent, by seed), difference (mean), low and high (95 %
    interval of the mean, paired t; None for one seed), sure (True if zero is outside it) and text. Runs with the same
    seed share data order and initial weights; pairing removes their common effect.
    Raises DataError if they have no seed in common.
    """
    of_a, of_b = ({r.seed: r.test_accuracy for r in records} for records in (a, b))
    seeds = sorted(set(of_a) & set(of_b))
    names = name(a[0].cell), name(b[0].cell)
    if not seeds:
        raise DataError(
            f"{names[0]} and {names[1]}: no seed in common ({_listed(of_a)}; {_listed(of_b)})",
            f"Train a common seed: bnstudy train {names[1]}:{min(of_a)}",
        )
    differences = np.array([of_b[s] - of_a[s] for s in seeds])
    low, high = interval(differences)
    found = {
        "a": names[0], "b": names[1], "seeds": seeds,
        "accuracy_a": [of_a[s] for s in seeds], "accuracy_b": [of_b[s] for s in seeds],
        "difference": float(differences.mean()), "low": low, "high": high,
        "sure": low is not None and high is not None and not low <= 0 <= high,
    }  # fmt: skip
    return found | {"text": _told(found)}


def interval(differences: np.ndarray) -> tuple[float | None, float | None]:
    """Return the 95 % interval of the mean difference by Student's t; (None, None) for one seed."""
    n = len(differences)
    if n < 2:
        return None, None
    half = float(special.stdtrit(n - 1, (1 + LEVEL) / 2) * differences.std(ddof=1) / np.sqrt(n))
    return float(differences.mean()) - half, float(differences.mean()) + half


def _told(found: Mapping[str, Any]) -> str:
    difference = f"B − A: {found['difference']:+.2f} points of test accuracy".replace("-", "−")
    if found["low"] is None:
        return f"{difference} in one seed ({found['seeds'][0]}): its spread is unknown."
    limits = f"{found['low']:+.2f} to {found['high']:+.2f}".replace("-", "−")
    sure = "so B differs from A" if found["sure"] else "so no difference is shown"
    return f"{difference} over {len(found['seeds'])} seeds, 95 % interval {limits}, {sure}."


def _listed(seeds: Mapping[int, float]) -> str:
    return "seeds " + ", ".join(map(str, sorted(seeds)))
