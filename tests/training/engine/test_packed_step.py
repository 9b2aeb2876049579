"""The derivation of docs/derivation.md against autograd, and a step of it against torch's optimizer, in float64."""

import pytest
import torch
from torch.nn import functional as F

from bnstudy.design.cell import Cell, Run
from bnstudy.networks import inits, models, penalties
from bnstudy.networks.models import ImageShape
from bnstudy.networks.models.block import dropout_mask, set_step
from bnstudy.training.engine.contract import Keeper
from bnstudy.training.engine.inputs import Inputs
from bnstudy.training.engine.packed.activations import NAMES
from bnstudy.training.engine.packed.layout import Layout
from bnstudy.training.engine.packed.member import Member
from bnstudy.training.engine.packed.stack import Stack
from bnstudy.training.engine.packed.step import Network

SHAPE = ImageShape(1, 8, 8, 10)
NORMS = {
    "none": {"norm": "none"},
    "before": {"norm": "batch"},
    "after": {"norm": "batch", "norm_placement": "post_activation"},
    "every second": {"norm": "batch", "normed_layers": "every_second"},
    "layer": {"norm": "layer"},
    "group": {"norm": "group"},
    "rms": {"norm": "rms"},
    "rms after": {"norm": "rms", "norm_placement": "post_activation"},
    "group first": {"norm": "group", "normed_layers": "first"},
}
DROPOUTS = [{}, *({"dropout": 0.5, "dropout_at": place} for place in ("default", "last", "before_norm"))]


def make(**fields) -> Cell:
    return Cell(**{"dataset": "toy", "model": "mlp", "norm": "none", "batch_size": 16, **fields})


def random_inputs(n: int = 40) -> Inputs:
    g = torch.Generator().manual_seed(7)
    images, labels = torch.randn(3, n, 1, 8, 8, generator=g).double(), torch.randint(0, 10, (3, n), generator=g)
    return Inputs(
        train_images=images[0], train_labels=labels[0], validation_images=images[1], validation_labels=labels[1],
        test_images=images[2], test_labels=labels[2], classes=10, data_digest="", data_source="",
        mean=torch.zeros(()), std=torch.ones(()),
    )  # fmt: skip


def model_of(cell: Cell, shift: float = 0.1):
    """The nn.Module in float64, moved away from zero biases and unit scales."""
    model = models.build(cell, SHAPE)
    inits.initialize(model, cell, 3)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.double().parameters():
            parameter += shift * torch.randn(parameter.shape, generator=generator).double()
    return model


def relative(found: torch.Tensor, wanted: torch.Tensor, scale: float) -> float:
    """A bias before batch norm has no gradient but rounding, so the norm counts as at least a share of `scale`."""
    return float((found - wanted).detach().norm() / max(float(wanted.detach().norm()), 1e-3 * scale))


@pytest.mark.parametrize("batch", [16, 41])
@pytest.mark.parametrize("dropout", DROPOUTS, ids=lambda d: d.get("dropout_at", "none"))
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("activation", NAMES)
def test_gradients_are_those_of_autograd(activation, norm, dropout, batch):
    cell = make(activation=activation, batch_size=batch, **NORMS[norm], **dropout)
    model = model_of(cell)
    images, labels = random_inputs(batch).train_images, random_inputs(batch).train_labels
    layout = Layout(model.state_dict())
    point, running = (torch.stack([row, row]) for row in layout.rows(model.state_dict()))
    gradient = torch.zeros_like(point)
    network = Network(cell, layout, [1, 1], batch, point, running, gradient)
    for buffer in network.images:
        buffer.copy_(images.flatten(1))
    network.labels.copy_(labels)
    for layer, plane in network.masks.items():
        plane.view.copy_(dropout_mask(3, layer, 5, (batch, 100), cell.dropout, "units").t())
    assert len(network.masks) == {None: 0, "last": 1}.get(dropout.get("dropout_at"), 3)
    network.forward()
    network.backward()
    network.track()

    set_step(model, 3, 5)
    logits = model(images)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    assert float(network.loss.losses[1].mean()) == pytest.approx(loss.item(), rel=1e-12)
    assert torch.equal(network.loss.answers[0], logits.argmax(1))
    found = layout.state(gradient[1], running[1])
    scale = max(float(p.grad.norm()) for p in model.parameters())
    for name, parameter in model.named_parameters():
        assert relative(found[name], parameter.grad, scale) < 1e-10, name
    for name, buffer in model.named_buffers():
        if "running" in name:
            assert relative(found[name], buffer, 1) < 1e-10, name
    model.eval()
    evaluation = Network(cell, layout, [2], batch, point, running)
    evaluation.images[0].copy_(images.flatten(1))
    evaluation.forward()
    assert relative(evaluation.logits.view[0].t(), model(images), 1) < 1e-10


UPDATES = {
    "plain": {},
    "torch": {"nesterov": "torch"},
    "momentum": {"optimizer": "momentum"},
    "sgd": {"optimizer": "sgd"},
    "l1": {"penalty": "l1", "penalty_strength": 0.01},
    "l2": {"penalty": "l2", "penalty_strength": 0.01},
    "l2 half": {"penalty": "l2", "penalty_strength": 0.01, "penalty_factor": 0.5, "penalty_on": "all"},
    "elastic": {"penalty": "elastic_net", "penalty_strength": 0.01},
    "dropout": {"dropout": 0.5},
    "kept": {"last_batch": "keep"},
}


def reference_epochs(cell: Cell, data: Inputs, member: Member, rates: list[float]):
    """Equation 2.15, or the other rules, by autograd: the model after one epoch at each rate, and the penalties."""
    model = models.build(cell, data.shape)
    inits.initialize(model, cell, 0)
    model.double()
    parameters, seen = list(model.parameters()), []
    velocity = [torch.zeros_like(p) for p in parameters]
    step, mu = 0, 0.0 if cell.optimizer == "sgd" else cell.momentum
    ahead = cell.optimizer == "nesterov"
    for epoch, lr in enumerate(rates):
        member.protocol.epoch = epoch
        order = member.order_of(len(data.train_labels))
        for chosen in order.split(cell.batch_size):
            if len(chosen) < cell.batch_size and cell.last_batch == "drop":
                continue
            with torch.no_grad():
                for p, v in zip(parameters, velocity, strict=True):
                    p += mu * v if ahead else 0
            set_step(model, 0, step)
            penalty = penalties.REGISTRY[cell.penalty](penalties.penalized(model, cell), cell)
            loss = F.cross_entropy(model(data.train_images[chosen]), data.train_labels[chosen])
            gradients = torch.autograd.grad(loss + penalty, parameters)
            with torch.no_grad():
                for p, v, g in zip(parameters, velocity, gradients, strict=True):
                    p -= mu * v if ahead else 0
                    v.mul_(mu).sub_(lr * g)
                    p += v
            seen.append((loss.item(), penalty.item()))
            step += 1
    return model, seen


@pytest.mark.parametrize("norm", ["none", "before"])
@pytest.mark.parametrize("update", [u for u in UPDATES if u not in ("torch", "momentum")])
def test_stored_parameters_follow_the_equations_also_when_the_rate_falls(update, norm):
    cell, data = make(**NORMS[norm], **UPDATES[update]), random_inputs()
    member = Member(Run(cell, 0), data)
    stack = Stack([member], data)
    model, seen = reference_epochs(cell, data, Member(Run(cell, 0), data), [0.01, 0.004])
    stack.epoch(Keeper())
    member.protocol.lr = 0.004
    stack.epoch(Keeper())
    found = stack.layout.state(*member.stored())
    for name, wanted in model.state_dict().items():
        if name in found:
            assert relative(found[name], wanted, 1) < 1e-10, name
    epochs, steps = member.history.epochs(), len(seen) // 2
    assert epochs["data_loss"] == pytest.approx([sum(x for x, _ in seen[i : i + steps]) / steps for i in (0, steps)])
    assert epochs["penalty"] == pytest.approx([sum(x for _, x in seen[i : i + steps]) / steps for i in (0, steps)])


@pytest.mark.parametrize("update", UPDATES)
def test_one_step_is_that_of_torch(update):
    """At a constant rate all rules are torch's SGD; the point, not the stored parameters, is what torch keeps."""
    cell, data = make(**UPDATES[update]), random_inputs(16)
    member = Member(Run(cell, 0), data)
    model = models.build(cell, data.shape)
    inits.initialize(model, cell, 0)
    model.double()
    mu = 0.0 if cell.optimizer == "sgd" else 0.9
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=mu, nesterov=cell.optimizer == "nesterov")
    order = member.order_of(16)
    Stack([member], data).epoch(Keeper())
    set_step(model, 0, 0)
    penalty = penalties.REGISTRY[cell.penalty](penalties.penalized(model, cell), cell)
    (F.cross_entropy(model(data.train_images[order]), data.train_labels[order]) + penalty).backward()
    optimizer.step()
    found = member.layout.state(member.point, member.running)
    for name, wanted in model.state_dict().items():
        assert relative(found[name], wanted, 1) < 1e-10, name
    stored = member.layout.state(*member.stored())
    same = all(torch.equal(stored[name], found[name]) for name in found)
    assert same == (cell.optimizer != "nesterov" or cell.nesterov == "torch")
