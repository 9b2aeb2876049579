"""The frame `timings`: a row per timing record, norm and kind of epoch, for tables B.3 and B.4."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import special

from bnstudy import disk, paths
from bnstudy.design.cell import Cell
from bnstudy.design.labels import NORMS
from bnstudy.design.timing import EPOCH_KINDS, PARTS, TIMING_COLUMNS, shown
from bnstudy.results import digests, parquet
from bnstudy.results.frames import AGAIN
from bnstudy.results.timings.record import Body

COLUMNS = [
    *TIMING_COLUMNS, "epochs", "rejected", "scaled", "timed_images", "wall_over_cpu", "hardware", "threads", "torch",
]  # fmt: skip
"""Seconds are of a full epoch: `median_seconds` and the interquartile range `iqr` over `epochs` epochs. `ratio` is the
median of batch / none over pairs, with its 95 % interval; rows of both norms repeat it. `scaled`: only `timed_images`
training images were timed. `rejected` epochs of the norm were disturbed and repeated."""

UNIQUE = ("model", "dataset", "norm", "batch_size", "engine", "device", "kind")
_COUNTS = ("batch_size", "epochs", "rejected", "timed_images", "threads")
_REALS = ("median_seconds", "iqr", "ratio", "ratio_low", "ratio_high", "wall_over_cpu")
TYPES = dict.fromkeys(COLUMNS, "str") | dict.fromkeys(_COUNTS, "int64") | dict.fromkeys(_REALS, "float64")
TYPES |= {"scaled": "bool"}


def build(records: Iterable[Body]) -> pd.DataFrame:
    """Return COLUMNS of these timing records."""
    rows = [row for body in records for row in _rows(body)]
    frame = pd.DataFrame(rows, columns=COLUMNS).astype(TYPES)
    return frame.sort_values(["model", "dataset", "batch_size", "engine", "device"], kind="stable", ignore_index=True)


def narrowed(frame: pd.DataFrame, cells: Iterable[Cell]) -> pd.DataFrame:
    """Return the rows that a report on these cells shows."""
    wanted = {(one.none.model, one.none.dataset, one.none.batch_size) for one in shown(cells)}
    there = pd.MultiIndex.from_frame(frame[["model", "dataset", "batch_size"]])
    return frame[there.isin(list(wanted))]


def _rows(body: Body) -> list[dict[str, Any]]:
    none, batch = (full_epochs(body, norm) for norm in NORMS)
    rows = []
    for i, kind in enumerate(EPOCH_KINDS):
        ratio, low, high = median_interval(batch[:, i] / none[:, i])
        compared = {"kind": kind, "ratio": ratio, "ratio_low": low, "ratio_high": high}
        for norm, seconds in (("none", none[:, i]), ("batch", batch[:, i])):
            measured = {
                "median_seconds": float(np.median(seconds)),
                "iqr": float(np.subtract(*np.percentile(seconds, [75, 25]))),
            }
            rows.append(_circumstances(body, norm) | compared | measured)
    return rows


def _circumstances(body: Body, norm: str) -> dict[str, Any]:
    made_by, epochs = body["provenance"], [pair[norm] for pair in body["pairs"]]
    shared = ("model", "dataset", "batch_size", "engine", "device", "pixels", "scaled")
    return {name: body[name] for name in shared} | {
        "norm": norm, "epochs": len(epochs), "rejected": sum(one["norm"] == norm for one in body["rejected"]),
        "timed_images": body["timed"]["images"],
        "wall_over_cpu": float(np.median([sum(e["wall"]) / sum(e["cpu"]) for e in epochs])),
        "hardware": made_by.get("gpu") or made_by["cpu"], "threads": made_by["threads"], "torch": made_by["torch"],
    }  # fmt: skip


def full_epochs(body: Body, norm: str) -> np.ndarray:
    """Return the seconds of a full epoch of each of EPOCH_KINDS: (epochs, 3).

    Parts of which only a fraction was timed are scaled: passes by steps, statistics by sampled steps, validation by
    images. The probe is the same in any epoch.
    """
    wall = np.array([pair[norm]["wall"] for pair in body["pairs"]])
    training, sampled, probe, validation = (wall[:, body["parts"].index(part)] for part in PARTS)
    steps, samples, images = (body["full"][n] / body["timed"][n] for n in ("steps", "sampled", "validation"))
    bare = training * steps
    statistics = (sampled - training) * samples + probe
    return np.stack([bare, bare + statistics, bare + statistics + validation * images], axis=1)


def median_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return (median, low, high), a distribution-free 95 % interval by order statistics; NaN below 6 values.

    The number of values below the median is binomial with probability 1/2.
    """
    count = len(values)
    below = int(np.searchsorted(special.bdtr(np.arange(count), count, 0.5), 0.025))  # its 2.5 % quantile
    low, high = np.sort(values)[[below - 1, count - below]] if below else (np.nan, np.nan)
    return float(np.median(values)), float(low), float(high)


def put(frame: pd.DataFrame, results: Path, study: str) -> None:
    """Write the frame beside the study's other frames, as Parquet and CSV. Raises WriteError."""
    folder = paths.frames(results, study)
    kept = digests.stated(folder, AGAIN.format(study))
    digests.put(folder, {"timings.parquet": frame.to_parquet(index=False)}, kept)
    disk.write(folder / "timings.csv", frame.to_csv(index=False, lineterminator="\n").encode())


def get(results: Path, study: str) -> pd.DataFrame:
    """Return the frame as last written; empty if there is none. Raises DataError as `frames.get`."""
    folder, remedy, empty = paths.frames(results, study), AGAIN.format(study), build([])
    if not digests.lists(folder, "timings.parquet", remedy):
        return empty
    form = parquet.Form(pa.Schema.from_pandas(empty, preserve_index=False), UNIQUE)
    return parquet.read(folder, "timings", form, remedy).to_pandas()
