"""What a figure shows, selected from the frames and averaged over seeds: pandas in, pandas out.

**Runs that stop early.** Training stops after 20 epochs without improvement, so seeds end at different epochs. A run
that ended keeps its last value to the end of the curve: so the mean is always over the same seeds, does not jump when
one ends, and ends at the value of the last weights, which are tested (B.1). `running` counts the seeds that still
train; a dot marks where each ends.

**Values that are not finite.** The loss of a diverged run is NaN and cannot be averaged. It leaves the mean at that
epoch and `seeds` falls; the line breaks there, because the mean is over other seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnstudy.design.labels import SIZE
from bnstudy.figures.catalogue import Figure
from bnstudy.results.frames import Frames, of_largest_protocol

BY = ["dataset", "setting", "norm"]
SUMMARY = ["mean", "low", "high", "seeds", "running"]
USED = [
    "name", "key", "seed", "model", *BY, "reading", "batch_size", *SIZE, "outcome", "diverged_epoch", "diverged_step",
    "epochs_run", "test_accuracy", "broken", "classes", "data_digest", "validation_fraction", "folds",
    "fold", "last_batch",
]  # fmt: skip


@dataclass(frozen=True)
class Selection:
    """The runs of a figure in these frames.

    runs      rows of `frames.runs` (columns USED), all of one size of protocol
    signed    gradients: the signed mean, as the thesis's author logged it, in place of the mean absolute value
    """

    figure: Figure
    frames: Frames
    datasets: tuple[str, ...]
    reading: str
    runs: pd.DataFrame
    signed: bool = False

    def rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of `epochs` or `layers` that belong to these runs, with dataset, setting and norm beside them."""
        mine = frame[frame["key"].isin(self.runs["key"].unique())]
        return mine.astype({"key": "str"}).merge(self.runs[["key", "seed", *BY]], on=["key", "seed"])

    def missing(self, *datasets: str) -> pd.DataFrame:
        """The rows of `frames.missing` that the figure would show; of these data sets, or of all."""
        rows = _of_figure(self.frames.missing, self.figure, datasets or self.datasets)
        return rows[rows["reading"] == self.reading]


def select(
    figure: Figure, frames: Frames, datasets: Sequence[str], reading: str = "default", signed: bool = False
) -> Selection:
    """The runs of this figure; of several reduced protocols those of the largest."""
    runs = _of_figure(frames.runs[USED], figure, datasets)
    runs = of_largest_protocol(runs[runs["reading"] == reading])
    return Selection(figure, frames, tuple(datasets), reading, runs.reset_index(drop=True), signed)


def _of_figure(frame: pd.DataFrame, figure: Figure, datasets: Sequence[str]) -> pd.DataFrame:
    return frame[
        (frame["model"] == figure.model)
        & frame["dataset"].isin(list(datasets))
        & frame["setting"].isin(figure.settings)
        & frame["norm"].isin(figure.norms)
    ]


def state(selection: Selection) -> str:
    """complete (every curve is there, with every seed asked for), partial, or not run."""
    figure, runs = selection.figure, selection.runs
    curves = len(selection.datasets) * len(figure.settings) * len(figure.norms)
    if runs.empty or not curves:
        return "not run"
    whole = selection.missing().empty and len(runs[BY].drop_duplicates()) == curves
    return "complete" if whole else "partial"


def over_seeds(rows: pd.DataFrame, value: str, by: Sequence[str] = BY) -> pd.DataFrame:
    """Mean, smallest and largest `value` over seeds per epoch and curve: columns `by`, epoch, SUMMARY.

    `rows` has `by`, seed, epoch and `value`, one row per epoch of each run. A run that ended keeps its last value, a
    published run is interpolated between its epochs, and values that are not finite are left out (see the module's
    text). `seeds` counts the values in the mean.
    """
    rows = rows[[*by, "seed", "epoch", value]]
    curves = [_summary(group, value).assign(**group[by].iloc[0]) for _, group in rows.groupby(list(by))]
    columns = [*by, "epoch", *SUMMARY]
    return pd.concat(curves, ignore_index=True)[columns] if curves else pd.DataFrame(columns=columns)


def _summary(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    epochs = np.unique(rows["epoch"])
    seeds = [run.sort_values("epoch") for _, run in rows.groupby("seed")]
    last = np.array([run["epoch"].iloc[-1] for run in seeds])
    over = epochs[:, None] > last[None, :]
    values = np.column_stack([np.interp(epochs, run["epoch"], run[value].to_numpy(float)) for run in seeds])
    values = pd.DataFrame(np.where(np.isfinite(values), values, np.nan))
    summary = {"mean": values.mean(axis=1), "low": values.min(axis=1), "high": values.max(axis=1)}
    counts = {"seeds": values.notna().sum(axis=1), "running": (~over).sum(axis=1)}
    return pd.DataFrame({"epoch": epochs, **summary, **counts})


def span(values: pd.Series) -> str:
    """The value, or `lowest to highest`."""
    low, high = values.min(), values.max()
    return str(low) if low == high else f"{low} to {high}"


def protocol(selection: Selection) -> str:
    """`reduced protocol: width 1/8, 10 epochs`, another reading's name, or nothing for the default reading."""
    if selection.reading == "default" or selection.runs.empty:
        return ""
    if selection.reading != "reduced":
        return f"reading {selection.reading}"
    row = selection.runs.iloc[0]
    width = f"1/{round(1 / row['width'])}" if row["width"] < 1 else f"{row['width']:g}"
    parts = [f"width {width}"] if row["width"] != 1 else []
    parts += [f"at most {int(row['epochs'])} epochs"] if row["epochs"] != 100 else []
    parts += [f"{int(row['train_size']):,} training images"] if pd.notna(row["train_size"]) else []
    return "reduced protocol: " + ", ".join(parts)


def seeds(runs: pd.DataFrame) -> str:
    """How many seeds a curve of these runs (key, seed) has: `3 seeds`, or `1 to 3 seeds`."""
    counts = runs.groupby("key", observed=True)["seed"].nunique()
    if counts.empty:
        return "no runs"
    text = span(counts)
    return f"{text} seed" if text == "1" else f"{text} seeds"
