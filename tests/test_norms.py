import pytest
import torch

from bnstudy.cell import Cell
from bnstudy.norms import REGISTRY

X = torch.tensor([[1.0, -2.0], [2.0, 0.0], [4.0, 5.0], [9.0, 1.0]])


def cell(**values) -> Cell:
    return Cell(dataset="mnist", model="mlp", norm="batch", **values)


def test_no_norm_changes_nothing_and_has_no_parameters():
    norm = REGISTRY["none"](2, 1, Cell(dataset="mnist", model="mlp", norm="none"))
    assert torch.equal(norm(X), X)
    assert list(norm.parameters()) == []


def test_batch_norm_trains_on_biased_statistics():
    """Equation 3.1 by hand: column 0 has mean 4 and variance (9 + 4 + 0 + 25) / 4 = 9.5."""
    norm = REGISTRY["batch"](2, 1, cell())
    out = norm(X)[:, 0]
    assert out.tolist() == pytest.approx([(x - 4) / (9.5 + 1e-5) ** 0.5 for x in (1, 2, 4, 9)], rel=1e-6)


def test_batch_norm_tests_on_running_averages_with_unbiased_variance():
    """One batch with momentum 0.1: mean 0.1 * 4, variance 0.9 * 1 + 0.1 * 38 / 3."""
    norm = REGISTRY["batch"](2, 1, cell())
    norm(X)
    assert norm.running_mean[0].item() == pytest.approx(0.4)
    assert norm.running_var[0].item() == pytest.approx(0.9 + 0.1 * 38 / 3)
    out = norm.eval()(torch.tensor([[5.0, 0.0]]))[0, 0].item()
    assert out == pytest.approx((5 - 0.4) / (0.9 + 0.1 * 38 / 3 + 1e-5) ** 0.5)


def test_epsilon_momentum_scale_and_shift_act():
    norm = REGISTRY["batch"](2, 1, cell(norm_eps=0.5, norm_momentum=0.3))
    with torch.no_grad():
        norm.weight[0], norm.bias[0] = 2.0, -1.0
    assert norm(X)[0, 0].item() == pytest.approx(2 * (1 - 4) / (9.5 + 0.5) ** 0.5 - 1)
    assert norm.running_mean[0].item() == pytest.approx(0.3 * 4)


def test_a_feature_map_is_normalized_over_batch_and_positions():
    images = torch.arange(2 * 3 * 2 * 2, dtype=torch.float32).reshape(2, 3, 2, 2) ** 1.5
    out = REGISTRY["batch"](3, 2, cell())(images)
    values = images[:, 1].flatten()
    biased = ((values - values.mean()) ** 2).mean()
    torch.testing.assert_close(out[:, 1].flatten(), (values - values.mean()) / (biased + 1e-5).sqrt())
