"""Runs in TensorBoard's format: a folder per run, with its curves and its layers' gradients and activations."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from bnstudy import disk, lazy
from bnstudy.design.fields import FIELDS
from bnstudy.results.collect import Results

EPOCHS = {
    "loss/data": "data_loss", "loss/penalty": "penalty", "loss/validation": "validation_loss",
    "accuracy/train": "train_accuracy", "accuracy/validation": "validation_accuracy", "learning_rate": "lr",
}  # fmt: skip
"""Tag -> column of the frame `epochs`; losses in nats, accuracies in percent."""

LAYERS = {"gradient": "weight_grad.mean_abs", "activation": "activation.std", "zeros": "zero_share"}
"""First part of a tag -> column of the frame `layers`; the rest of the tag is the layer."""


def write(results: Results, folder: Path) -> list[Path]:
    """Write an event file for each run to `<folder>/<name>/seed_<seed>`, replacing earlier ones; return the folders.

    Steps are epochs, wall times those of training. Raises UsageError if tensorboard is not installed.
    """
    lazy.need("tensorboard", "tensorboard", "--format tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    epochs, layers = _by_run(results.epochs), _by_run(results.layers)
    written = []
    for run in results.runs.to_dict("records"):
        which, at = (run["key"], run["seed"]), folder / run["name"] / f"seed_{run['seed']}"
        disk.make_folder(at)
        for earlier in at.glob("events.out.tfevents.*"):
            disk.remove(earlier)
        with SummaryWriter(str(at)) as writer:
            writer.add_text("cell", ", ".join(f"{field}={run[field]}" for field in FIELDS), 0)
            times = _times(run["started"], epochs[which])
            for tag, epoch, value in (*_curves(epochs[which]), *_layers(layers.get(which))):
                writer.add_scalar(tag, value, epoch, walltime=times[epoch])
        written.append(at)
    return written


def _by_run(frame: pd.DataFrame) -> dict[Any, pd.DataFrame]:
    return dict(iter(frame.astype({"key": "str"}).groupby(["key", "seed"])))


def _times(started: str, epochs: pd.DataFrame) -> dict[int, float]:
    """Return epoch -> seconds since 1970, as if the run had been trained without interruption."""
    began = datetime.fromisoformat(started).timestamp() if started else 0.0
    return dict(zip(epochs["epoch"], began + epochs["seconds"].fillna(0.0).cumsum(), strict=True))


def _curves(epochs: pd.DataFrame) -> Iterator[tuple[str, int, float]]:
    for tag, column in EPOCHS.items():
        yield from ((tag, epoch, value) for epoch, value in zip(epochs["epoch"], epochs[column], strict=True))


def _layers(layers: pd.DataFrame | None) -> Iterator[tuple[str, int, float]]:
    if layers is None:
        return
    for tag, column in LAYERS.items():
        known = layers[layers[column].notna()]
        for epoch, layer, value in zip(known["epoch"], known["layer"], known[column], strict=True):
            yield f"{tag}/{layer}", epoch, value
