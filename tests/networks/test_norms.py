import pytest
import torch

from bnstudy.design.cell import Cell
from bnstudy.errors import UsageError
from bnstudy.networks import models
from bnstudy.networks.norms import REGISTRY, groups

X = torch.tensor([[1.0, -2.0], [2.0, 0.0], [4.0, 5.0], [9.0, 1.0]])


def cell(**values) -> Cell:
    return Cell(dataset="mnist", model="mlp", norm="batch", **values)


def other(norm: str, **values) -> Cell:
    return Cell(dataset="mnist", model="mlp", norm=norm, **values)


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


# layer norm, and both norms from their formulas: torch's own in float64 is right

KINDS = {1: (7, 5), 2: (3, 5, 4, 3)}
FORMULAS = [(name, dims) for name in REGISTRY if "_" in name for dims in KINDS]


def named(name: str, dims: int, **values):
    """A norm of five features in float64 with a scale and a shift that act."""
    norm = REGISTRY[name](5, dims, Cell(dataset="mnist", model="mlp", norm=name, **values)).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.copy_(torch.randn(5, generator=generator))
    return norm


def passes(norm, dims: int, batches: int = 3) -> list[torch.Tensor]:
    """Outputs and gradients for x, scale and shift of some batches in training, the running averages, and an output
    in evaluation with its gradients."""
    generator, seen = torch.Generator().manual_seed(0), []
    for batch in range(batches + 1):
        norm.train(batch < batches)
        x = (3 + 2 * torch.randn(KINDS[dims], generator=generator, dtype=torch.float64)).requires_grad_()
        out = norm(x)
        (out * torch.randn(x.shape, generator=generator, dtype=torch.float64)).sum().backward()
        seen += [out.detach(), x.grad, *(parameter.grad.clone() for parameter in norm.parameters())]
        norm.zero_grad()
    return seen + list(norm.buffers())


@pytest.mark.parametrize(("name", "dims"), FORMULAS)
@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_a_norm_from_formulas_is_torchs_own(name, dims, eps):
    momentum = {"norm_momentum": 0.3} if name.startswith("batch") else {}
    own, oracle = (named(kind, dims, norm_eps=eps, **momentum) for kind in (name, name.partition("_")[0]))
    assert own.state_dict().keys() == oracle.state_dict().keys()
    for found, right in zip(passes(own, dims), passes(oracle, dims), strict=True):
        torch.testing.assert_close(found, right, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("name", "dims"), [case for case in FORMULAS if case[0].startswith("batch")])
def test_a_plain_average_over_batches_is_torchs(name, dims):
    """For population statistics the engine sets the momentum to None (equation 3.2)."""
    own, oracle = (named(kind, dims) for kind in (name, "batch"))
    own.momentum = oracle.momentum = None
    for found, right in zip(passes(own, dims), passes(oracle, dims), strict=True):
        torch.testing.assert_close(found, right, rtol=1e-10, atol=1e-10)
    with pytest.raises(ValueError, match="two samples"):
        own.train()(torch.ones(1, *KINDS[dims][1:2], *(1 for _ in KINDS[dims][2:]), dtype=torch.float64))


@pytest.mark.parametrize("dims", KINDS)
def test_layer_norm_takes_each_image_alone(dims):
    """By hand: mean and biased variance of all values of one image, then a scale and a shift for each unit or map."""
    norm = named("layer", dims)
    x = torch.randn(KINDS[dims], generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    one = x[1]
    expected = (one - one.mean()) / (((one - one.mean()) ** 2).mean() + 1e-5).sqrt()
    per_feature = (5,) + (1,) * (x.dim() - 2)
    expected = norm.weight.view(per_feature) * expected + norm.bias.view(per_feature)
    torch.testing.assert_close(norm(x)[1], expected)
    torch.testing.assert_close(norm.eval()(x[1:2])[0], expected)


def by_hand(x: torch.Tensor, groups: int, centred: bool) -> torch.Tensor:
    """Each group of each image by its own statistics, one value after the other."""
    parts = x.reshape(len(x), groups, -1)
    out = torch.empty_like(parts)
    for i in range(len(x)):
        for g in range(groups):
            values = parts[i, g] - (parts[i, g].mean() if centred else 0)
            out[i, g] = values / (values.square().mean() + 1e-5) ** 0.5
    return out.reshape(x.shape)


@pytest.mark.parametrize("shape", [(3, 100), (3, 64, 4, 4), (3, 8, 2, 3)], ids=str)
def test_group_norm_takes_each_group_of_an_image_alone(shape):
    x = 3 + torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    norm = REGISTRY["group"](shape[1], 2 if len(shape) > 2 else 1, other("group")).double()
    torch.testing.assert_close(norm(x), by_hand(x, norm.num_groups, centred=True))
    torch.testing.assert_close(norm.eval()(x[:1]), norm(x)[:1])


def test_group_norm_of_a_single_value_is_its_shift():
    assert REGISTRY["group"](1, 1, other("group"))(torch.tensor([[5.0]])).item() == pytest.approx(0, abs=1e-3)
    assert REGISTRY["layer"](1, 2, other("layer"))(torch.full((1, 1, 1, 1), 5.0)).item() == pytest.approx(0, abs=1e-3)


def test_group_norm_has_32_groups_or_the_next_lower_divisor():
    assert [groups(n, 2) for n in (512, 64, 100, 8, 37, 1)] == [32, 32, 25, 8, 1, 1]
    assert [groups(n, 1) for n in (512, 100, 64, 25, 8, 7, 3, 1)] == [32, 25, 16, 5, 2, 1, 1, 1]  # at least four units


@pytest.mark.parametrize("dims", KINDS)
def test_rms_norm_divides_each_image_by_its_root_mean_square_and_scales_it(dims):
    norm = named("rms", dims)
    x = 3 + torch.randn(KINDS[dims], generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert [name for name, _ in norm.named_parameters()] == ["weight"]
    per_feature = norm.weight.view((5,) + (1,) * (x.dim() - 2))
    torch.testing.assert_close(norm(x), per_feature * by_hand(x, 1, centred=False))
    torch.testing.assert_close(norm.eval()(x[:1]), norm(x)[:1])


@pytest.mark.parametrize("dims", KINDS)
@pytest.mark.parametrize("name", ["layer", "group", "rms"])
def test_a_norm_may_go_without_scale_and_shift(name, dims):
    norm = REGISTRY[name](5, dims, other(name, norm_affine=False)).double()
    x = 3 + torch.randn(KINDS[dims], generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert list(norm.parameters()) == []
    torch.testing.assert_close(norm(x), by_hand(x, groups(5, dims) if name == "group" else 1, centred=name != "rms"))


@pytest.mark.parametrize(("name", "dims"), FORMULAS)
def test_float32_and_bf16_inputs_give_float32(name, dims):
    x = torch.randn(KINDS[dims], generator=torch.Generator().manual_seed(2))
    norm = named(name, dims).float()
    assert norm(x).dtype == torch.float32
    assert norm(x.bfloat16()).dtype == torch.float32
    torch.testing.assert_close(norm(x).double(), named(name, dims)(x.double()), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "dims"), [case for case in FORMULAS if case[0].endswith("manual")])
def test_a_backward_pass_by_hand_is_that_of_differences(name, dims):
    norm = named(name, dims)
    x = torch.randn(KINDS[dims], generator=torch.Generator().manual_seed(2), dtype=torch.float64, requires_grad=True)
    parameters = [p.detach().clone().requires_grad_() for p in norm.parameters()]

    def function(x, weight, bias):
        return torch.func.functional_call(norm, {"weight": weight, "bias": bias}, (x,))

    assert torch.autograd.gradcheck(function, (x, *parameters))


def test_a_norm_that_returns_nothing_is_refused(monkeypatch):
    """It would train a vanilla network under its name."""
    monkeypatch.setitem(REGISTRY, "forgetful", lambda features, dims, cell: None)
    cell = Cell(dataset="toy", model="mlp", norm="forgetful")
    with pytest.raises(UsageError, match="norm forgetful: its function returned nothing"):
        models.build(cell, models.ImageShape(1, 8, 8, 2))
