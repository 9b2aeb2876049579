"""What tests on a GPU share: small data sets, cells, trainings and what must be equal of two of them."""

import numpy as np
import torch

from bnstudy.datasets import Arrays
from bnstudy.design.cell import Cell, Run
from bnstudy.training.engine import graph
from bnstudy.training.engine.contract import Keeper, Trained
from bnstudy.training.engine.inputs import prepare

DEVICE = "cuda:0"
NO_GPU = not torch.cuda.is_available()
BOTH = [{"model": "mlp"}, {"model": "cnn"}]


def pixels(channels: int = 3, train: int = 1200) -> Arrays:
    """Ten patterns under noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(train + 200) % 10
    patterns = rng.integers(0, 256, (10, channels, 32, 32))
    images = (patterns[labels] // 3 + rng.integers(0, 171, (len(labels), channels, 32, 32))).astype(np.uint8)
    return Arrays(
        train_images=images[:train], train_labels=labels[:train], test_images=images[train:],
        test_labels=labels[train:], digest=f"patterns {channels} {train}", source="embedded",
    )  # fmt: skip


COLOUR, GREY = pixels(), pixels(channels=1)


def make(**fields) -> Cell:
    width = {"width": 1 / 8} if fields.get("model") == "cnn" else {}
    length = {} if "steps" in fields else {"epochs": 2}
    return Cell(**{"dataset": "toy", "model": "mlp", "norm": "batch", **length, **width, **fields})


def train(*runs: Run, engine=None, keeper=None, arrays=COLOUR, device=DEVICE) -> dict[str, Trained]:
    engine = engine or graph.Graph()
    done = engine.train(runs, lambda run: prepare(run.cell, run.seed, arrays), keeper or Keeper(), device)
    return {run.id: trained for run, trained in done}


def one(cell: Cell, **options) -> Trained:
    (trained,) = train(Run(cell, 0), **options).values()
    return trained


def bits(trained: Trained) -> str:
    """All of a training but its durations and its memory."""
    rows = {name: column for name, column in trained.epochs.items() if name != "seconds"}
    kept = trained.__dataclass_fields__.keys() - {"epochs", "peak_memory"}
    return repr((rows, {name: getattr(trained, name) for name in sorted(kept)}))
