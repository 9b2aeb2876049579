"""The population statistics of norms, over the whole training part (equation 3.2)."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from bnstudy.networks.models.block import Network, without_dropout
from bnstudy.training.engine.observation import EVALUATION_BATCH


@torch.no_grad()
def estimate(model: Network, images: Callable[[Tensor], Tensor], count: int, device: str) -> None:
    """Set every norm's population statistics, instead of running averages, to the means over batches of all training
    images, in training mode without dropout.

    images   indices -> these training images, as the network takes them
    count    number of training images
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]  # torch's, and those from formulas
    momentum = [m.momentum for m in norms]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # a plain average over the batches
    model.train()
    without_dropout(model)
    size = EVALUATION_BATCH + (count % EVALUATION_BATCH == 1)  # no batch of one image, which has no variance
    for chosen in torch.arange(count, device=device).split(size):
        model(images(chosen))
    for m, value in zip(norms, momentum, strict=True):
        m.momentum = value
