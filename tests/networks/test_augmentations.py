"""Augmentations against torchvision's, image by image, and their random streams."""

import math

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as vision

from bnstudy.design.cell import Cell
from bnstudy.networks import augmentations, random_streams
from bnstudy.networks.augmentations import (
    DEGREES,
    JITTER,
    PADDING,
    REGISTRY,
    SCALE,
    SHIFT,
    TINT,
    TRANSFORMS,
    augmented,
)

COUNT = 24


def pixels(channels: int = 3, height: int = 12, width: int = 12) -> torch.Tensor:
    return torch.rand(COUNT, channels, height, width, generator=torch.Generator().manual_seed(5))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(11)


def draws(most: float) -> torch.Tensor:
    return (2 * torch.rand(COUNT, generator=generator()) - 1) * most


def test_each_image_is_flipped_or_left():
    images = pixels()
    found, chosen = TRANSFORMS["flip"](images, generator()), torch.rand(COUNT, generator=generator()) < 0.5
    assert 4 < chosen.sum() < 20
    for image, before, turned in zip(found, images, chosen, strict=True):
        assert torch.equal(image, vision.horizontal_flip(before) if turned else before)


def test_a_crop_is_a_window_of_the_padded_image():
    images = pixels(height=10)
    found = TRANSFORMS["crop"](images, generator())
    top, left = torch.randint(2 * PADDING + 1, (2, COUNT), generator=generator()).tolist()
    assert min(top + left) == 0
    assert max(top + left) == 2 * PADDING
    for i, image in enumerate(found):
        padded = vision.pad(images[i], [PADDING])
        assert torch.equal(image, vision.crop(padded, top[i], left[i], 10, 12))


@pytest.mark.parametrize("width", [12, 9])
def test_a_rotation_is_torchvisions(width):
    images = pixels(width=width)
    found, angles = TRANSFORMS["rotation"](images, generator()), draws(math.radians(DEGREES))
    assert angles.abs().max() > math.radians(DEGREES) / 2
    for image, before, angle in zip(found, images, angles, strict=True):
        turned = vision.rotate(before, math.degrees(angle), InterpolationMode.BILINEAR)
        torch.testing.assert_close(image, turned, atol=2e-5, rtol=0)


@pytest.mark.parametrize("channels", [3, 1])
def test_color_jitter_is_torchvisions(channels):
    images, stream = pixels(channels), generator()
    found = TRANSFORMS["color_jitter"](images, generator())
    factors = torch.stack([1 + (2 * torch.rand(COUNT, generator=stream) - 1) * JITTER for _ in range(3)])
    assert factors.min() < 0.85
    assert factors.max() > 1.15
    for image, before, (brightness, contrast, saturation) in zip(found, images, factors.T.tolist(), strict=True):
        wanted = vision.adjust_contrast(vision.adjust_brightness(before, brightness), contrast)
        wanted = vision.adjust_saturation(wanted, saturation) if channels == 3 else wanted
        torch.testing.assert_close(image, wanted, atol=2e-6, rtol=0)


def test_each_image_is_turned_upside_down_or_left():
    images = pixels()
    found, chosen = TRANSFORMS["vertical_flip"](images, generator()), torch.rand(COUNT, generator=generator()) < 0.5
    for image, before, turned in zip(found, images, chosen, strict=True):
        assert torch.equal(image, vision.vertical_flip(before) if turned else before)


def affine(image: torch.Tensor, **moved) -> torch.Tensor:
    rest = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0]} | moved
    return vision.affine(image, **rest, interpolation=InterpolationMode.BILINEAR)


@pytest.mark.parametrize("width", [12, 9])
def test_scaling_is_torchvisions(width):
    images = pixels(width=width)
    found, factors = TRANSFORMS["scale"](images, generator()), 1 + draws(SCALE)
    assert factors.min() < 0.9 < 1.1 < factors.max()
    for image, before, factor in zip(found, images, factors.tolist(), strict=True):
        torch.testing.assert_close(image, affine(before, scale=factor), atol=2e-5, rtol=0)


def test_a_translation_by_whole_pixels_is_torchvisions(monkeypatch):
    images = pixels(height=10)
    moved = iter([torch.full((COUNT,), 2 / 12), torch.full((COUNT,), -3 / 10)])
    monkeypatch.setattr(augmentations, "_uniform", lambda count, most, stream: next(moved))
    found = TRANSFORMS["translation"](images, generator())
    for image, before in zip(found, images, strict=True):
        torch.testing.assert_close(image, affine(before, translate=[2, -3]), atol=1e-5, rtol=0)


def test_a_translation_stays_within_a_fifth_of_the_side():
    dot = torch.zeros(COUNT, 1, 41, 41)
    dot[:, :, 20, 20] = 1.0
    found = TRANSFORMS["translation"](dot, generator())
    places = torch.arange(41.0) - 20
    down, right = (found * places[:, None]).sum((1, 2, 3)), (found * places).sum((1, 2, 3))
    assert 0.15 * 41 < down.abs().max() <= SHIFT * 41 + 1e-3
    assert 0.15 * 41 < right.abs().max() <= SHIFT * 41 + 1e-3
    assert not torch.allclose(down, right)


@pytest.mark.parametrize("channels", [3, 1])
def test_a_colour_shift_adds_one_number_to_a_channel_of_an_image(channels):
    images = 0.4 + 0.2 * pixels(channels)  # nothing is cut off at 0 or 1
    added = TRANSFORMS["color_shift"](images, generator()) - images
    assert added.std((2, 3)).max() < 1e-6
    assert len(added.mean((2, 3)).flatten().unique()) == COUNT * channels
    assert 0.8 * TINT < added.abs().max() <= TINT + 1e-6


NAMES = ["none", *TRANSFORMS, *(name for name in REGISTRY if name.startswith("flip_crop_"))]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [3, 1])
def test_images_keep_their_shape_and_range_and_depend_on_seed_and_step_alone(name, channels):
    mean, std = torch.tensor(120.0, dtype=torch.float64), torch.tensor(60.0, dtype=torch.float64)
    images = (255 * pixels(channels) - 120) / 60
    kept = images.clone()
    found = augmented(images, name, mean, std, seed=1, step=7)
    assert torch.equal(images, kept)
    assert found.shape == images.shape
    assert found.dtype == torch.float32
    assert -120 / 60 - 1e-4 < found.min() < found.max() < (255 - 120) / 60 + 1e-4
    assert torch.equal(found, augmented(images, name, mean, std, seed=1, step=7))
    for other in ({"seed": 2, "step": 7}, {"seed": 1, "step": 8}):
        assert torch.equal(found, augmented(images, name, mean, std, **other)) == (name == "none")


def test_names_combine_in_one_order_and_each_kind_draws_as_it_does_alone():
    assert len([name for name in REGISTRY if "_" not in name]) == 6  # none, and five kinds of one word
    assert REGISTRY["vertical_flip_scale_translation"][0] is TRANSFORMS["vertical_flip"]
    assert all(Cell(dataset="toy", model="mlp", norm="none", augment=name).augment == name for name in REGISTRY)
    assert REGISTRY["flip_crop"] == (TRANSFORMS["flip"], TRANSFORMS["crop"])
    assert "crop_flip" not in REGISTRY
    mean, std, images = torch.zeros(()), torch.full((), 255.0), pixels()
    flipped = augmented(images, "flip", mean, std, 3, 9)
    both = augmented(images, "flip_crop", mean, std, 3, 9)
    assert torch.equal(both, TRANSFORMS["crop"](flipped, random_streams.augmentation_generator(3, "crop", 9)))


def test_per_pixel_moments_are_undone_before_and_redone_after():
    mean, std = 255 * torch.rand(3, 12, 12), 20 + 50 * torch.rand(3, 12, 12)
    images = (255 * pixels() - mean) / std
    found = augmented(images, "flip", mean, std, 0, 0)
    wanted = TRANSFORMS["flip"](pixels(), random_streams.augmentation_generator(0, "flip", 0))
    torch.testing.assert_close(found, (255 * wanted - mean) / std, atol=1e-4, rtol=0)
