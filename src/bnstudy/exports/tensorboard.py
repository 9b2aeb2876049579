"""Runs in TensorBoard's format: a folder per run, with its curves and its layers' gradients and activations."""

import io
from collections.abc import Iterable, Iterator, Mapping
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


FILE = "events.out.tfevents.bnstudy"  # TensorBoard reads what has "tfevents" in its name


def write(results: Results, folder: Path) -> list[Path]:
    """Write an event file for each run to `<folder>/<name>/seed_<seed>`, replacing earlier ones; return the folders.

    Steps are epochs, wall times those of training. Raises UsageError if tensorboard is not installed, WriteError.
    """
    lazy.need("tensorboard", "tensorboard", "--format tensorboard")
    epochs, layers = _by_run(results.epochs), _by_run(results.layers)
    written = []
    for run in results.runs.to_dict("records"):
        which, at = (run["key"], run["seed"]), folder / run["name"] / f"seed_{run['seed']}"
        times = _times(run["started"], epochs[which])
        fields = ", ".join(f"{field}={run[field]}" for field in FIELDS)
        disk.write(at / FILE, _events(fields, (*_curves(epochs[which]), *_layers(layers.get(which))), times))
        for earlier in {*at.glob("events.out.tfevents.*")} - {at / FILE}:  # earlier versions named them by their time
            disk.remove(earlier)
        written.append(at)
    return written


def _events(fields: str, points: Iterable[tuple[str, int, float]], times: Mapping[int, float]) -> bytes:
    """Return an event file: the fields of the cell as text, and (tag, epoch, value) of each point."""
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter
    from torch.utils.tensorboard.summary import text

    began = min(times.values(), default=0.0)
    found = io.BytesIO()
    put = RecordWriter(found).write
    event, summary = event_pb2.Event, summary_pb2.Summary  # pyright: ignore[reportAttributeAccessIssue]
    put(event(wall_time=began, file_version="brain.Event:2").SerializeToString())
    put(event(wall_time=began, summary=text("cell", fields)).SerializeToString())
    for tag, epoch, value in points:
        point = summary(value=[summary.Value(tag=tag, simple_value=value)])
        put(event(wall_time=times[epoch], step=epoch, summary=point).SerializeToString())
    return found.getvalue()


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
