"""Backward passes node by node, for tensors of a device that is not there: torch's own engine asks for its driver."""

import torch
from torch import Tensor


@torch.no_grad()
def walk(loss: Tensor) -> None:
    """`loss.backward()` by calling the nodes of its graph in an order that torch's engine may take.

    As torch's engine does, it sums a gradient over the dimensions in which its input was expanded. Raises
    AssertionError where a gradient and its input differ in dtype or device, where that engine may convert silently.
    """
    given: dict = {loss.grad_fn: {0: torch.ones_like(loss)}}
    for node in reversed(_sorted(loss.grad_fn)):
        gradients = given.pop(node, {})
        call = node.apply if isinstance(node, torch.autograd.function.BackwardCFunction) else node
        found = call(*(gradients.get(position) for position in range(len(node._input_metadata))))
        found = found if isinstance(found, tuple) else (found,)
        for (to, position), gradient in zip(node.next_functions, found, strict=False):
            if to is not None and gradient is not None:
                there = given.setdefault(to, {})
                gradient = _fitted(gradient, to._input_metadata[position], f"{node.name()} to {to.name()}")
                there[position] = there[position] + gradient if position in there else gradient


def _fitted(gradient: Tensor, wanted, where: str) -> Tensor:
    assert gradient.device == wanted.device, f"{where}: on {gradient.device}, not {wanted.device}"
    assert gradient.dtype == wanted.dtype, f"{where}: {gradient.dtype}, not {wanted.dtype}"
    return gradient if list(gradient.shape) == list(wanted.shape) else gradient.sum_to_size(wanted.shape)


def _sorted(root) -> list:
    """All nodes below `root`, each after those it passes gradients to."""
    found, seen = [], set()

    def visit(node) -> None:
        if node is not None and node not in seen:
            seen.add(node)
            for to, _ in node.next_functions:
                visit(to)
            found.append(node)

    visit(root)
    return found
