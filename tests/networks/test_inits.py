import math

import pytest
import torch

from bnstudy.design.cell import Cell
from bnstudy.networks.inits import initialize
from bnstudy.networks.models import ImageShape, build

COLOUR = ImageShape(3, 32, 32, 10)


def filled(seed: int = 0, shape: ImageShape = COLOUR, **values):
    cell = Cell(**{"dataset": "cifar10", "model": "mlp", "norm": "batch", **values})
    model = build(cell, shape)
    initialize(model, cell, seed)
    return {block.name: block for block in model.blocks}


def std(block) -> float:
    return block.layer.weight.std().item()


# hidden1 is 3072 -> 100: 307,200 draws, whose deviation is known to 0.3 %
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, math.sqrt(2 / 3072)),
        ({"kaiming_gain": 1}, math.sqrt(1 / 3072)),
        ({"init": "xavier"}, math.sqrt(2 / 3172)),
        ({"init": "lecun"}, math.sqrt(1 / 3072)),
        ({"init": "normal", "init_std": 1.0}, 1.0),
        ({"init": "normal", "init_std": 1e-4}, 1e-4),
    ],
)
def test_the_deviation_of_weights_is_that_of_section_2_4(values, expected):
    for distribution in ("normal", "uniform") if values.get("init") != "normal" else ("normal",):
        block = filled(init_distribution=distribution, **values)["hidden1"]
        assert std(block) == pytest.approx(expected, rel=0.01)
        assert abs(block.layer.weight.mean().item()) < 0.01 * expected
        bounded = block.layer.weight.abs().max().item() <= expected * math.sqrt(3)
        assert bounded == (distribution == "uniform")


def test_biases_start_at_zero_or_above_it():
    """Section 2.4; the scales and shifts of a norm do not change."""
    zero, above = filled(), filled(bias_init=0.01)
    for name, block in above.items():
        assert not zero[name].layer.bias.any()
        assert set(block.layer.bias.tolist()) == {torch.tensor(0.01).item()}
        assert torch.equal(block.layer.weight, zero[name].layer.weight)
    assert not above["hidden1"].norm.bias.any()


def test_an_all_zero_start_never_breaks_the_symmetry_of_units():
    """Section 2.4: only the output layer's biases get a gradient."""
    cell = Cell(dataset="cifar10", model="mlp", norm="none", init="zeros")
    model = build(cell, COLOUR)
    initialize(model, cell, 0)
    images, labels = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.arange(8)
    torch.nn.functional.cross_entropy(model(images), labels).backward()
    moved = {name for name, parameter in model.named_parameters() if parameter.grad.any()}
    assert [name.rpartition(".")[2] for name in moved] == ["bias"]
    assert "output" in moved.pop() or model.blocks[-1].layer.bias.grad.any()


def test_the_fans_of_a_convolution_count_its_window_or_not():
    assert std(filled(model="cnn", norm="none", width=0.25)["conv4_2"]) == pytest.approx(
        math.sqrt(2 / (9 * 128)), rel=0.02
    )
    block = filled(model="cnn", norm="none", width=0.25, fan="channels")["conv4_2"]
    assert std(block) == pytest.approx(math.sqrt(2 / 128), rel=0.02)
    xavier = filled(model="cnn", norm="none", width=0.25, init="xavier")["conv5_1"]
    assert std(xavier) == pytest.approx(math.sqrt(2 / (9 * 128 + 9 * 128)), rel=0.02)


def test_init_std_on_hidden_leaves_kaiming_on_the_output_layer():
    everywhere = filled(init="normal", init_std=1.0)
    hidden = filled(init="normal", init_std=1.0, init_std_on="hidden")
    assert std(everywhere["output"]) == pytest.approx(1, rel=0.1)
    assert std(hidden["output"]) == pytest.approx(math.sqrt(2 / 100), rel=0.1)
    assert torch.equal(hidden["hidden3"].layer.weight, everywhere["hidden3"].layer.weight)
    assert torch.equal(hidden["output"].layer.weight, filled()["output"].layer.weight)


def test_fields_of_kaiming_act_on_the_output_layer_that_has_it():
    plain, other = (
        filled(init="normal", init_std=1.0, init_std_on="hidden", **values)
        for values in ({}, {"kaiming_gain": 1, "init_distribution": "uniform"})
    )
    assert std(other["output"]) == pytest.approx(math.sqrt(1 / 100), rel=0.1)
    assert torch.equal(other["hidden3"].layer.weight, plain["hidden3"].layer.weight)


def test_biases_and_beta_are_zero_and_gamma_uniform_or_one():
    uniform, ones = filled(), filled(gamma_init="ones")
    for name in ("hidden1", "hidden2", "hidden3"):
        gamma = uniform[name].norm.weight
        assert 0 <= gamma.min() < 0.15 < 0.85 < gamma.max() < 1
        assert torch.equal(ones[name].norm.weight, torch.ones(100))
        assert not uniform[name].norm.bias.any()
    assert not torch.equal(uniform["hidden2"].norm.weight, uniform["hidden3"].norm.weight)
    assert not any(block.layer.bias.any() for block in uniform.values())


def test_cells_of_one_seed_start_from_the_same_draws():
    batch, none, high = filled(), filled(norm="none"), filled(init="normal", init_std=1.0)
    assert torch.equal(batch["hidden2"].layer.weight, none["hidden2"].layer.weight)
    torch.testing.assert_close(batch["hidden2"].layer.weight / math.sqrt(2 / 100), high["hidden2"].layer.weight)
    wide = filled(shape=ImageShape(3, 32, 32, 100))
    assert torch.equal(wide["hidden1"].layer.weight, batch["hidden1"].layer.weight)


def test_layers_and_seeds_draw_different_weights_and_global_seeding_plays_no_part():
    first, again, other = filled(0), filled(0), filled(1)
    assert not torch.equal(first["hidden2"].layer.weight, first["hidden3"].layer.weight)
    assert not torch.equal(first["hidden2"].layer.weight, other["hidden2"].layer.weight)
    assert not torch.equal(first["hidden2"].norm.weight, other["hidden2"].norm.weight)
    assert all(
        torch.equal(a, b)
        for name in first
        for a, b in zip(first[name].parameters(), again[name].parameters(), strict=True)
    )


@pytest.mark.parametrize(("model", "layer", "fan_in"), [("mlp", "hidden1", 3072), ("cnn", "conv2_1", 64 * 9)])
def test_torch_default_is_torchs_own_range_for_weights_and_biases(model, layer, fan_in):
    """nn.Linear and nn.Conv2d: kaiming_uniform with a = sqrt(5), so both within 1 / sqrt(fan in)."""
    block, bound = filled(model=model, init="torch_default")[layer], 1 / math.sqrt(fan_in)
    torch.manual_seed(0)
    block_of_torch = type(block.layer)
    torchs = build(Cell(dataset="cifar10", model=model, norm="batch", init="torch_default"), COLOUR)
    other = next(b for b in torchs.blocks if b.name == layer).layer  # as torch made it
    assert isinstance(other, block_of_torch)
    for ours, theirs in ((block.layer.weight, other.weight), (block.layer.bias, other.bias)):
        for values in (ours.detach(), theirs.detach()):
            assert 0.93 * bound < values.abs().max() <= bound
            assert values.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.2 if values.dim() == 1 else 0.01)
            assert abs(values.mean().item()) < bound / 4


def test_torch_default_draws_biases_apart_from_weights_and_by_seed():
    first, again, other = (filled(seed, init="torch_default", hidden=[50, 50])["hidden2"].layer for seed in (0, 0, 1))
    assert torch.equal(first.bias, again.bias)
    assert not torch.equal(first.bias, other.bias)
    assert not torch.equal(first.bias, first.weight[0])
    assert not torch.equal(first.bias, first.weight[:, 0])
