"""The mean gradient of a network: over its weight entries, and NaN where a layer's is not finite."""

import numpy as np

from bnstudy.verdicts.mean_gradient import mean_gradient


def test_layers_weigh_in_by_their_number_of_weights():
    assert mean_gradient(np.array([[4.0, 0.0], [8.0, -4.0]]), np.array([3, 1])).tolist() == [3.0, 5.0]


def test_an_epoch_in_which_a_layer_is_not_finite_is_nan():
    layers = np.array([[1, 1], [np.nan, 1], [1, np.inf], [-np.inf, np.inf]], np.float32)
    assert np.isfinite(mean_gradient(layers, np.array([1, 9]))).tolist() == [True, False, False, False]
    assert np.isnan(mean_gradient(layers, np.array([1, 9]))[1:]).all()


def test_float32_statistics_are_averaged_in_double_precision():
    layers = np.full((1, 3), 0.1, np.float32)
    assert mean_gradient(layers, np.array([1, 1, 1]))[0] == np.float64(np.float32(0.1))
