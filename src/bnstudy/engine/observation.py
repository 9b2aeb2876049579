"""What is seen of a network without changing it: its answers, and what its layers do in a training step."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from bnstudy import losses
from bnstudy.engine.statistics import Sampled
from bnstudy.models.block import Network

EVALUATION_BATCH = 500
PROBE = 256  # validation images on which a unit that is always zero counts as dead


@torch.no_grad()
def evaluate(
    model: nn.Module, images: Tensor, labels: Tensor, loss: str = "cross_entropy", sparing: bool = True
) -> tuple[float, float, list[int]]:
    """(accuracy in percent, mean of this loss, count of each predicted class), in evaluation mode.

    A network whose logits are all NaN answers class 0: argmax takes the first NaN. Of a lost one a single image is
    asked, since it answers all alike, unless `sparing` is false.
    """
    model.eval()
    lost = sparing and is_lost(model)
    size = max(1, len(images)) if lost else EVALUATION_BATCH
    criterion = losses.REGISTRY[loss]("sum")
    answers, sums = [], []  # read once at the end: a GPU need not wait for the host between batches
    for batch, classes in zip(images.split(size), labels.split(size), strict=True):
        logits = model(batch[:1] if lost else batch).float().expand(len(classes), -1)
        answers.append(logits.argmax(1))
        sums.append(criterion(logits, classes))
    predicted = torch.cat(answers)
    counts = torch.bincount(predicted, minlength=logits.shape[1]).tolist()
    accuracy = 100 * int((predicted == labels).sum()) / len(labels)
    return accuracy, sum(torch.stack(sums).double().tolist()) / len(labels), counts


def is_lost(model: nn.Module) -> bool:
    """Whether all that the network keeps is NaN: no step can change that, and every answer of it is NaN. A batch norm
    keeps a count of its batches and is never lost."""
    kept = model.state_dict().values()
    return bool(kept) and all(bool(values.isnan().all()) for values in kept)


def watch(model: Network, statistics: Sampled) -> list[RemovableHandle]:
    """Hooks that put the pre-activations and activations of every forward pass into the statistics."""

    def hook(position: int, is_output: bool):
        def put(_module: nn.Module, before: tuple[Tensor, ...], after: Tensor) -> None:
            statistics.add("pre_activation", position, before[0].detach().float().reshape(1, -1))
            if not is_output:
                statistics.add("activation", position, after.detach().float().reshape(1, -1))

        return put

    last = len(model.blocks) - 1
    return [b.activation.register_forward_hook(hook(i, i == last)) for i, b in enumerate(model.blocks)]


def measure_parameters(model: Network, statistics: Sampled) -> None:
    """Put the weights, and the gradients that `backward` has left, into the statistics."""
    for position, block in enumerate(model.blocks):
        weight, bias = block.layer.weight, block.layer.bias
        statistics.add("weight", position, weight.detach().reshape(1, -1))
        if weight.grad is not None:
            statistics.add("weight_grad", position, weight.grad.reshape(1, -1))
        if bias is not None and bias.grad is not None:
            statistics.add("bias_grad", position, bias.grad.reshape(1, -1))


@torch.no_grad()
def dead_share(model: Network, images: Tensor) -> Tensor:
    """Per layer the share of units (or feature maps) that are zero on each of the first PROBE images, in evaluation
    mode; (1, layers), NaN for the output layer."""
    shares = torch.full((1, len(model.blocks)), torch.nan, device=images.device)

    def hook(position: int):
        def put(_module: nn.Module, _before: Any, after: Tensor) -> None:
            zero = after == 0
            shares[0, position] = zero.transpose(0, 1).flatten(1).all(1).float().mean()

        return put

    hooks = [b.activation.register_forward_hook(hook(i)) for i, b in enumerate(model.blocks[:-1])]
    model.eval()
    model(images[:PROBE])
    for each in hooks:
        each.remove()
    return shares
