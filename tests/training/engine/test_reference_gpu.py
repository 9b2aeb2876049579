"""The reference engine on a GPU: what the graph engine leaves to it trains there, twice with the same bits."""

import math

import pytest
import torch
from torch import nn

from bnstudy.training.engine import graph
from bnstudy.training.engine.reference import Reference
from training.engine.on_gpu import DEVICE, GREY, NO_GPU, bits, make, one

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(NO_GPU, reason="no CUDA device")]

CELLS = [
    make(**fields)
    for fields in (
        {"model": "cnn", "norm": "layer", "loss": "squared_hinge", "lr": 0.001},
        {"model": "cnn", "norm": "batch_manual"},
        {"model": "cnn", "norm": "none", "dropconnect": 0.3, "validation_fraction": 0, "schedule": "constant"},
        {"model": "cnn", "augment": "flip_crop_rotation_color_jitter", "steps": 20, "eval_every": 10},
        {"norm": "batch_autograd", "optimizer": "adagrad", "lr": 0.01},
        {"norm": "layer_manual"},
        {"norm_placement": "pre_linear"},
    )
]
"""Made when the tests are collected, on any machine, so that an invalid cell is found without a GPU."""


@pytest.mark.parametrize("cell", CELLS, ids=lambda c: "-".join(f"{v}" for v in c.non_default().values()))
def test_what_the_graph_engine_does_not_know_trains(cell):
    assert not graph.Graph().supports(cell, DEVICE)
    trained = one(cell, engine=Reference())
    assert math.isfinite(trained.epochs["data_loss"][-1])
    assert bits(one(cell, engine=Reference())) == bits(trained)


def test_a_cnn_of_one_channel_trains():
    """Its first convolution has two ways to write its memory layout."""
    assert math.isfinite(one(make(model="cnn", norm="layer"), engine=Reference(), arrays=GREY).epochs["data_loss"][-1])


@pytest.mark.parametrize("model", ["resnet_course", "vgg_course", "numpy_mlp"])
def test_the_course_reports_networks_train(model):
    """1x1 convolutions in one; formulas in numpy in another, which computes on the CPU."""
    cell = make(model=model, epochs=1, lr=0.001)
    assert math.isfinite(one(cell, engine=Reference()).epochs["data_loss"][-1])


@pytest.mark.parametrize("fields", [{"dropout": 0.5, "population": "exact"}, {"norm": "layer"}], ids=str)
def test_the_first_step_is_that_of_a_cpu(fields):
    """The same masks too: they are drawn on the CPU, whatever the device."""
    cell = make(model="cnn", epochs=1, precision="fp32", **fields)
    ours, cpu = one(cell, engine=Reference()), one(cell, engine=Reference(), device="cpu")
    assert ours.first_batch_loss == pytest.approx(cpu.first_batch_loss, rel=1e-5)
    assert ours.epochs["validation_loss"][0] == pytest.approx(cpu.epochs["validation_loss"][0], rel=1e-5)


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_batch_norm_bears_large_inputs(scale):
    """From N(0, 1) the CNN's sums are large; cuDNN's batch norm for channels last may have less range than torch's."""
    generator = torch.Generator().manual_seed(0)
    x, toward = (torch.randn(64, 64, 16, 16, generator=generator) for _ in range(2))
    found = []
    for device in ("cpu", DEVICE):
        given = (scale * x).to(device, memory_format=torch.channels_last).requires_grad_()
        out = nn.BatchNorm2d(64).to(device)(given)
        out.backward(toward.to(device, memory_format=torch.channels_last))
        assert given.grad is not None
        found.append((out.detach().cpu(), scale * given.grad.cpu()))
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-3)
