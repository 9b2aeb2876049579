"""What is measured of the graph engine: each part is a function of the device to plain values, on random pixels."""

import functools
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from bnstudy import datasets, inits, models, optimizers
from bnstudy.cell import Cell, Run
from bnstudy.engine import graph, numerics
from bnstudy.engine.contract import Keeper
from bnstudy.engine.digests import weights_digest
from bnstudy.engine.graph.resident import Resident
from bnstudy.engine.inputs import Inputs, moments
from bnstudy.engine.reference import Training as ReferenceTraining
from bnstudy.estimate import flops_per_image
from bnstudy.labels import SETTINGS

NORMS = ("none", "batch")
WARM = 30  # steps before a measurement
DATASETS = ("mnist", "svhn", "cifar10", "cifar100")
EPOCHS = 100
SETTLE = numerics.settle
K40C = {"none": 87.0, "batch": 104.0}  # seconds per epoch, CNN, CIFAR-10, batch 64 (tables B.3, B.4)


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
    return replaced(graph, "capture", lambda step, *_: step)


def loose(autotune: bool):
    """cuDNN may choose algorithms that are not deterministic."""

    def settle(device: str, precision: str) -> None:
        SETTLE(device, precision)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = False, autotune

    return replaced(numerics, "settle", settle)


# parts


def rates(device: str) -> dict[str, float]:
    """TFLOP/s of a product of 8192 x 8192 matrices, by precision; copies in GB/s, read and written."""
    a, b = (torch.randn(8192, 8192, device=device) for _ in range(2))
    out = {}
    for precision, dtype in (("tf32", torch.float32), ("fp32", torch.float32), ("bf16", torch.bfloat16)):
        SETTLE(device, "fp32" if precision == "fp32" else "default")
        x, y = a.to(dtype), b.to(dtype)
        out[precision] = round(2 * 8192**3 / _seconds(lambda x=x, y=y: x @ y) / 1e12, 1)
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
    """Weights after 100 steps: replayed, replayed again, called, beside another run; and what calling costs."""
    out: dict[str, Any] = {}
    for model in ("cnn", "mlp"):
        for norm in NORMS:
            cell = make(model, norm, dropout=0.5)
            found = {"replayed": _after_100(cell, device), "again": _after_100(cell, device)}
            found["beside_another"] = _after_100(cell, device, beside=True)
            with called():
                found["called"] = _after_100(cell, device)
                out[f"{model}_{norm}_called_us"] = us_per_step([start(make(model, norm), device)], 100)
            out[f"{model}_{norm}"] = {"same": len(set(found.values())) == 1, **found}
    return out


def _after_100(cell: Cell, device: str, beside: bool = False) -> str:
    trainings = [start(cell, device), *([start(cell, device, seed=1)] if beside else [])]
    for training in trainings:
        training.begin()
    _launch(trainings, range(100))
    torch.cuda.synchronize()
    return weights_digest(trainings[0].model.state_dict())


def precisions(device: str) -> dict[str, float]:
    """us per CNN step by precision; `default` is TF32."""
    cells = {f"{p}_{n}": make("cnn", n, precision=p) for p in ("default", "fp32", "bf16") for n in NORMS}
    return {name: us_per_step([start(cell, device)], 100) for name, cell in cells.items()}


def determinism(device: str) -> dict[str, Any]:
    """What deterministic kernels cost: us per CNN step, and the operations that torch warns of."""
    out: dict[str, Any] = {}
    for norm in NORMS:
        out[f"deterministic_{norm}"] = us_per_step([start(make("cnn", norm), device)])
        for autotune in (False, True):
            with loose(autotune):
                out[f"{'autotuned' if autotune else 'free'}_{norm}"] = us_per_step([start(make("cnn", norm), device)])
    out["warned_of"] = _warned_of(device)
    return out


def _warned_of(device: str) -> list[str]:
    training = start(make("cnn", "batch", dropout=0.5), device)
    with warnings.catch_warnings(record=True) as told, called():
        warnings.simplefilter("always")
        torch.use_deterministic_algorithms(True, warn_only=True)
        training.begin()
        training.launch(0)
        torch.cuda.synchronize()
        torch.use_deterministic_algorithms(False)
    return sorted({str(w.message).partition(".")[0][:200] for w in told if "determin" in str(w.message)})


def streams(device: str) -> dict[str, float]:
    """us per run and step with K runs side by side."""
    out = {}
    for model, widths in (("cnn", (1, 2, 4)), ("mlp", (1, 2, 4, 8))):
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
            for size in (32, 64, 128, 256, 512, 1024):
                out[f"{model}_{norm}_{size}"] = us_per_step([start(make(model, norm, batch_size=size), device)], 40)
    return out


def family_hours(us: dict[str, float]) -> dict[str, float]:
    """Hours of training steps for the 112 cells of a model, 100 epochs, one seed, one run at a time: an estimate
    from `batch_sizes` (CIFAR-10), taken for every data set."""
    totals = {"mlp": 0.0, "cnn": 0.0}
    for model in totals:
        for dataset in DATASETS:
            images = datasets.REGISTRY[dataset].train * 9 // 10
            for setting in [s for s in SETTINGS if s != "relu_norm_after"]:
                size = SETTINGS[setting].get("batch_size", 64)
                totals[model] += sum(us[f"{model}_{norm}_{size}"] for norm in NORMS) * (images // size) * EPOCHS
    return {model: round(total / 3.6e9, 2) for model, total in totals.items()}


def others(device: str) -> dict[str, float]:
    """us per step of the plain loop and of the reference engine on this GPU."""
    out = {}
    for model in ("cnn", "mlp"):
        for norm in NORMS:
            out[f"reference_{model}_{norm}"] = _reference_us(make(model, norm), device)
            out[f"plain_{model}_{norm}"] = _plain_us(make(model, norm), device)
    return out


def _reference_us(cell: Cell, device: str, steps: int = 100) -> float:
    data = random_inputs(cell.dataset)
    part = data.train_images[: 64 * steps], data.train_labels[: 64 * steps]
    few = replace(data, train_images=part[0], train_labels=part[1])
    training = ReferenceTraining(Run(cell, 0), few, device)
    seconds = [training.epoch(Keeper())["seconds"] for _ in range(2)]
    return round(1e6 * seconds[1] / steps, 1)


class Pictures(torch.utils.data.Dataset):
    """PIL images through ToTensor and Normalize, one by one, as a usual data set does it."""

    def __init__(self, dataset: str, count: int):
        from PIL import Image
        from torchvision import transforms

        rng, spec = np.random.default_rng(0), datasets.REGISTRY[dataset]
        pixels = rng.integers(0, 256, (count, 32, 32, spec.channels), dtype=np.uint8)
        self.images = [Image.fromarray(image.squeeze()) for image in pixels]
        self.labels = rng.integers(0, spec.classes, count).tolist()
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.5, 0.25)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(self.images[index]), self.labels[index]


def _plain_us(cell: Cell, device: str, steps: int = 60) -> float:
    """The usual loop: PIL images, DataLoader without workers, eager steps, `loss.item()`, torch's own defaults."""
    torch.backends.cudnn.deterministic = False
    model = models.build(cell, random_inputs(cell.dataset).shape)
    inits.initialize(model, cell, 0)
    model.to(device).train()
    optimizer = optimizers.REGISTRY[cell.optimizer](model.parameters(), cell)
    loader = torch.utils.data.DataLoader(Pictures(cell.dataset, 64 * (steps + WARM)), 64, shuffle=True, drop_last=True)
    began, total = 0.0, 0.0
    for index, (images, labels) in enumerate(loader):
        if index == WARM:
            torch.cuda.synchronize()
            began = time.perf_counter()
        loss = F.cross_entropy(model(images.to(device)), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return round(1e6 * (time.perf_counter() - began) / steps, 1)
