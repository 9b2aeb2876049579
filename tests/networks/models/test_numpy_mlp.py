"""The numpy network: it is the mlp, it computes by hand, and it trains in the same loop."""

import pytest
import torch
from torch.nn import functional as F

from bnstudy.design.cell import Cell, Run
from bnstudy.networks import activations, byhand, models
from bnstudy.networks.inits import initialize
from bnstudy.training.engine import ENGINES, engine
from bnstudy.training.engine.contract import Keeper
from bnstudy.training.engine.inputs import Inputs
from bnstudy.training.engine.reference import Reference, Training
from bnstudy.training.estimate import flops_per_image

SHAPE = models.ImageShape(1, 8, 8, 10)


def cell(model: str = "numpy_mlp", **fields) -> Cell:
    hidden = {"hidden": [20, 12]}
    return Cell(
        **{"dataset": "digits", "model": model, "norm": "none", "batch_size": 32, "epochs": 2, **hidden, **fields}
    )


def inputs(double: bool = False) -> Inputs:
    """Ten patterns under noise: 320 images to train on, as many for validation and test."""
    g = torch.Generator().manual_seed(3)
    labels = torch.randint(0, 10, (3, 320), generator=g)
    images = torch.randn(10, 1, 8, 8, generator=g)[labels] + 2 * torch.randn(3, 320, 1, 8, 8, generator=g)
    images = images.double() if double else images
    return Inputs(
        train_images=images[0], train_labels=labels[0], validation_images=images[1], validation_labels=labels[1],
        test_images=images[2], test_labels=labels[2], classes=10, data_digest="", data_source="",
        mean=torch.zeros(()), std=torch.ones(()),
    )  # fmt: skip


# the same numbers as torch's


def losses(model: str, steps: int, **fields) -> tuple[list[float], Training]:
    """The loss of each step of the reference engine's own training step, in float64."""
    training = Training(Run(cell(model, **fields), 0), inputs(double=True), "cpu")
    training.model.double()
    training.model.train()
    found, epoch = [], 0
    while len(found) < steps:
        epoch += 1
        for images, labels in training._batches(epoch):
            found.append(training._update(images, labels)[0].item())
    return found[:steps], training


TRAININGS = {
    "Knigge": {"activation": "leaky_relu", "negative_slope": 0.02, "optimizer": "sgd", "lr": 0.1},
    "Lindt": {"activation": "relu", "optimizer": "sgd", "lr": 0.1},
    "Soons": {"activation": "elu", "optimizer": "sgd", "lr": 0.1},
    "batch": {"norm": "batch", "activation": "tanh", "lr": 0.02},
    "batch after": {"norm": "batch", "norm_placement": "post_activation", "optimizer": "sgd", "lr": 0.1},
    "layer": {"norm": "layer", "activation": "sigmoid", "init": "xavier", "optimizer": "adam", "lr": 0.002},
}


@pytest.mark.parametrize("name", TRAININGS)
def test_its_losses_are_those_of_the_torch_mlp(name):
    """From the same weights on the same batches: equal to 1e-6 over 200 steps, by two chains of other arithmetic."""
    (own, training), (torchs, other) = (losses(model, 200, **TRAININGS[name]) for model in ("numpy_mlp", "mlp"))
    assert own == pytest.approx(torchs, rel=0, abs=1e-6)
    assert own[0] == pytest.approx(torchs[0], rel=1e-12)
    assert sum(own[-20:]) < 0.8 * sum(own[:20])  # it moved
    for (key, mine), right in zip(training.model.state_dict().items(), other.model.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-6, atol=1e-6, msg=key)


@pytest.mark.parametrize("name", activations.REGISTRY)
def test_every_nonlinearity_and_norm_has_its_twin(name, monkeypatch):
    """Nothing is left to torch by accident: of a network's parts only the identity and dropout are torch's."""
    calls = []
    for kind in [getattr(byhand, k) for k in byhand.__all__]:
        if isinstance(kind, type) and issubclass(kind, byhand.Module) and kind is not byhand.Module:
            forward = kind.forward
            monkeypatch.setattr(
                kind, "forward", lambda self, x, f=forward: calls.append(type(self).__name__) or f(self, x)
            )
    for norm, called in (("none", []), ("batch", ["BatchNorm"]), ("layer", ["LayerNorm"])):
        calls.clear()
        net = models.build(cell(norm=norm, hidden=[], activation=name), SHAPE)
        net(torch.randn(4, 1, 8, 8))
        assert calls[0] == calls[-1] == "Linear"
        assert calls[1:-2] == called
        assert calls[-2].lower() == name.replace("_", "")


def test_other_norms_stand_between_by_hand_layers_as_they_are():
    net = models.build(cell(norm="batch_manual"), SHAPE)
    assert type(net.blocks[0].norm).__name__ == "BatchManual"


def test_its_own_width_is_the_reports():
    assert [b.layer.out_features for b in models.build(cell(hidden=[]), SHAPE).blocks] == [100, 10]
    assert [b.layer.out_features for b in models.build(cell(hidden=[7, 5]), SHAPE).blocks] == [7, 5, 10]


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_it_starts_where_the_mlp_starts(norm):
    own, other = (models.build(cell(model, norm=norm), SHAPE) for model in ("numpy_mlp", "mlp"))
    initialize(own, cell(norm=norm), 3)
    initialize(other, cell("mlp", norm=norm), 3)
    assert own.state_dict().keys() == other.state_dict().keys()
    for mine, right in zip(own.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(mine, right)


# in the same loop


def trained(run_cell: Cell):
    [(_, found)] = Reference().train([Run(run_cell, 0)], lambda run: inputs(), Keeper(), "cpu")
    return found


def test_a_record_of_it_has_what_that_of_the_mlp_has():
    fields = {"norm": "batch", "epochs": 3, "lr": 0.05}
    own, other = trained(cell(**fields)), trained(cell("mlp", **fields))
    assert own.outcome == "finished"
    assert own.epochs["train_accuracy"][-1] > 30
    assert own.epochs["data_loss"] == pytest.approx(other.epochs["data_loss"], rel=1e-4)
    assert own.layers.keys() == other.layers.keys()
    assert own.layers["names"] == ["hidden1", "hidden2", "output"]
    for column in set(own.layers) - {"names", "epoch", "weights"}:
        for mine, right in zip(own.layers[column], other.layers[column], strict=True):
            assert mine == pytest.approx(right, rel=1e-2, abs=1e-4, nan_ok=True), column
    again = trained(cell(**fields))
    assert again.epochs["weights_digest"] == own.epochs["weights_digest"]


def test_a_network_that_diverges_is_an_outcome_without_a_warning():
    found = trained(cell(optimizer="sgd", lr=1e30, epochs=1))
    assert found.outcome == "diverged"


def test_only_the_reference_engine_takes_it():
    for name in ENGINES:
        for device in ("cpu", "cuda:0"):
            assert engine(name).supports(cell(), device) == (name == "reference")


def test_its_cost_can_be_estimated_without_computing():
    run_cell = Cell(dataset="cifar10", model="numpy_mlp", norm="batch")
    assert flops_per_image(run_cell) == flops_per_image(
        Cell(dataset="cifar10", model="mlp", norm="batch", hidden=[100])
    )  # fmt: skip


def test_two_passes_before_one_backward_do_not_mix():
    net = models.build(cell(), SHAPE)
    one, two = torch.randn(4, 1, 8, 8), torch.randn(4, 1, 8, 8)
    first, _ = net(one), net(two)
    first.square().sum().backward()
    gradients = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    F.mse_loss(net(one), torch.zeros(4, 10), reduction="sum").backward()
    assert all(torch.equal(p.grad, g) for p, g in zip(net.parameters(), gradients, strict=True))
