"""What is measured of the graph engine: each part is a function of the device to plain values, on random pixels."""

import functools
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from bnstudy import datasets
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import BATCH_SIZES, NORMS
from bnstudy.training.engine import graph, numerics
from bnstudy.training.engine.contract import Keeper
from bnstudy.training.engine.digests import weights_digest
from bnstudy.training.engine.graph import training as graph_training
from bnstudy.training.engine.graph.resident import Resident
from bnstudy.training.engine.inputs import Inputs, moments
from bnstudy.training.estimate import flops_per_image

WARM = 30  # steps before a measurement
COMPARED = 100  # steps after which weights are compared
WIDTHS = {"cnn": (1, 2, 4), "mlp": (1, 2, 4, 8)}  # runs side by side
PRODUCT = 8192  # rows and columns of the matrices that show the roof
SETTLE = numerics.settle
K40C = {"none": 87.0, "batch": 104.0}  # seconds per epoch, CNN, CIFAR10, batch 64 (tables B.3, B.4)


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


@contextmanager
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


def epochs(device: str, model: str = "cnn", timed: int = 3) -> dict[str, Any]:
    """Whole epochs of both norms in alternation: the training pass, and all with validation, digest, statistics."""
    both = {norm: start(make(model, norm), device) for norm in NORMS}
    passes, wholes = {n: [] for n in NORMS}, {n: [] for n in NORMS}
    for turn in range(timed + 1):
        for norm in NORMS if turn % 2 else NORMS[::-1]:
            began = time.perf_counter()
            graph.advance([both[norm]], Keeper())
            if turn:  # the first one captures
                wholes[norm].append(round(time.perf_counter() - began, 4))
                passes[norm].append(both[norm].history.epochs()["seconds"][-1])
    flop = flops_per_image(make(model, "none")) * 64 * both["none"].batches
    return {
        norm: {
            "seconds_per_epoch": round(statistics.median(passes[norm]), 4), "all": [round(p, 4) for p in passes[norm]],
            "with_validation": statistics.median(wholes[norm]), "steps": both[norm].batches,
            "tflop_per_s": round(flop / statistics.median(passes[norm]) / 1e12, 1),
            "times_faster_than_k40c": round(K40C[norm] / statistics.median(passes[norm])) if model == "cnn" else None,
        }
        for norm in NORMS
    }  # fmt: skip


def bits(device: str) -> dict[str, Any]:
    """Weights after COMPARED steps: replayed, replayed again, called; and what calling costs."""
    out: dict[str, Any] = {}
    for model in ("cnn", "mlp"):
        for norm in NORMS:
            cell = make(model, norm, dropout=0.5)
            found = {"replayed": _weights_after(cell, device), "again": _weights_after(cell, device)}
            with called():
                found["called"] = _weights_after(cell, device)
                out[f"{model}_{norm}_called_us"] = us_per_step([start(make(model, norm), device)], 100)
            out[f"{model}_{norm}"] = {"same": len(set(found.values())) == 1, **found}
    return out


def side_by_side(device: str) -> dict[str, Any]:
    """Weights after COMPARED steps alone and beside another run, on streams of their own."""
    out: dict[str, Any] = {}
    for model in ("cnn", "mlp"):
        for norm in NORMS:
            cell = make(model, norm, dropout=0.5)
            found = {"alone": _weights_after(cell, device), "beside": _weights_after(cell, device, beside=True)}
            out[f"{model}_{norm}"] = {"same": len(set(found.values())) == 1, **found}
    return out


def _weights_after(cell: Cell, device: str, beside: bool = False) -> str:
    trainings = [start(cell, device), *([start(cell, device, seed=1)] if beside else [])]
    for training in trainings:
        training.begin()
    _launch(trainings, range(COMPARED))
    torch.cuda.synchronize()
    return weights_digest(trainings[0].model.state_dict())


def precisions(device: str) -> dict[str, float]:
    """us per CNN step by precision; `default` is TF32."""
    cells = {f"{p}_{n}": make("cnn", n, precision=p) for p in ("default", "fp32", "bf16") for n in NORMS}
    return {name: us_per_step([start(cell, device)], 100) for name, cell in cells.items()}


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
    with warnings.catch_warnings(record=True) as told, called():
        warnings.simplefilter("always")
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            training.begin()
            training.launch(0)
            torch.cuda.synchronize()
        finally:
            torch.use_deterministic_algorithms(False)
    return sorted({str(w.message).partition(".")[0][:200] for w in told if "determin" in str(w.message)})


def streams(device: str) -> dict[str, float]:
    """us per run and step with K runs side by side."""
    out = {}
    for model, widths in WIDTHS.items():
        for norm in NORMS:
            trainings = [start(make(model, norm), device, seed) for seed in range(max(widths))]
            for k in widths:
                out[f"{model}_{norm}_{k}"] = us_per_step(trainings[:k], 200 if model == "mlp" else 120)
    return out


def batch_sizes(device: str) -> dict[str, float]:
    """us per step at every batch size of the study."""
    out = {}
    for model in ("mlp", "cnn"):
        for norm in NORMS:
            for size in BATCH_SIZES:
                out[f"{model}_{norm}_{size}"] = us_per_step([start(make(model, norm, batch_size=size), device)], 40)
    return out
