"""Estimate how long a training takes on this machine before it starts: operations divided by the machine's rate.

Operations are counted on torch's meta device (shapes without values); the rate is that of a matrix product, timed
briefly, so a busy machine counts as a slow one. The hours are approximate: an early stop more than halves most runs.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from bnstudy import datasets
from bnstudy.design.cell import Cell, Run
from bnstudy.design.model_facts import facts_of
from bnstudy.design.study import plan
from bnstudy.design.timing import Timing
from bnstudy.lazy import torch
from bnstudy.networks import model_summary

TYPICAL_SHARE = 0.5  # the published MLPs stopped on average after 55 (MNIST) and 43 (CIFAR10) of 100 epochs
TYPICAL_EFFICIENCY = 0.3  # of a network that declares no efficiency
REPORT = 6  # start-ups that take as long as the rest: Snakemake, frames, tables, figures, page


@dataclass(frozen=True, slots=True)
class Estimate:
    """`hours` at all epochs and `typical_hours` with early stops, for `runs` runs of one model and data set."""

    model: str
    dataset: str
    runs: int
    hours: float
    typical_hours: float


def operations_per_image(cell: Cell, kind: str) -> float:
    """Return the operations that training on one image costs on a `cpu` or `cuda`, in those of a large matrix product:
    products at the network's efficiency, and what is done with its activations besides."""
    facts = facts_of(cell.model)
    values = sum(math.prod(layer.output) for layer in model_summary.layers(cell) if layer.multiply_adds)
    products = flops_per_image(cell) / facts.efficiency.get(kind, TYPICAL_EFFICIENCY)
    return products + facts.value_cost.get(kind, 0.0) * values


def flops_per_image(cell: Cell) -> float:
    """Return the floating-point operations of training on one image: forward, and twice as many backward, without the
    gradient of the first layer's input, which is not computed."""
    counted = [layer.multiply_adds for layer in model_summary.layers(cell) if layer.multiply_adds]
    return 2.0 * (3 * sum(counted) - counted[0])


def matmul_rate(device: str) -> float:
    """Measure floating-point operations per second of a 1024 x 1024 product, on one thread or GPU as in training."""
    from bnstudy.training.engine import numerics

    numerics.settle(device, "default")
    a = torch.randn(1024, 1024, device=device)
    products, taken = 4, []
    for _ in range(6):
        began = time.perf_counter()
        for _ in range(products):
            torch.mm(a, a)
        if device != "cpu":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - began)
    return products * 2 * 1024**3 / mean(taken[1:])  # the first is a warm-up


def typical_share(cell: Cell) -> float:
    """Return the share of a full training that remains with a typical early stop."""
    return TYPICAL_SHARE if cell.stops_early and cell.epochs >= 50 else 1.0


def beside_training(runs: Sequence[Run], processes: int) -> float:
    """Return the hours that a study takes besides training: a start-up per pack, then tables, figures and the page.

    The processor time of this process so far, which is mostly imports, is taken as that of one start-up.
    """
    return time.process_time() * (len(plan(runs)) / processes + REPORT) / 3600


def estimate(runs: Sequence[Run], device: str, processes: int) -> list[Estimate]:
    """Return one row per model and data set, for `processes` processes that train at the same time."""
    kind = device.partition(":")[0]
    rate = matmul_rate(device)
    per_image: dict[tuple[object, ...], float] = {}
    totals: dict[tuple[str, str], list[float]] = {}
    for run in runs:
        cell = run.cell
        size = (cell.model, cell.dataset, cell.width, cell.hidden, cell.dense_layers, cell.mnist_size)
        if size not in per_image:
            per_image[size] = operations_per_image(cell, kind)
        images = min(cell.train_size or 10**9, datasets.REGISTRY[cell.dataset].train)
        trained = images * cell.epochs if cell.steps is None else cell.steps * cell.batch_size
        seconds = per_image[size] * trained / rate
        row = totals.setdefault((cell.model, cell.dataset), [0, 0.0, 0.0])
        row[0] += 1
        row[1] += seconds
        row[2] += seconds * typical_share(cell)
    return [
        Estimate(model, dataset, int(n), full / processes / 3600, typical / processes / 3600)
        for (model, dataset), (n, full, typical) in sorted(totals.items())
    ]


def timing_hours(timings: Sequence[Timing], device: str) -> float:
    """Return about how many hours these timings take, one after the other (`timing.measure`)."""
    from bnstudy.training.timing import measure, pixels, run

    rate = matmul_rate(device)
    seconds = 0.0
    for timing in timings:
        share = facts_of(timing.none.model).efficiency.get(device.partition(":")[0], TYPICAL_EFFICIENCY)
        part = pixels.timed(timing.none, device)
        images = 2 * part.images + part.validation / 3  # a pass bare, a pass with statistics, validation forward only
        epochs = 2 * (1 + measure.PAIRS) * len(run.engines(timing, device))
        seconds += epochs * images * flops_per_image(timing.none) / (rate * share)
    return seconds / 3600
