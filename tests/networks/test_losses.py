import pytest
import torch

from bnstudy.networks.losses import REGISTRY

LOGITS = [[2.0, 1.5, -1.0], [0.0, 0.5, 3.0]]
LABELS = [0, 1]
# wrong classes' margins 1 - right + wrong: 0.5 and -2; 0.5 and 3.5
HINGES = {"hinge": [0.5 / 3, 4.0 / 3], "squared_hinge": [0.25 / 3, (0.25 + 12.25) / 3]}


def values() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True), torch.tensor(LABELS)


@pytest.mark.parametrize("name", HINGES)
def test_a_hinge_is_zero_beyond_its_margin(name):
    assert REGISTRY[name]("sum")(*values()).item() == pytest.approx(sum(HINGES[name]))
    assert REGISTRY[name]("mean")(*values()).item() == pytest.approx(sum(HINGES[name]) / 2)


def test_cross_entropy_is_minus_the_logarithm_of_the_softmax():
    logits, labels = values()
    expected = -torch.log(logits.exp()[[0, 1], labels] / logits.exp().sum(1)).mean()
    assert REGISTRY["cross_entropy"]("mean")(logits, labels).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("name", REGISTRY)
def test_a_loss_falls_where_the_right_logit_rises_and_the_sum_is_that_of_its_images(name):
    logits, labels = values()
    total = REGISTRY[name]("sum")(logits, labels)
    total.backward()
    assert (logits.grad[[0, 1], labels] < 0).all()
    alone = sum(REGISTRY[name]("sum")(logits[i : i + 1], labels[i : i + 1]) for i in (0, 1))
    assert total.item() == pytest.approx(alone.item())


@pytest.mark.parametrize("name", REGISTRY)
def test_a_loss_can_be_taken_where_the_network_works_in_bfloat16(name):
    logits, labels = values()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(REGISTRY[name]("mean")(logits.bfloat16(), labels))
