"""The loops that the graph engine is held against, on the same GPU: the usual ones, and the reference engine."""

from dataclasses import replace

import torch

from bnstudy.bench.gpu.parts import make, random_inputs
from bnstudy.bench.subject import Subject, clock
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import NORMS
from bnstudy.training.engine import numerics
from bnstudy.training.timing.epochs import Pass

WARM, STEPS = 30, 60  # before a measurement, and in it


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
                out[f"{kind}_{model}_{norm}"] = _us(loop(cell, random_inputs(cell.dataset), device, STEPS), device)
    return out


def _us(subject: Subject, device: str) -> float:
    return round(1e6 * clock(subject, device).wall / subject.steps, 1)


def reference(device: str) -> dict[str, float]:
    """us per step of the reference engine, without statistics: of so few steps they would be measured too often."""
    return {f"reference_{m}_{n}": _reference_us(make(m, n), device) for m in ("cnn", "mlp") for n in NORMS}


def _reference_us(cell: Cell, device: str) -> float:
    data, count = random_inputs(cell.dataset), cell.batch_size * STEPS
    few = replace(data, train_images=data.train_images[:count], train_labels=data.train_labels[:count])
    training = Pass(Run(cell, 0), few, device)
    training.over(measuring=False)  # the first one warms up
    return _us(Subject(lambda: training.over(measuring=False), training.batches), device)
