"""What a figure shows, picked from the frames and averaged over seeds: pandas in, pandas out.

**Runs that stop early.** Training stops after 20 epochs without improvement, so seeds end at different epochs. A run
that ended keeps its last value to the end of its curve: the mean then always is over the same seeds, does not jump
when one ends, and ends at what the last weights, which are tested (B.1), gave. `running` counts the seeds still in
training, so the held part can be told apart (a dot marks each end).

**Numbers that are not finite.** The loss of a diverged run is no number and cannot be averaged. It leaves the mean
at that epoch and `seeds` falls; a line is broken there rather than drawn through, for the mean is over other seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnstudy.figures import style
from bnstudy.figures.catalogue import Figure
from bnstudy.frames import Frames, of_largest_protocol
from bnstudy.labels import SETTINGS, SIZE

BY = ["dataset", "setting", "norm"]
SUMMARY = ["mean", "low", "high", "seeds", "running"]
USED = [
    "name", "key", "seed", "model", *BY, "reading", "batch_size", *SIZE, "outcome", "diverged_epoch", "epochs_run",
    "test_accuracy", "broken", "classes", "data_digest",
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


def select(figure: Figure, frames: Frames, datasets: Sequence[str], reading: str, signed: bool = False) -> Selection:
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


def state(figure: Figure, frames: Frames, datasets: Sequence[str], reading: str = "default") -> str:
    """complete (every curve is there, with every seed asked for), partial, or not run."""
    runs = select(figure, frames, datasets, reading).runs
    curves = len(datasets) * len(figure.settings) * len(figure.norms)
    if runs.empty or not curves:
        return "not run"
    missing = _of_figure(frames.missing, figure, datasets)
    unfinished = (missing["reading"] == reading).any() or len(runs[BY].drop_duplicates()) < curves
    return "partial" if unfinished else "complete"


def over_seeds(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    """Mean, smallest and largest `value` over seeds per epoch and curve: columns BY, epoch, SUMMARY.

    `rows` has BY, seed, epoch and `value`, one row per epoch of each run. A run that ended keeps its last value;
    between the epochs a published run has, its curve is straight; what is not finite is left out (see the module's
    text). `seeds` counts the values in the mean.
    """
    curves = [_summary(group, value).assign(**group[BY].iloc[0]) for _, group in rows.groupby(BY)]
    columns = [*BY, "epoch", *SUMMARY]
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


Notes = dict[str, tuple[str, ...]]


def notes(selection: Selection) -> Notes:
    """What must be said in each panel: what diverged, what was not run, and whether versions of the data are mixed."""
    return {dataset: tuple(_panel_notes(selection, dataset)) for dataset in selection.datasets}


def _panel_notes(selection: Selection, dataset: str):
    figure, runs = selection.figure, selection.runs
    here = runs[runs["dataset"] == dataset]
    if here.empty:
        missing = _of_figure(selection.frames.missing, figure, [dataset])
        reasons = missing.loc[missing["reading"] == selection.reading, "reason"]
        yield from sorted(set(reasons))
        return
    compares, by_size = (figure.kind == kind for kind in ("validation_comparison", "batch_sizes"))
    for setting in figure.settings if compares else [None]:
        for norm in figure.norms:
            mine = here[(here["norm"] == norm) & ((here["setting"] == setting) if compares else True)]
            label = style.setting(str(setting)).label if compares else style.norm(norm).label
            diverged = mine[mine["outcome"] == "diverged"]
            if mine.empty:
                yield f"{label}: not run"
            elif by_size:
                absent = [setting for setting in figure.settings if setting not in set(mine["setting"])]
                if sizes := [f"{SETTINGS[setting].get('batch_size', 64):,}" for setting in absent]:
                    yield f"{label}: not run with {', '.join(sizes)}"
            else:
                if len(diverged):
                    share = "" if len(diverged) == len(mine) else f" ({len(diverged)} of {len(mine)} seeds)"
                    yield f"{label} diverged{share}, epoch {_range(diverged['diverged_epoch'])}"
                stuck = mine[mine["broken"] & (mine["outcome"] != "diverged")]
                if len(stuck) and not mine["broken"].all():
                    yield f"{label}: {len(stuck)} of {len(mine)} seeds answer one class"
    if here["data_digest"].nunique() > 1:
        yield "different versions of the data"


def _range(values: pd.Series) -> str:
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


def seeds(selection: Selection) -> str:
    """How many seeds a curve has: `3 seeds`, or `1 to 3 seeds`."""
    counts = selection.runs.groupby(["key"])["seed"].nunique()
    if counts.empty:
        return "no runs"
    text = _range(counts)
    return f"{text} seed" if text == "1" else f"{text} seeds"
