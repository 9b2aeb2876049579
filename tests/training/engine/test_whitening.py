"""PCA whitening against numpy, and as a cell's inputs."""

import numpy as np
import pytest
import torch

from bnstudy import datasets
from bnstudy.design.cell import Cell
from bnstudy.errors import UsageError
from bnstudy.training import engine
from bnstudy.training.engine.inputs import prepare
from bnstudy.training.engine.whitening import EPSILON, whitening


@pytest.fixture
def images() -> np.ndarray:
    """uint8 (700, 2, 3, 4), its values correlated."""
    rng = np.random.default_rng(2)
    mixed = rng.normal(size=(700, 24)) @ rng.normal(size=(24, 24)) * 20 + 128
    return mixed.clip(0, 255).astype(np.uint8).reshape(700, 2, 3, 4)


def mean_of(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images.mean(0))


def test_whitened_images_are_uncorrelated_with_variance_one_but_for_epsilon(images):
    white = whitening([images[:300], images[300:]], mean_of(images))
    found = white(images)
    assert found.shape == images.shape
    assert found.dtype == torch.float32
    covariance = np.cov(found.flatten(1).double().numpy().T, bias=True)
    variances = np.linalg.eigvalsh(np.cov(images.reshape(700, 24).T, bias=True))[::-1]
    expected = variances / (variances + EPSILON * variances.mean())
    assert covariance == pytest.approx(np.diag(expected), abs=1e-5)
    assert expected[0] > 0.99
    assert np.abs(found.mean(0).numpy()).max() < 1e-5


def test_each_axis_has_one_direction_and_the_first_the_largest_variance(images):
    white = whitening([images], mean_of(images))
    largest = torch.gather(white.axes, 0, white.axes.abs().argmax(0, keepdim=True))
    assert (largest > 0).all()
    assert (white.std.flatten().diff() <= 0).all()
    torch.testing.assert_close(white.axes.T @ white.axes, torch.eye(24, dtype=torch.float64))


def test_zca_turns_whitened_images_back_into_pixels(images):
    """Of all whitenings it is the nearest to the images: the axes turn back, the covariance stays white."""
    pca, zca = (whitening([images], mean_of(images), turned)(images).flatten(1).double() for turned in (False, True))
    axes = whitening([images], mean_of(images)).axes
    torch.testing.assert_close(zca, pca @ axes.T, rtol=1e-4, atol=1e-4)
    centred = torch.from_numpy(images).double().flatten(1) - mean_of(images).flatten()
    own = [torch.corrcoef(torch.stack([centred[:, i], zca[:, i]]))[0, 1] for i in range(24)]
    assert min(own) > 0.3
    assert torch.cov(zca.T, correction=0).diagonal().min() > 0.3


def test_images_that_are_all_the_same_stay_at_zero():
    same = np.full((10, 1, 2, 2), 7, np.uint8)
    assert not whitening([same], mean_of(same))(same).any()


def test_a_cells_inputs_are_whitened_by_its_training_part():
    cell = Cell(dataset="digits", model="mlp", norm="none", standardization="pca")
    data = prepare(cell, 0, datasets.load("digits"))
    train = data.train_images.flatten(1).double()
    covariance = (train.T @ train / len(train)).numpy()
    assert covariance[:10, :10] == pytest.approx(np.eye(10), abs=1e-2)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 1e-4
    assert data.test_images.shape[1:] == data.train_images.shape[1:] == (1, 32, 32)
    assert abs(data.validation_images.flatten(1)[:, :10].square().mean() - 1) < 0.3


def test_only_the_reference_engine_takes_it_and_augmentation_does_not_go_with_it():
    cell = Cell(dataset="digits", model="mlp", norm="none", standardization="pca")
    assert engine.choose(cell, "auto", "cpu").name == "reference"
    with pytest.raises(UsageError, match="flip needs pixels"):
        Cell(dataset="digits", model="mlp", norm="none", standardization="pca", augment="flip")
