"""Layers, shapes, parameters and multiplications of networks, against the thesis's networks and torch's own counter."""

import json
from itertools import accumulate

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from bnstudy.design.cell import Cell
from bnstudy.networks import model_summary, models, optimizers
from command_line import call, two_lines


def parameters(**values) -> int:
    return sum(layer.parameters for layer in model_summary.layers(Cell(**values)))


@pytest.mark.parametrize(
    ("model", "dataset", "plain", "normed"),
    [
        ("mlp", "mnist", 123_710, 600),
        ("mlp", "cifar10", 328_510, 600),
        ("mlp", "cifar100", 337_600, 600),
        ("cnn", "mnist", 9_934_282, 7_936),
        ("cnn", "svhn", 9_935_434, 7_936),
        ("cnn", "cifar100", 9_981_604, 7_936),
    ],
)
def test_parameters_of_tables_6_2_and_6_3(model, dataset, plain, normed):
    assert parameters(model=model, dataset=dataset, norm="none") == plain
    assert parameters(model=model, dataset=dataset, norm="batch") == plain + normed


def test_the_shapes_of_table_6_3():
    found = {
        layer.name: layer.output for layer in model_summary.layers(Cell(model="cnn", dataset="cifar10", norm="batch"))
    }
    assert list(found)[:2] == ["conv1_1", "conv1_2"]
    assert (found["conv1_2"], found["conv5_2"]) == ((64, 32, 32), (512, 2, 2))
    assert list(found)[-3:] == ["dense1", "dense2", "output"]
    assert (found["dense2"], found["output"]) == ((512,), (10,))


@pytest.mark.parametrize("model", models.REGISTRY)
def test_every_model_is_told_whole(model):
    """All parameters are in some layer, and torch counts the same multiplications where it makes them."""
    cell = Cell(model=model, dataset="cifar10", norm="batch")
    found = model_summary.layers(cell)
    network = models.build(cell, model_summary.image_shape(cell)).eval()
    assert sum(layer.parameters for layer in found) == sum(p.numel() for p in network.parameters())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, 32, 32))
    if model != "numpy_mlp":
        assert 2 * sum(layer.multiply_adds for layer in found) == counter.get_total_flops()
    assert found[-1].name == "output"


@pytest.mark.parametrize("model", models.REGISTRY)
def test_every_model_can_be_shown(capsys, model):
    shown = call(capsys, "model", model, "--norm", "batch")
    assert shown.code == 0
    assert "parameters" in shown.out


def test_the_verb(capsys):
    words = ["model", "mlp", "mnist_size=native", "--dataset", "mnist", "--norm", "batch"]
    rows = json.loads(call(capsys, *words, "--json").out)
    assert rows[0] == {
        "layer": "hidden1", "modules": ["Linear", "BatchNorm1d", "ReLU"], "output": [100], "parameters": 78_700,
        "multiply_adds": 78_400, "flops": 156_800,
    }  # fmt: skip
    assert (rows[-1]["layer"], rows[-1]["parameters"]) == ("total", 100_310)
    shown = call(capsys, *words)
    assert "100,310 parameters, 0.2 MFLOPs forward for one image" in shown.out


@pytest.mark.parametrize(
    "words", [["vgg"], ["cnn", "--dataset", "mnits"], ["cnn", "mnist_size=native", "--dataset", "mnist"]]
)
def test_what_is_no_network_is_two_lines_and_exit_2(capsys, words):
    ended = call(capsys, "model", *words)
    assert ended.code == 2
    assert two_lines(ended)


@pytest.mark.parametrize("fields", [{"model": "mlp"}, {"model": "cnn", "width": 0.125}], ids=str)
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_memory_of_a_step_is_estimated_to_a_fifth(fields, norm):
    """Measured by torch's profiler on a CPU, where convolutions have a small workspace as well."""
    cell = Cell(dataset="digits", norm=norm, batch_size=128, **fields)
    shape = model_summary.image_shape(cell)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        network = models.build(cell, shape)
        best = {name: value.clone() for name, value in network.state_dict().items()}
        optimizer = optimizers.REGISTRY[cell.optimizer](list(network.parameters()), cell)
        for _ in range(2):
            images = torch.zeros(cell.batch_size, shape.channels, shape.height, shape.width)
            loss = network(images).square().mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    changes = [e.nbytes() for e in profiled.profiler.kineto_results.events() if e.name() == "[memory]"]
    assert len(best) == len(network.state_dict())
    assert model_summary.step_memory(cell, cell.batch_size) == pytest.approx(max(accumulate(changes)), rel=0.2)


def test_memory_grows_with_the_batch_and_not_with_the_images_of_the_data_set():
    cell = Cell(dataset="mnist", model="cnn", norm="none")
    needs = [model_summary.step_memory(cell, size) for size in (64, 128, 256)]
    assert needs[2] - needs[1] == 2 * (needs[1] - needs[0]) > 0
    assert model_summary.rows(cell)[-1]["step_memory"][64] == needs[0]
