"""What the reference engine alone trains with: other losses, dropconnect, augmentation."""

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
OTHER += [{"optimizer": f"{name}_printed", "lr": 0.001} for name in ("adagrad", "adadelta", "adam")]
OTHER += [{"penalty": "elastic_net", "penalty_strength": 1e-4, "elastic_alpha": 0.5}]
OTHER += [{"activation": "elu", "elu_alpha": 0.5}, {"bias_init": 0.01}]
ALONE = [*OTHER, {"schedule": "linear", "decay_until": 10}, {"decay_watch": "loss"}, {"standardization": "zca"}]
"""What no fast engine implements."""
OTHER += [{"penalty": kind, "penalty_strength": 1e-4} for kind in ("l1", "elastic_net")]


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
