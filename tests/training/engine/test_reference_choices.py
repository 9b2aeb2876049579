"""What the reference engine alone trains with: other losses, dropconnect, augmentation."""

import math

import pytest
import torch
from torch.nn import functional as F

from bnstudy import datasets
from bnstudy.design.cell import Cell, Run
from bnstudy.errors import UsageError
from bnstudy.networks import augmentations, losses, models
from bnstudy.networks.models.block import DropConnect, set_step, without_dropout
from bnstudy.training import engine
from bnstudy.training.engine.contract import Keeper
from bnstudy.training.engine.inputs import prepare
from bnstudy.training.engine.observation import evaluate
from bnstudy.training.engine.reference import Training


def cell(**values) -> Cell:
    return Cell(**{"dataset": "toy", "model": "mlp", "norm": "batch", "epochs": 2, **values})


def training(one: Cell, seed: int = 0) -> Training:
    return Training(Run(one, seed), prepare(one, seed, datasets.load("toy")), "cpu")


OTHER = [{"loss": "hinge"}, {"loss": "squared_hinge"}, {"dropconnect": 0.5}, {"augment": "flip_crop"}]
OTHER += [{"loss": "hinge_sum", "hinge_delta": 2.0}, {"optimizer": "adam", "mean_decay": 0.5}]
OTHER += [{"penalty": "elastic_net", "penalty_strength": 1e-4, "elastic_alpha": 0.5}]
OTHER += [{"activation": "elu", "elu_alpha": 0.5}, {"bias_init": 0.01}, {"loss": "squared_error"}]
OTHER += [{"norm_affine": False}, {"norm": "layer", "norm_affine": False}, {"trained_layers": "output"}]
OTHER += [{"schedule": "linear", "schedule_by": "step", "decay_until": 16}, {"augment": "scale_translation"}]
ALONE = [*OTHER, {"schedule": "linear", "decay_until": 10}, {"decay_watch": "loss"}, {"standardization": "zca"}]
"""What no fast engine implements."""
OTHER += [{"penalty": kind, "penalty_strength": 1e-4} for kind in ("l1", "elastic_net")]
OTHER += [{"optimizer": f"{name}_printed", "lr": 0.001} for name in ("adagrad", "adadelta", "adam")]


@pytest.mark.parametrize("values", OTHER, ids=str)
def test_each_trains_and_repeats_bit_for_bit_and_is_not_the_default(values):
    trained = [training(cell(**values)).epoch(Keeper()) for _ in range(2)]
    for row in trained:
        row.pop("seconds")
    assert trained[0] == trained[1]
    assert trained[0]["weights_digest"] != training(cell()).epoch(Keeper())["weights_digest"]


@pytest.mark.parametrize("values", ALONE, ids=str)
@pytest.mark.parametrize(("name", "device"), [("packed", "cpu"), ("graph", "cuda:0")])
def test_no_fast_engine_takes_them(values, name, device):
    fast = engine.engine(name)
    assert fast.supports(cell(), device)
    assert not fast.supports(cell(**values), device)


@pytest.mark.parametrize("loss", losses.REGISTRY)
def test_training_learns_and_evaluation_measures_by_the_cells_loss(loss):
    run = training(cell(loss=loss, lr=0.05))
    before, after = run.history, run.epoch(Keeper())
    rows = before.epochs()
    assert rows["validation_loss"][1] == after["validation_loss"] < rows["validation_loss"][0]
    images, labels = run.validation
    logits = run.model.eval()(images)
    wanted = {
        "cross_entropy": F.cross_entropy(logits, labels),
        "hinge": F.multi_margin_loss(logits, labels),
        "squared_hinge": F.multi_margin_loss(logits, labels, p=2),
        "hinge_sum": 10 * F.multi_margin_loss(logits, labels),
        "squared_hinge_sum": 10 * F.multi_margin_loss(logits, labels, p=2),
        "squared_error": 10 * F.mse_loss(logits, F.one_hot(labels, 10).float()),
    }[loss]
    assert evaluate(run.model, images, labels, run.summed)[1] == pytest.approx(wanted.item(), rel=1e-5)


def test_augmentation_touches_training_batches_alone(monkeypatch):
    calls = []

    def brighter(pixels, generator):
        calls.append(len(pixels))
        return pixels + 1

    monkeypatch.setitem(augmentations.REGISTRY, "brighter", (brighter,))
    one = cell(augment="brighter", population="exact", epochs=1)
    run = training(one)
    run.epoch(Keeper())
    run.finish()
    assert calls == [one.batch_size] * run.batches


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_dropconnect_masks_the_weights_of_every_layer_and_of_no_other_step(model):
    shape = models.ImageShape(1, 32, 32, 10)
    net = models.build(cell(model=model, norm="none", dropconnect=0.5, width=1 / 8), shape)
    plain = models.build(cell(model=model, norm="none", width=1 / 8), shape)
    assert net.state_dict().keys() == plain.state_dict().keys()
    plain.load_state_dict(net.state_dict())
    images = torch.randn(4, 1, 32, 32)
    set_step(net, 0, 5)
    for block in net.blocks:
        mask = block.dropconnect.mask(block.layer.weight.shape)
        assert set(mask.unique().tolist()) <= {0.0, 2.0}
        assert 0.2 < (mask == 0).float().mean() < 0.8
    dropped = net(images)
    with torch.no_grad():
        for block in plain.blocks:
            like = DropConnect(block.name, 0.5)
            like.step = 5
            block.layer.weight *= like.mask(block.layer.weight.shape)
    torch.testing.assert_close(dropped, plain(images))
    set_step(net, 0, 6)
    assert not torch.equal(net(images), dropped)


def test_without_dropconnect_and_in_evaluation_all_weights_count():
    net = models.build(cell(norm="none", dropconnect=0.5, dropout=0.5), models.ImageShape(1, 32, 32, 10))
    images = torch.randn(4, 1, 32, 32)
    whole = net.eval()(images)
    net.train()
    assert not torch.equal(net(images), whole)
    without_dropout(net)
    assert torch.equal(net(images), whole)
    net.train()
    assert not torch.equal(net(images), whole)


def test_dropconnect_leaves_the_gradient_of_a_dropped_weight_at_zero():
    net = models.build(cell(norm="none", dropconnect=0.9), models.ImageShape(1, 32, 32, 10))
    set_step(net, 2, 1)
    net(torch.randn(16, 1, 32, 32)).square().sum().backward()
    for block in net.blocks:
        dropped = block.dropconnect.mask(block.layer.weight.shape) == 0
        assert not block.layer.weight.grad[dropped].any()
        assert block.layer.weight.grad.any()


def test_a_model_without_dropconnect_refuses_it():
    with pytest.raises(UsageError, match="dropconnect: has no effect here"):
        cell(model="vgg_course", dropconnect=0.5)


def test_a_schedule_by_step_changes_the_rate_within_an_epoch():
    """Toy has 8 batches of 64 an epoch; equation 2.22 counts iterations."""
    run = training(cell(schedule="linear", schedule_by="step", decay_until=12, lr_min=0.0))
    rates, update = [], run._update

    def noted(*arguments):
        rates.append(run.optimizer.param_groups[0]["lr"])
        return update(*arguments)

    run._update = noted
    rows = [run.epoch(Keeper()) for _ in range(2)]
    assert rates == pytest.approx([0.01 * (1 - min(step, 12) / 12) for step in range(16)])
    assert [row["lr"] for row in rows] == [rates[7], rates[15]]


def test_a_schedule_by_step_goes_on_after_an_interruption():
    one = cell(schedule="exponential", schedule_by="step", decay_rate=0.1)
    through, stopped = training(one), training(one)
    stopped.epoch(Keeper())
    resumed = training(one)
    resumed.restore(stopped.state())
    through.epoch(Keeper())
    ends = [run.epoch(Keeper()) for run in (through, resumed)]
    assert ends[0]["weights_digest"] == ends[1]["weights_digest"]
    assert ends[0]["lr"] == ends[1]["lr"] == pytest.approx(0.01 * math.exp(-0.1 * 15))


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_a_norm_without_gamma_and_beta_only_normalizes(norm, model):
    network = models.build(
        cell(norm=norm, norm_affine=False, model=model, width=0.05), models.ImageShape(1, 32, 32, 10)
    )
    assert all(not list(block.norm.parameters()) for block in network.blocks)
    seen = []
    network.blocks[0].norm.register_forward_hook(lambda _module, _inputs, output: seen.append(output.detach()))
    network(torch.rand(16, 1, 32, 32, generator=torch.Generator().manual_seed(3)))
    assert abs(seen[0].mean()) < 1e-5
    assert seen[0].std(correction=0) == pytest.approx(1.0, abs=0.02)


def test_with_a_frozen_body_the_output_layer_alone_learns():
    run = training(cell(trained_layers="output", penalty="l2", penalty_strength=0.001, lr=0.1))
    before = {name: value.clone() for name, value in run.model.named_parameters()}
    rows = [run.epoch(Keeper()) for _ in range(2)]
    changed = {name for name, value in run.model.named_parameters() if not torch.equal(value, before[name])}
    output = run.model.blocks[-1].layer
    assert {id(dict(run.model.named_parameters())[name]) for name in changed} == {id(output.weight), id(output.bias)}
    assert rows[1]["data_loss"] < rows[0]["data_loss"]
    with torch.no_grad():
        expected = 0.001 * before[output_name(run)].square().sum()
    assert run.history.epochs()["penalty"][0] == pytest.approx(float(expected), rel=1e-5)  # of what is trained


def output_name(run: Training) -> str:
    return next(name for name, value in run.model.named_parameters() if value is run.model.blocks[-1].layer.weight)
