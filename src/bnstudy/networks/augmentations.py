"""Augmentation of training images (thesis 2.12.4): name -> functions, applied in this order.

A function takes pixels (N, C, H, W), float32 from 0 to 1, and a CPU generator from which it draws for each image, and
returns pixels of the same shape. Pixels from outside an image are black. Names joined by `_` in the order of TRANSFORMS
combine: `flip_crop`. Each function has its own stream per seed and step, so it draws the same alone and combined.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

from bnstudy.lazy import torch
from bnstudy.networks import random_streams

PADDING = 4  # pixels that a crop may move to each side
DEGREES = 15.0  # of the largest rotation
SCALE = 0.2  # an image is enlarged by 1 - SCALE to 1 + SCALE
SHIFT = 0.2  # share of the side by which an image is moved, at most
TINT = 0.1  # added to a channel, at most
JITTER = 0.2  # brightness, contrast and saturation are multiplied by 1 - JITTER to 1 + JITTER
GREY = (0.2989, 0.587, 0.114)  # weights of red, green and blue, as torchvision has them

Augmentation = Callable[["torch.Tensor", "torch.Generator"], "torch.Tensor"]


def flip(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror half of the images left to right (2.12.4)."""
    chosen = torch.rand(len(pixels), generator=generator) < 0.5
    return torch.where(_per_image(chosen, pixels), pixels.flip(3), pixels)


def crop(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Pad each image by PADDING black pixels and cut out a random window of the original size (2.12.4)."""
    count, _, height, width = pixels.shape
    padded = torch.nn.functional.pad(pixels, (PADDING,) * 4)
    top, left = torch.randint(2 * PADDING + 1, (2, count), generator=generator).to(pixels.device)
    rows = top[:, None] + torch.arange(height, device=pixels.device)
    columns = left[:, None] + torch.arange(width, device=pixels.device)
    images = torch.arange(count, device=pixels.device)[:, None, None]
    return padded[images, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def rotation(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Rotate each image around its centre by up to DEGREES either way, with bilinear interpolation (2.12.4)."""
    angle = _uniform(len(pixels), math.radians(DEGREES), generator)
    height, width = pixels.shape[2:]
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return _moved(pixels, cos, -sin * height / width, zero, sin * width / height, cos, zero)


def color_jitter(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Multiply brightness, contrast and saturation by a factor each (2.12.4); grey images have no saturation."""
    brightness, contrast, saturation = (
        _per_image(1 + _uniform(len(pixels), JITTER, generator), pixels) for _ in range(3)
    )
    pixels = (pixels * brightness).clamp(0, 1)
    pixels = torch.lerp(_grey(pixels).mean((1, 2, 3), keepdim=True), pixels, contrast).clamp(0, 1)
    return torch.lerp(_grey(pixels), pixels, saturation).clamp(0, 1) if pixels.shape[1] == 3 else pixels


def vertical_flip(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror half of the images top to bottom (2.12.4)."""
    chosen = torch.rand(len(pixels), generator=generator) < 0.5
    return torch.where(_per_image(chosen, pixels), pixels.flip(2), pixels)


def scale(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Enlarge or shrink each image around its centre by up to SCALE, with bilinear interpolation (2.12.4)."""
    inverse, zero = 1 / (1 + _uniform(len(pixels), SCALE, generator)), torch.zeros(len(pixels))
    return _moved(pixels, inverse, zero, zero, zero, inverse, zero)


def translation(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Move each image by up to SHIFT of its side in both directions, with bilinear interpolation (2.12.4)."""
    right, down = (_uniform(len(pixels), SHIFT, generator) for _ in range(2))
    one, zero = torch.ones(len(pixels)), torch.zeros(len(pixels))
    return _moved(pixels, one, zero, -2 * right, zero, one, -2 * down)


def color_shift(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Add a number from -TINT to TINT to each channel of each image (2.12.4)."""
    tint = _uniform(pixels[:, :, 0, 0].numel(), TINT, generator).reshape(*pixels.shape[:2], 1, 1)
    return (pixels + tint.to(pixels.device)).clamp(0, 1)


TRANSFORMS: dict[str, Augmentation] = {
    "flip": flip, "crop": crop, "rotation": rotation, "color_jitter": color_jitter, "vertical_flip": vertical_flip,
    "scale": scale, "translation": translation, "color_shift": color_shift,
}  # fmt: skip

REGISTRY: dict[str, tuple[Augmentation, ...]] = {"none": ()} | {
    "_".join(names): tuple(TRANSFORMS[part] for part in names)
    for count in range(1, len(TRANSFORMS) + 1)
    for names in combinations(TRANSFORMS, count)
}


def augmented(
    images: torch.Tensor, name: str, mean: torch.Tensor, std: torch.Tensor, seed: int, step: int
) -> torch.Tensor:
    """Augment a batch of standardized images for this step (counted over all epochs) and return it, standardized again.

    `mean` and `std`, of pixel values from 0 to 255, are those of the standardization.
    """
    if not REGISTRY[name]:
        return images
    mean, std = (moment.to(images.device, images.dtype) / 255 for moment in (mean, std))
    pixels = images * std + mean
    for function in REGISTRY[name]:
        pixels = function(pixels, random_streams.augmentation_generator(seed, function.__name__, step))
    return (pixels - mean) / std


def _moved(pixels: torch.Tensor, *rows: torch.Tensor) -> torch.Tensor:
    """Sample each image at the places that an affine map gives, (2, 3) by rows, in coordinates from -1 to 1."""
    functional, places = torch.nn.functional, torch.stack(rows, 1).reshape(-1, 2, 3)
    grid = functional.affine_grid(places.to(pixels.device), list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _uniform(count: int, most: float, generator: torch.Generator) -> torch.Tensor:
    """Return one number from -most to most for each image."""
    return (2 * torch.rand(count, generator=generator) - 1) * most


def _per_image(values: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    return values.to(pixels.device)[:, None, None, None]


def _grey(pixels: torch.Tensor) -> torch.Tensor:
    """Return the luminance (N, 1, H, W)."""
    if pixels.shape[1] != 3:
        return pixels.mean(1, keepdim=True)
    return (pixels * torch.tensor(GREY, device=pixels.device)[:, None, None]).sum(1, keepdim=True)
