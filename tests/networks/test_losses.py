import pytest
import torch

from bnstudy.design.cell import Cell
from bnstudy.networks.losses import REGISTRY

LOGITS = [[2.0, 1.5, -1.0], [0.0, 0.5, 3.0]]
LABELS = [0, 1]
# wrong classes' margins 1 - right + wrong: 0.5 and -2; 0.5 and 3.5
HINGES = {
    "hinge": [0.5 / 3, 4.0 / 3],
    "squared_hinge": [0.25 / 3, (0.25 + 12.25) / 3],
    "hinge_sum": [0.5, 4.0],
    "squared_hinge_sum": [0.25, 0.25 + 12.25],
}


def cell(loss: str, **values) -> Cell:
    return Cell(dataset="toy", model="mlp", norm="none", loss=loss, **values)


def values() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True), torch.tensor(LABELS)


@pytest.mark.parametrize("name", HINGES)
def test_a_hinge_is_zero_beyond_its_margin(name):
    assert REGISTRY[name]("sum", cell(name))(*values()).item() == pytest.approx(sum(HINGES[name]))
    assert REGISTRY[name]("mean", cell(name))(*values()).item() == pytest.approx(sum(HINGES[name]) / 2)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", REGISTRY)
def test_a_loss_of_a_score_that_is_nan_is_nan(name, reduction):
    """torch's hinge losses of NaN are 0, which would be the best network of all."""
    loss = REGISTRY[name](reduction, cell(name))
    logits, labels = values()
    logits.data[1, 2] = torch.nan
    assert loss(logits, labels).isnan()


def test_the_squared_error_of_short_floats_is_a_float32():
    logits, labels = values()
    loss = REGISTRY["squared_error"]("mean", cell("squared_error"))
    found = loss(logits.bfloat16(), labels)
    assert found.dtype == torch.float32
    assert found.item() == loss(logits.float(), labels).item()  # these logits are exact in both


def test_delta_is_the_margin_of_equations_2_36_and_2_37():
    """max(0, s_j - s_y + 2): 1.5 and 0; 1.5 and 4.5."""
    found = [REGISTRY[name]("sum", cell(name, hinge_delta=2.0))(*values()).item() for name in HINGES]
    assert found == pytest.approx([7.5 / 3, 24.75 / 3, 7.5, 24.75])


def test_cross_entropy_is_minus_the_logarithm_of_the_softmax():
    logits, labels = values()
    expected = -torch.log(logits.exp()[[0, 1], labels] / logits.exp().sum(1)).mean()
    assert REGISTRY["cross_entropy"]("mean", cell("cross_entropy"))(logits, labels).item() == pytest.approx(
        expected.item()
    )


def test_the_squared_error_is_the_distance_from_the_one_hot_target():
    logits, labels = values()
    expected = sum(((row - torch.eye(3)[label]) ** 2).sum() for row, label in zip(logits, labels, strict=True)) / 2
    assert REGISTRY["squared_error"]("mean", cell("squared_error"))(logits, labels).item() == pytest.approx(
        expected.item()
    )


@pytest.mark.parametrize("name", REGISTRY)
def test_a_loss_falls_where_the_right_logit_rises_and_the_sum_is_that_of_its_images(name):
    logits, labels = values()
    total = REGISTRY[name]("sum", cell(name))(logits, labels)
    total.backward()
    right = logits.detach()[[0, 1], labels]
    assert (logits.grad[[0, 1], labels] < 0).equal(right < 1 if name == "squared_error" else right < torch.inf)
    alone = sum(REGISTRY[name]("sum", cell(name))(logits[i : i + 1], labels[i : i + 1]) for i in (0, 1))
    assert total.item() == pytest.approx(alone.item())


@pytest.mark.parametrize("name", REGISTRY)
def test_a_loss_can_be_taken_where_the_network_works_in_bfloat16(name):
    logits, labels = values()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(REGISTRY[name]("mean", cell(name))(logits.bfloat16(), labels))
