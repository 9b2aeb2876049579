"""Optimizers inside a CUDA graph: their state exists before the first step, their rate is a tensor."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Optimizer

from bnstudy.design.cell import Cell
from bnstudy.networks import optimizers


def is_capturable(cell: Cell) -> bool:
    """Return True if a graph can capture this cell's update: fused SGD, or what torch marks as capturable."""
    optimizer = optimizers.REGISTRY[cell.optimizer]([torch.nn.Parameter(torch.zeros(1))], cell)
    return isinstance(optimizer, SGD) or "capturable" in optimizer.defaults


def make_capturable(optimizer: Optimizer, device: str) -> None:
    """Prepare an optimizer that has made no step: rate as a tensor, all state in place."""
    on_gpu = device.startswith("cuda")
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = on_gpu
            group["foreach"] = on_gpu or None  # a loop over the parameters would read the rate on the host
        if on_gpu or isinstance(optimizer, SGD):  # on a CPU only SGD takes a tensor
            group["lr"] = torch.tensor(float(group["lr"]), device=device)
    _prime(optimizer)


def set_rate(optimizer: Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr


def state_tensors(optimizer: Optimizer) -> list[Tensor]:
    return [v for state in optimizer.state.values() for v in state.values() if isinstance(v, Tensor)]


def copy_state(optimizer: Optimizer, saved: dict[str, Any]) -> None:
    """Take in the tensors of a `state_dict()`, in place: graphs hold their addresses."""
    own = optimizer.state_dict()["state"]
    for index, values in saved["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                own[index][name].copy_(value)


@torch.no_grad()
def _prime(optimizer: Optimizer) -> None:
    """Make the optimizer allocate its state, at its values before the first step.

    torch's optimizers start what they allocate at their first step from zero; what is there before keeps its value.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    before = [(t, t.clone()) for t in (*parameters, *state_tensors(optimizer))]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    for tensor in state_tensors(optimizer):
        tensor.zero_()
    for tensor, value in before:
        tensor.copy_(value)
