"""Observing a network without changing it: its answers, and what its layers do in a training step."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from bnstudy.design.cell import Cell
from bnstudy.networks.models.block import Network
from bnstudy.training.engine.statistics import Watcher

EVALUATION_BATCH = 500
PROBE = 256  # validation images on which a unit that is always zero counts as dead


def evaluate(
    model: nn.Module, images: Tensor, labels: Tensor, summed: nn.Module | None = None, sparing: bool = True
) -> tuple[float, float, list[int]]:
    """Return (accuracy in percent, mean loss, count of each predicted class), in evaluation mode; see `answers`."""
    predicted, mean, classes = answers(model, images, labels, summed, sparing)
    counts = torch.bincount(predicted, minlength=classes).tolist()
    return 100 * int((predicted == labels).sum()) / len(labels), mean, counts


@torch.no_grad()
def answers(
    model: nn.Module, images: Tensor, labels: Tensor, summed: nn.Module | None = None, sparing: bool = True
) -> tuple[Tensor, float, int]:
    """Return (predicted class of each image, mean loss, number of classes), in evaluation mode.

    `summed` is the loss, summed over a batch; cross-entropy by default.

    A network whose logits are all NaN answers class 0: argmax takes the first NaN. If every weight is NaN, all images
    get the same answer, so only one is evaluated (unless `sparing` is false).
    """
    model.eval()
    lost = sparing and is_lost(model)
    size = max(1, len(images)) if lost else EVALUATION_BATCH
    criterion = summed or nn.CrossEntropyLoss(reduction="sum")
    found, sums = [], []  # read once at the end: a GPU need not wait for the host between batches
    for batch, classes in zip(images.split(size), labels.split(size), strict=True):
        logits = model(batch[:1] if lost else batch).float().expand(len(classes), -1)
        found.append(logits.argmax(1))
        sums.append(criterion(logits, classes))
    return torch.cat(found), sum(torch.stack(sums).double().tolist()) / len(labels), logits.shape[1]


def graded(cell: Cell, labels: Tensor, classes: int, found: Mapping[str, tuple[Tensor, float]]) -> dict[str, Any]:
    """Return `Record.test`. `found`: predicted class of each test image and mean loss of `last` and `best` weights."""
    report: dict[str, Any] = {"images": len(labels)}
    for which, (predicted, loss) in found.items():
        matrix = torch.bincount(labels * classes + predicted, minlength=classes**2).view(classes, classes)
        accuracy = 100 * int(matrix.trace()) / len(labels)
        report[which] = {"accuracy": accuracy, "loss": loss, "predicted": matrix.sum(0).tolist()}
        if which == cell.tested_weights:
            report["confusion"] = matrix.tolist()
    return report


def is_lost(model: nn.Module) -> bool:
    """Return True if every value in the network's state is NaN: no step can change that, and every logit is NaN.

    A batch norm counts its batches, so a network that has one is never lost.
    """
    kept = model.state_dict().values()
    return bool(kept) and all(bool(values.isnan().all()) for values in kept)


def watch(model: Network, watchers: Sequence[Watcher]) -> list[RemovableHandle]:
    """Pass the pre-activations and activations of every forward pass to the watchers; return the hooks."""

    def hook(position: int, is_output: bool):
        def put(_module: nn.Module, before: tuple[Tensor, ...], after: Tensor) -> None:
            _add(watchers, "pre_activation", position, before[0].float())
            if not is_output:
                _add(watchers, "activation", position, after.float())

        return put

    last = len(model.blocks) - 1
    return [b.activation.register_forward_hook(hook(i, i == last)) for i, b in enumerate(model.blocks)]


def measure_parameters(model: Network, watchers: Sequence[Watcher]) -> None:
    """Pass the weights, and the gradients that `backward` has left, to the watchers."""
    for position, block in enumerate(model.blocks):
        weight, bias = block.layer.weight, block.layer.bias
        _add(watchers, "weight", position, weight)
        if weight.grad is not None:
            _add(watchers, "weight_grad", position, weight.grad)
        if bias is not None and bias.grad is not None:
            _add(watchers, "bias_grad", position, bias.grad)


def _add(watchers: Sequence[Watcher], what: str, position: int, values: Tensor) -> None:
    """Pass all entries as one row, in the order of memory: what lies channels last is not copied."""
    by_stride = sorted(range(values.dim()), key=values.stride, reverse=True)
    row = values.detach().permute(by_stride).reshape(1, -1)
    for watcher in watchers:
        watcher.add(what, position, row)


@torch.no_grad()
def dead_share(model: Network, images: Tensor) -> Tensor:
    """Return per layer the share of units (or feature maps) that are zero on each of the first PROBE images, in
    evaluation mode; (1, layers), NaN for the output layer."""
    shares = torch.full((1, len(model.blocks)), torch.nan, device=images.device)

    def hook(position: int):
        def put(_module: nn.Module, _before: Any, after: Tensor) -> None:
            answered = torch.ne(
                after, 0, out=torch.empty_like(after)
            )  # floats, which torch adds up faster than booleans
            shares[0, position] = (answered.sum([0, *range(2, after.dim())]) == 0).float().mean()

        return put

    hooks = [b.activation.register_forward_hook(hook(i)) for i, b in enumerate(model.blocks[:-1])]
    model.eval()
    model(images[:PROBE])
    for each in hooks:
        each.remove()
    return shares
