import torch
from torch import nn

from bnstudy.design.cell import Cell
from bnstudy.networks.models import ImageShape, build
from bnstudy.networks.models.block import Block, Dropout, dropout_mask, hidden, output, set_step
from bnstudy.networks.models.block import dense as dense_layer

SHAPE = ImageShape(1, 32, 32, 10)


class Named(nn.Module):
    """Writes its name into `called`."""

    def __init__(self, name: str, called: list[str]):
        super().__init__()
        self.label, self.called = name, called

    def forward(self, x):
        self.called.append(self.label)
        return x


def order_of(placement: str, dropout_at: str = "default") -> list[str]:
    called: list[str] = []
    parts = [Named(name, called) for name in ("layer", "norm", "activation", "dropout")]
    Block("hidden1", *parts, placement=placement, dropout_at=dropout_at)(torch.zeros(1))
    return called


def test_the_norm_stands_before_or_after_the_nonlinearity():
    assert order_of("pre_activation") == ["layer", "norm", "activation", "dropout"]
    assert order_of("post_activation") == ["layer", "activation", "norm", "dropout"]
    assert order_of("pre_linear") == ["norm", "layer", "activation", "dropout"]
    assert order_of("first") == ["norm", "activation", "layer", "dropout"]


def test_dropout_acts_on_what_enters_the_norm_on_request():
    """Section 8.1.4."""
    assert order_of("pre_activation", "before_norm") == ["layer", "dropout", "norm", "activation"]
    assert order_of("post_activation", "before_norm") == ["layer", "activation", "dropout", "norm"]


def test_dropout_before_the_norm_drops_linear_outputs():
    x = torch.randn(8, 4)
    for norm in ("none", "batch"):
        block = hidden("hidden1", dense_layer(4, 3), cell(norm=norm, dropout=0.5, dropout_at="before_norm"), True)
        mask = dropout_mask(0, "hidden1", 0, (8, 3), 0.5, "units")
        torch.testing.assert_close(block(x), block.norm(block.layer(x) * mask).clamp(min=0))


def test_a_layer_left_without_a_norm_keeps_its_bias():
    normed, bare = (hidden("hidden1", dense_layer(4, 3), cell(norm_bias=False), False, normed=n) for n in (True, False))
    assert isinstance(bare.norm, nn.Identity)
    assert [block.layer.bias is None for block in (normed, bare)] == [True, False]


def cell(**values) -> Cell:
    return Cell(**{"dataset": "mnist", "model": "mlp", "norm": "batch", **values})


def test_the_placement_of_the_cell_reaches_the_block():
    x = torch.randn(8, 4)
    before = hidden("hidden1", dense_layer(4, 3), cell(), dropped=False)(x)
    after = hidden("hidden1", dense_layer(4, 3), cell(norm_placement="post_activation"), dropped=False)(x)
    assert before.min() >= 0  # ends with relu
    assert after.min() < 0
    torch.testing.assert_close(after.mean(0), torch.zeros(3), atol=1e-5, rtol=0)  # ends with the norm


def test_a_bias_is_dropped_only_directly_before_a_norm():
    def has_bias(**values) -> list[bool]:
        kind = dense_layer(4, 3)
        blocks = hidden("hidden1", kind, cell(**values), dropped=False), output(kind, cell(**values))
        return [block.layer.bias is not None for block in blocks]

    assert has_bias() == [True, True]
    assert has_bias(norm_bias=False) == [False, True]
    assert has_bias(norm_bias=False, output_norm=True) == [False, False]
    after = {"norm_placement": "post_activation"}
    assert has_bias(norm_bias=False, output_norm=True, **after) == [True, False]


def test_the_output_layer_is_normed_only_on_request():
    kind = dense_layer(4, 3)
    plain, normed = output(kind, cell()), output(kind, cell(output_norm=True))
    assert isinstance(plain.norm, nn.Identity)
    assert isinstance(normed.norm, nn.BatchNorm1d)
    assert isinstance(normed.activation, nn.Identity)


def test_dropout_keeps_the_expected_value():
    mask = dropout_mask(0, "hidden1", 0, (2000, 50), 0.2, "units")
    assert sorted(set(mask.flatten().tolist())) == [0.0, 1.25]
    assert abs((mask == 0).float().mean().item() - 0.2) < 0.005
    assert abs(mask.mean().item() - 1) < 0.01


def test_whole_maps_are_dropped_on_request():
    maps = dropout_mask(0, "conv1_1", 0, (6, 5, 4, 4), 0.5, "maps")
    assert maps.shape == (6, 5, 1, 1)
    assert 0 < (maps == 0).sum() < 30
    assert dropout_mask(0, "conv1_1", 0, (6, 5, 4, 4), 0.5, "units").shape == (6, 5, 4, 4)
    assert dropout_mask(0, "hidden1", 0, (6, 5), 0.5, "maps").shape == (6, 5)


def dropped(model, x) -> dict[str, torch.Tensor]:
    """Which units each dropout of the model sets to zero."""
    seen = {}
    for block in model.blocks:
        if isinstance(block.dropout, Dropout):
            ones = torch.ones(len(x), block.layer.out_features)
            seen[block.name] = block.dropout(ones) == 0
    return seen


def test_masks_follow_seed_layer_and_step_and_pair_the_cells():
    x = torch.randn(16, 1, 32, 32)
    one, other = (build(cell(norm=norm, dropout=0.5), SHAPE) for norm in ("none", "batch"))
    for model in (one, other):
        set_step(model, 3, 7)
    first = dropped(one, x)
    assert list(first) == ["hidden1", "hidden2", "hidden3"]
    assert all(torch.equal(a, b) for a, b in zip(first.values(), dropped(other, x).values(), strict=True))
    assert not torch.equal(first["hidden1"], first["hidden2"])
    for seed, step in ((3, 8), (4, 7)):
        set_step(one, seed, step)
        assert not torch.equal(dropped(one, x)["hidden1"], first["hidden1"])


def test_a_higher_probability_drops_a_superset():
    some, more = (dropout_mask(0, "hidden1", 0, (64, 100), p, "units") == 0 for p in (0.3, 0.6))
    assert (more | ~some).all()
    assert more.sum() > some.sum()


def test_dropout_acts_in_training_only():
    module, x = Dropout("hidden1", 0.5, "units"), torch.ones(4, 10)
    assert (module(x) == 0).any()
    assert torch.equal(module.eval()(x), x)


def test_global_seeding_plays_no_part_in_dropout():
    module, x = Dropout("hidden1", 0.5, "units"), torch.ones(4, 10)
    torch.manual_seed(1)
    first = module(x)
    torch.manual_seed(2)
    assert torch.equal(module(x), first)
