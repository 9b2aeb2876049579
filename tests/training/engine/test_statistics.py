import numpy as np
import pytest
import torch

from bnstudy.results.record import EARLY_COLUMNS, LAYER_COLUMNS, MOMENTS
from bnstudy.training.engine.statistics import Early, Sampled, early_steps, moments, sampled_steps


@pytest.mark.parametrize(
    ("batches", "samples", "steps"),
    [(1, 16, {0}), (3, 16, {0, 1, 2}), (16, 16, set(range(16))), (10, 2, {2, 7}), (100, 4, {12, 37, 62, 87})],
)
def test_steps_are_evenly_spaced_middles(batches, samples, steps):
    assert sampled_steps(batches, samples) == steps


@pytest.mark.parametrize("batches", range(1, 200))
def test_there_are_sixteen_steps_or_all(batches):
    steps = sorted(sampled_steps(batches))
    assert len(steps) == min(16, batches)
    assert 0 <= steps[0] <= steps[-1] < batches
    gaps = np.diff(steps)
    assert len(gaps) == 0 or max(gaps) - min(gaps) <= 1


def expected(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float64)
    return np.stack([
        rows.mean(1), np.abs(rows).mean(1), rows.std(1), rows.min(1), rows.max(1), np.sqrt((rows**2).sum(1))
    ])  # fmt: skip


def test_moments_are_those_of_numpy():
    rows = np.random.default_rng(0).normal(3, 2, (4, 1000)).astype(np.float32)
    assert MOMENTS == ("mean", "mean_abs", "std", "min", "max", "l2")
    np.testing.assert_allclose(moments(torch.from_numpy(rows)).numpy(), expected(rows), rtol=1e-5)


def test_moments_of_numbers_that_are_none():
    found = moments(torch.tensor([[1.0, float("nan")], [1.0, float("inf")]]))
    assert not torch.isfinite(found[:, 0]).any()
    assert torch.isinf(found[4:, 1]).all()


def test_over_steps_extremes_stay_extremes_and_the_rest_is_averaged():
    draws = np.random.default_rng(1).normal(size=(3, 2, 50)).astype(np.float32)  # steps, cells, entries
    sampled = Sampled(cells=2, layers=1)
    for step in draws:
        sampled.add("weight", 0, torch.from_numpy(step))
    found = sampled.columns(torch.full((2, 1), torch.nan))
    each = np.stack([expected(step) for step in draws])
    want = each.mean(0)
    want[3], want[4] = each[:, 3].min(0), each[:, 4].max(0)
    for row, moment in zip(want, MOMENTS, strict=True):
        np.testing.assert_allclose(found[f"weight.{moment}"][:, 0].numpy(), row, rtol=1e-5)
    assert torch.isnan(found["bias_grad.mean"]).all()  # never measured


def test_shares_of_zeros_and_of_saturated_sigmoids():
    sampled = Sampled(cells=1, layers=1, saturating=True)
    sampled.add("activation", 0, torch.tensor([[0.0, 0.0, 0.04, 0.5]]))
    sampled.add("activation", 0, torch.tensor([[0.0, 0.97, 0.06, 0.94]]))
    found = sampled.columns(torch.tensor([[0.25]]))
    assert found["zero_share"].item() == pytest.approx((2 / 4 + 1 / 4) / 2)
    assert found["saturated_share"].item() == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert found["dead_share"].item() == 0.25
    assert set(found) == set(LAYER_COLUMNS)


@pytest.mark.parametrize(
    ("batches", "later"), [(1, []), (20, []), (29, []), (30, [29]), (703, [29, 44, 66, 99, 149, 224, 336, 504])]
)
def test_early_steps_are_dense_then_sparse(batches, later):
    assert early_steps(batches) == [*range(min(20, batches)), *later]


def test_early_columns_are_those_of_numpy():
    rng = np.random.default_rng(2)
    early = Early(cells=2, layers=2, batches=3)
    gradients = rng.normal(size=(3, 2, 2, 50)).astype(np.float32)  # steps, layers, cells, entries
    activations = rng.normal(size=(3, 2, 40)).clip(0).astype(np.float32)
    for index in (0, 2):  # the step between is never kept
        for layer in range(2):
            early.add("weight_grad", layer, torch.from_numpy(gradients[index, layer]))
            early.add("weight", layer, torch.ones(2, 50))
        early.add("activation", 0, torch.from_numpy(activations[index]))
        early.keep(index, torch.tensor([1.5, index + 0.5]))
    for cell in range(2):
        found = early.columns(cell)
        assert list(found) == ["step", "data_loss", *EARLY_COLUMNS]
        assert found["step"].tolist() == [1, 2, 3]
        np.testing.assert_array_equal(found["data_loss"].numpy(), [[1.5, np.nan, 1.5], [0.5, np.nan, 2.5]][cell])
        for index in (0, 2):
            own = np.abs(gradients[index, :, cell])
            np.testing.assert_allclose(found["weight_grad.mean_abs"][index].numpy(), own.mean(1), rtol=1e-5)
            np.testing.assert_array_equal(found["weight_grad.max_abs"][index].numpy(), own.max(1))
            np.testing.assert_allclose(found["zero_share"][index, 0], (activations[index, cell] == 0).mean(), rtol=1e-6)
            assert torch.isnan(found["zero_share"][index, 1])  # the output layer has no activation
        assert all(torch.isnan(found[name][1]).all() for name in EARLY_COLUMNS)


def test_early_columns_keep_what_is_not_finite():
    early = Early(cells=1, layers=1, batches=1)
    early.add("weight_grad", 0, torch.tensor([[1.0, float("-inf")]]))
    early.add("activation", 0, torch.tensor([[0.0, float("nan")]]))
    early.keep(0, torch.tensor([float("inf")]))
    found = early.columns()
    assert found["weight_grad.mean_abs"].item() == found["weight_grad.max_abs"].item() == float("inf")
    assert torch.isnan(found["zero_share"]).item()
