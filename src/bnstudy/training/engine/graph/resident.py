"""The images of a data set where the step can gather them: on the device, as bytes where bytes will do."""

import torch
from torch import Tensor

from bnstudy.training.engine.inputs import Inputs


class Resident:
    """The training part of `data` on a device, in the layouts asked for; shared by all runs that train on it.

    The one rule: bytes, if they standardize to the very images of `data`, else those images.
    """

    def __init__(self, data: Inputs, device: str):
        self.data, self.device = data, device
        self.labels = data.train_labels.to(device)
        self.validation = data.validation_images.to(device), data.validation_labels.to(device)
        images = data.train_images.to(device)
        # tensors of at least one dimension: a division by a number would be a product with its reciprocal on a GPU
        self.mean, self.std = (_spread(m).to(device, images.dtype) for m in (data.mean, data.std))
        pixels = (images * self.std + self.mean).round_().clamp_(0, 255).byte()
        self.is_bytes = torch.equal(self._standardized(pixels), images)
        self._images = pixels if self.is_bytes else images
        self._channels_last: Tensor | None = None

    def lay_out(self, channels_last: bool) -> None:
        """Make the copy of the images in this layout, unless it exists."""
        if channels_last and self._channels_last is None:
            self._channels_last = self._images.permute(0, 2, 3, 1).contiguous()

    def batch(self, chosen: Tensor, channels_last: bool) -> Tensor:
        """The standardized images with these indices, (n, channels, height, width), in one gather."""
        if not channels_last:
            return self._standardized(self._images.index_select(0, chosen))
        self.lay_out(channels_last)
        assert self._channels_last is not None
        return self._standardized(self._channels_last.index_select(0, chosen).permute(0, 3, 1, 2))

    def _standardized(self, images: Tensor) -> Tensor:
        """As `inputs.prepare` does it: the same two operations, each rounded once."""
        return images if images.dtype != torch.uint8 else torch.sub(images, self.mean).div_(self.std)


def _spread(moment: Tensor) -> Tensor:
    return moment if moment.dim() else moment.reshape(1, 1, 1)
