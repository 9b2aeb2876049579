"""What is measured on a GPU: each part is a function of the device to plain values, on random pixels."""

import contextlib
import functools
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from bnstudy import datasets
from bnstudy.bench.subject import clock
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import BATCH_SIZES, NORMS
from bnstudy.training.engine import graph, numerics, reference
from bnstudy.training.engine.contract import Keeper
from bnstudy.training.engine.digests import weights_digest
from bnstudy.training.engine.graph import training as graph_training
from bnstudy.training.engine.graph.resident import Resident
from bnstudy.training.engine.inputs import Inputs, moments
from bnstudy.training.estimate import flops_per_image

WARM = 30  # steps before a measurement
TURNS = 3  # measured epochs of each kind
USUAL_STEPS = 60
COMPARED = 100  # steps after which weights are compared
BESIDE = {"cnn": (1, 2), "mlp": (1, 4)}  # runs side by side
PRODUCT = 8192  # rows and columns of the matrices that show the roof
SETTLE = numerics.settle
KINDS = ("graph", "called", "reference")  # of training


def make(model: str, norm: str, dataset: str = "cifar10", **fields: Any) -> Cell:
    return Cell(dataset=dataset, model=model, norm=norm, **fields)


@functools.lru_cache(maxsize=1)
def random_inputs(dataset: str) -> Inputs:
    """Random pixels in the shape and number of this data set's training part; small validation and test parts."""
    spec, rng = datasets.REGISTRY[dataset], np.random.default_rng(0)
    count = spec.train * 9 // 10
    pixels = rng.integers(0, 256, (count, spec.channels, 32, 32), dtype=np.uint8)
    mean, std = moments([pixels], "scalar")
    images = torch.from_numpy(pixels).float().sub_(mean.float()).div_(std.float())
    labels = torch.from_numpy(rng.integers(0, spec.classes, count))
    few = images[: spec.train // 10], labels[: spec.train // 10]
    return Inputs(
        train_images=images, train_labels=labels, validation_images=few[0], validation_labels=few[1],
        test_images=few[0], test_labels=few[1], classes=spec.classes, data_digest="random", data_source="random",
        mean=mean, std=std,
    )  # fmt: skip


@functools.lru_cache(maxsize=1)
def _resident(dataset: str, device: str) -> Resident:
    return Resident(random_inputs(dataset), device)


def start(cell: Cell, device: str, seed: int = 0) -> graph.Training:
    return graph.Training(Run(cell, seed), _resident(cell.dataset, device), device)


def us_per_step(trainings: Sequence[graph.Training], count: int = 200) -> float:
    """Microseconds per run and step of these runs side by side, by events around the launches of one epoch's start."""
    for training in trainings:
        training.begin()
    end = min(WARM + count, *(training.batches for training in trainings))
    first = min(WARM, end // 3)
    _launch(trainings, range(first))
    torch.cuda.synchronize()
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    before.record()
    _launch(trainings, range(first, end))
    for training in trainings:
        torch.cuda.current_stream().wait_stream(training.stream)  # type: ignore[arg-type]
    after.record()
    after.synchronize()
    return round(1000 * before.elapsed_time(after) / (len(trainings) * (end - first)), 1)


def _launch(trainings: Sequence[graph.Training], indices: range) -> None:
    for index in indices:
        for training in trainings:
            training.launch(index)


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    kept = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)


def called():
    """Steps are called instead of captured and replayed."""
    return replaced(graph_training, "capture", lambda step, *_: step)


def autotuned():
    """cuDNN tries its algorithms, also those that are not deterministic, and takes the fastest."""

    def settle(device: str, precision: str) -> None:
        SETTLE(device, precision)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = False, True

    return replaced(numerics, "settle", settle)


# parts


def rates(device: str) -> dict[str, float]:
    """TFLOP/s of a product of square matrices, by precision; copies in GB/s, read and written."""
    a, b = (torch.randn(PRODUCT, PRODUCT, device=device) for _ in range(2))
    out = {}
    for precision, dtype in (("tf32", torch.float32), ("fp32", torch.float32), ("bf16", torch.bfloat16)):
        SETTLE(device, "fp32" if precision == "fp32" else "default")
        x, y = a.to(dtype), b.to(dtype)
        out[precision] = round(2 * PRODUCT**3 / _seconds(lambda x=x, y=y: x @ y) / 1e12, 1)
    out["copy_gb_per_s"] = round(2 * a.nbytes / _seconds(a.clone) / 1e9, 0)
    return out


def _seconds(work: Callable[[], Any], times: int = 20) -> float:
    for _ in range(3):
        work()
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    before.record()
    for _ in range(times):
        work()
    after.record()
    after.synchronize()
    return before.elapsed_time(after) / 1000 / times


def epochs(device: str, model: str, seconds: float) -> dict[str, Any]:
    """By norm, the seconds of a training pass: steps replayed (`graph`), the same steps called (`called`), and the
    reference engine's; and of a whole epoch of the graph engine, with validation, digest and statistics.

    Epochs alternate, TURNS of each or as many as fit into `seconds`. `same_bits`: replayed and called steps led to the
    same weights.
    """
    began, order = time.monotonic(), [(norm, kind) for kind in KINDS for norm in NORMS]
    trainings = {(norm, kind): _training(make(model, norm), kind, device) for norm, kind in order}
    passes, wholes = {key: [] for key in order}, {key: [] for key in order}
    for turn in range(TURNS + 1):
        for key in order if turn % 2 else order[::-1]:
            whole = _timed_epoch(trainings[key], key[1])
            if turn:  # the first one captures, and loads kernels
                wholes[key].append(whole)
                passes[key].append(trainings[key].history.epochs()["seconds"][-1])
        taken = time.monotonic() - began
        if turn and taken + taken / (turn + 1) > seconds:
            break
    flop = flops_per_image(make(model, "none")) * 64 * trainings["none", "graph"].batches
    return {
        norm: {
            "seconds": {kind: round(statistics.median(passes[norm, kind]), 4) for kind in KINDS},
            "all": {kind: [round(seconds, 4) for seconds in passes[norm, kind]] for kind in KINDS},
            "whole_epoch": round(statistics.median(wholes[norm, "graph"]), 4),
            "steps": trainings[norm, "graph"].batches,
            "tflop_per_s": round(flop / statistics.median(passes[norm, "graph"]) / 1e12, 1),
            "same_bits": len({_last_digest(trainings[norm, kind]) for kind in ("graph", "called")}) == 1,
        }
        for norm in NORMS
    }  # fmt: skip


def _training(cell: Cell, kind: str, device: str) -> reference.Training:
    if kind == "reference":
        return reference.Training(Run(cell, 0), random_inputs(cell.dataset), device)
    return start(cell, device)


def _timed_epoch(training: reference.Training, kind: str) -> float:
    began = time.perf_counter()
    if isinstance(training, graph.Training):
        with called() if kind == "called" else contextlib.nullcontext():
            graph.advance([training], Keeper())
    else:
        training.epoch(Keeper())
    return time.perf_counter() - began


def _last_digest(training: reference.Training) -> str:
    return training.history.epochs()["weights_digest"][-1]


def usual(device: str) -> dict[str, float]:
    """us per step of bench/plain.py's loops, by torch's own defaults: TF32 in convolutions alone, any algorithm."""
    from bnstudy.bench.plain import plain, tensor_loader  # imports torchvision

    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = False, False
    numerics.set_tf32(products=False, convolutions=True)
    out = {}
    for model in ("cnn", "mlp"):
        for norm in NORMS:
            cell = make(model, norm)
            for kind, loop in (("plain", plain), ("tensor_loader", tensor_loader)):
                clock(loop(cell, random_inputs(cell.dataset), device, WARM), device)
                found = clock(loop(cell, random_inputs(cell.dataset), device, USUAL_STEPS), device)
                out[f"{kind}_{model}_{norm}"] = round(1e6 * found.wall / USUAL_STEPS, 1)
    return out


def determinism(device: str) -> dict[str, Any]:
    """What deterministic kernels cost: us per CNN step by them and by the fastest that cuDNN finds, and the operations
    that torch warns of. (cuDNN's choice without a search is not measured beside: torch keeps plans by shape and would
    take them in the place of a search.)"""
    out: dict[str, Any] = {}
    for norm in NORMS:
        out[f"deterministic_{norm}"] = us_per_step([start(make("cnn", norm), device)])
        with autotuned():
            out[f"autotuned_{norm}"] = us_per_step([start(make("cnn", norm), device)])
    out["warned_of"] = _warned_of(device)
    return out


def _warned_of(device: str) -> list[str]:
    training = start(make("cnn", "batch", dropout=0.5), device)
    with warnings.catch_warnings(record=True) as caught, called():
        warnings.simplefilter("always")
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            training.begin()
            training.launch(0)
            torch.cuda.synchronize()
        finally:
            torch.use_deterministic_algorithms(False)
    return sorted({str(w.message).partition(".")[0][:200] for w in caught if "determin" in str(w.message)})


def side_by_side(device: str) -> dict[str, Any]:
    """By model and norm, us per run and step with so many runs side by side. `same`: after COMPARED steps a run has the
    same weights alone and beside another."""
    out: dict[str, Any] = {}
    for model, counts in BESIDE.items():
        for norm in NORMS:
            cell = make(model, norm, dropout=0.5)
            trainings = [start(cell, device, seed) for seed in range(max(counts))]
            us = {str(count): us_per_step(trainings[:count], 200 if model == "mlp" else 100) for count in counts}
            same = _weights_after(cell, device) == _weights_after(cell, device, beside=True)
            out[f"{model}_{norm}"] = {"us": us, "same": same}
    return out


def _weights_after(cell: Cell, device: str, beside: bool = False) -> str:
    trainings = [start(cell, device, seed) for seed in range(1 + beside)]
    for training in trainings:
        training.begin()
    _launch(trainings, range(COMPARED))
    torch.cuda.synchronize()
    return weights_digest(trainings[0].model.state_dict())


def batch_sizes(device: str) -> dict[str, float]:
    """us per step at every batch size of the study."""
    out = {}
    for model in ("mlp", "cnn"):
        for norm in NORMS:
            for size in BATCH_SIZES:
                out[f"{model}_{norm}_{size}"] = us_per_step([start(make(model, norm, batch_size=size), device)], 40)
    return out
