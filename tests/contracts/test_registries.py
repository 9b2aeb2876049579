"""What every entry of every registry owes: a new entry is tested here without a new test."""

import math
import subprocess
import sys
from typing import get_args

import pytest
import torch
from torch.nn.functional import cross_entropy

from bnstudy.design.cell import Cell
from bnstudy.design.fields import HINTS
from bnstudy.errors import UsageError
from bnstudy.networks import activations, inits, losses, models, norms, optimizers, penalties, schedules
from bnstudy.networks.inits import initialize
from bnstudy.networks.models.block import set_step

SHAPE = models.ImageShape(3, 32, 32, 10)
NEEDED = {"normal": {"init_std": 0.05}, "l1": {"penalty_strength": 1e-4}, "l2": {"penalty_strength": 1e-4},
          "elastic_net": {"penalty_strength": 1e-4}, "scheduled": {"decay_at": [1]}}  # fmt: skip
REGISTRIES = {
    "norm": norms.REGISTRY,
    "activation": activations.REGISTRY,
    "init": inits.REGISTRY,
    "loss": losses.REGISTRY,
    "penalty": penalties.REGISTRY,
    "optimizer": optimizers.REGISTRY,
    "schedule": schedules.REGISTRY,
}
ENTRIES = [(field, name) for field, registry in REGISTRIES.items() for name in registry]
PLACEMENTS = get_args(HINTS["norm_placement"])
LIGHT = (
    *("augmentations", "activations", "inits", "losses", "models", "norms", "optimizers", "penalties", "schedules"),
    "random_streams",
)
"""Modules of `networks` that are imported to check a config, and so must import nothing heavy."""


SMALL = {
    "mlp": {"dropout": 0.2}, "cnn": {"dropout": 0.2, "width": 1 / 8}, "vgg_course": {"width": 1 / 16},
    "resnet_course": {"width": 1 / 32, "init": "torch_default"},  # what its units add up would grow with kaiming's
}  # fmt: skip


def narrow(model: str, **values) -> Cell:
    """A cell of this model, with dropout where it has any, small enough for a test."""
    extra = {k: v for value in values.values() for k, v in NEEDED.get(value, {}).items()}
    return Cell(**{"dataset": "cifar10", "model": model, "norm": "batch", **SMALL.get(model, {}), **values, **extra})


def is_cell(model: str, **values) -> bool:
    """Whether this model can have these values."""
    try:
        return bool(narrow(model, **values))
    except UsageError:
        return False


STUCK = [("init", "zeros")]
"""Entries under which nothing but the output layer's biases moves: tests/networks/test_inits.py."""
SLOW = ("densenet121",)  # its entries act as those of any other network; tests/networks/models/test_course_networks.py
CASES = [
    (model, field, name)
    for model in models.REGISTRY
    for field, name in ENTRIES
    if model not in SLOW and (field, name) not in STUCK and is_cell(model, **{field: name})
]
NORMED = [(model, norm) for model in models.REGISTRY for norm in norms.REGISTRY if is_cell(model, norm=norm)]


def batch(scale: float = 0.1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = scale * torch.randn(16, SHAPE.channels, SHAPE.height, SHAPE.width, generator=generator)
    return images, torch.randint(SHAPE.classes, (16,), generator=generator)


def fresh(cell: Cell):
    model = models.build(cell, SHAPE)
    initialize(model, cell, 0)
    return model


def train(cell: Cell, steps: int = 2) -> tuple[torch.nn.Module, list[float]]:
    """The model after some steps on one batch, and the loss before each."""
    model, lost, criterion = fresh(cell), [], losses.REGISTRY[cell.loss]("mean", cell)
    optimizer = optimizers.REGISTRY[cell.optimizer](model.parameters(), cell)
    images, classes = batch()
    for step in range(steps):
        set_step(model, 0, step)
        optimizer.param_groups[0]["lr"] = schedules.REGISTRY[cell.schedule](cell, step + 1)
        optimizer.zero_grad()
        loss = criterion(model(images), classes)
        (loss + penalties.REGISTRY[cell.penalty](penalties.penalized(model, cell), cell)).backward()
        optimizer.step()
        lost.append(loss.item())
    return model, lost


@pytest.mark.parametrize(("model", "field", "name"), CASES)
def test_two_steps_move_every_parameter_and_stay_finite(model, field, name):
    cell = narrow(model, **{field: name})
    trained, _ = train(cell)
    for (path, before), after in zip(fresh(cell).named_parameters(), trained.parameters(), strict=True):
        assert after.grad is not None, path
        assert torch.isfinite(after.grad).all(), path
        assert torch.isfinite(after).all(), path
        if not path.endswith("layer.bias"):  # before a batch norm a bias changes nothing: its gradient is rounding
            assert after.grad.any(), path
            assert not torch.equal(before, after), path


@pytest.mark.parametrize(("model", "norm"), NORMED)
def test_the_first_loss_is_near_that_of_guessing(model, norm):
    """Section 7: ln 10 = 2.3 for ten classes. Inputs are small, since they decide a vanilla network's logits; those of
    normalized units have a variance v of about 1, and random logits cost about v / 2 more."""
    images, classes = batch(0.01)
    loss = cross_entropy(fresh(narrow(model, norm=norm, dropout=0.0))(images), classes).item()
    assert abs(loss - math.log(10)) < (0.1 if norm == "none" else 1.0)


@pytest.mark.parametrize(
    ("model", "norm", "placement"),
    [
        (model, norm, p)
        for model, norm in NORMED
        for p in PLACEMENTS
        if model not in SLOW and is_cell(model, norm=norm, norm_placement=p)
    ],
)
def test_twenty_steps_on_one_batch_lower_the_loss(model, norm, placement):
    _, lost = train(narrow(model, norm=norm, norm_placement=placement, dropout=0.0), steps=20)
    assert lost[-1] < lost[0] - 0.05


@pytest.mark.parametrize(("model", "field", "name"), CASES)
def test_training_repeats_bit_for_bit(model, field, name):
    cell = narrow(model, **{field: name})
    (first, lost), (second, again) = train(cell), train(cell)
    assert lost == again
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize("model", models.REGISTRY)
def test_every_model_has_named_blocks_and_ends_in_its_output_layer(model):
    net = fresh(narrow(model))
    names = [block.name for block in net.blocks]
    assert len(set(names)) == len(names)
    assert names[-1] == "output"
    assert net(batch()[0]).shape == (16, SHAPE.classes)
    in_blocks = {id(p) for block in net.blocks for p in block.parameters()}
    assert in_blocks == {id(p) for p in net.parameters()}


@pytest.mark.parametrize(("model", "norm"), NORMED)
def test_in_evaluation_an_image_is_answered_alone_as_in_its_batch(model, norm):
    net, _ = train(narrow(model, norm=norm))
    images = batch()[0]
    with torch.no_grad():
        together, alone = net.eval()(images), net(images[:1])
    torch.testing.assert_close(together[:1], alone, rtol=1e-4, atol=1e-5)


def test_importing_the_choices_imports_neither_torch_nor_pandas_nor_matplotlib():
    imports = "\n".join(["import bnstudy.studies.choices", *(f"import bnstudy.networks.{m}" for m in LIGHT)])
    heavy = "{'torch', 'torchvision', 'pandas', 'matplotlib', 'numpy', 'pydantic'}"
    code = f"import sys\n{imports}\nprint(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
