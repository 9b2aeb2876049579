"""The networks of the course reports: layouts, sizes by hand, widths, and the weights of DenseNet-121."""

import hashlib
import json
import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from bnstudy import paths
from bnstudy.datasets import Arrays
from bnstudy.design.cell import Cell, Run
from bnstudy.errors import DataError, UsageError
from bnstudy.networks.inits import initialize
from bnstudy.networks.models import ImageShape, build, densenet121, mlp
from bnstudy.training import train
from bnstudy.training.engine.contract import Keeper
from bnstudy.training.engine.inputs import Inputs, prepare
from bnstudy.training.engine.reference import Training
from command_line import call

GREY, COLOUR = ImageShape(1, 28, 28, 10), ImageShape(3, 32, 32, 10)


def make(model: str, **fields) -> Cell:
    return Cell(**{"dataset": "cifar10", "model": model, "norm": "none"} | fields)


def network(model: str, shape: ImageShape = COLOUR, **fields):
    return build(make(model, **fields), shape)


def size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


# ---- mlp


@pytest.mark.parametrize("hidden", [(100,), (900, 500, 350, 150, 50), (1024, 512, 256, 128)])
def test_an_mlp_of_any_widths_has_the_layers_and_weights_of_these_widths(hidden):
    net = network("mlp", hidden=list(hidden))
    assert [tuple(b.layer.weight.shape) for b in net.blocks] == list(
        zip((*hidden, 10), (3072, *hidden), strict=True)
    )  # fmt: skip
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_the_widths_that_a_cell_may_not_repeat_are_the_models_own():
    with pytest.raises(UsageError, match="own widths"):
        make("mlp", hidden=list(mlp.HIDDEN))


def test_pre_linear_puts_a_norm_of_its_inputs_before_each_linear_layer():
    """Soons 2.1: the first layer and the output layer have one too."""
    net = network("mlp", norm="batch", norm_placement="pre_linear", hidden=[20, 15])
    assert [b.norm.num_features for b in net.blocks] == [3072, 20, 15]
    seen = []
    for block in net.blocks:
        block.layer.register_forward_hook(lambda _, inputs, out: seen.append(inputs[0]))
    net(7 + 50 * torch.randn(64, 3, 32, 32))
    for inputs in seen:
        torch.testing.assert_close(inputs.mean(0), torch.zeros(inputs.shape[1]), atol=1e-4, rtol=0)
    assert all(b.layer.bias is not None for b in net.blocks)


# ---- the course's VGG and ResNet


def conv(inputs: int, maps: int, kernel: int = 3) -> int:
    return inputs * maps * kernel**2 + maps


def test_the_courses_vgg_has_its_layers():
    net = network("vgg_course", norm="batch")
    maps = [3, 64, 128, 256, 256, 512, 512, 512, 512]
    assert [b.layer.weight.shape[0] for b in net.blocks] == [*maps[1:], 10]
    norms = sum(2 * n for n in maps[1:])
    assert size(net) == sum(conv(a, b) for a, b in pairwise(maps)) + norms + 512 * 10 + 10
    sides = []
    for block in net.blocks[:-1]:
        block.register_forward_hook(lambda _, inputs, out: sides.append(inputs[0].shape[-1]))
    net.eval()(torch.zeros(1, 3, 32, 32))
    assert sides == [32, 16, 8, 8, 4, 4, 2, 2]


def test_the_courses_resnet_has_its_units():
    net = network("resnet_course", norm="batch")
    units = {64: 1, 128: 2, 256: 2, 512: 4}
    per_unit = {n: 2 * (conv(n, n) + 2 * n) for n in units}
    widened = conv(64, 128, 1) + conv(128, 256, 1) + conv(256, 512, 1)
    expected = conv(3, 64) + sum(per_unit[n] * k for n, k in units.items()) + widened + 512 * 10 + 10
    assert size(net) == expected
    assert " ".join(b.name for b in net.blocks).startswith("conv0 unit1_1a unit1_1b conv1 unit2_1a unit2_1b unit2_2a")


def test_a_unit_adds_what_it_computes_to_what_comes_in():
    """With convolutions of zero a unit is the identity, so only conv0, the 1x1 convolutions and the pooling act."""
    net = network("resnet_course", norm="batch", width=1 / 16).eval()
    for block in net.blocks:
        if block.name.startswith("unit"):
            nn.init.zeros_(block.layer.weight)
            nn.init.zeros_(block.layer.bias)
    images = torch.randn(2, 3, 32, 32)
    x = images
    for name in ("conv0", "conv1", "conv2", "conv3"):
        x = next(b for b in net.blocks if b.name == name).layer(x)
        x = x if name == "conv0" else nn.functional.max_pool2d(x, 3, 2, 1)
    for _ in range(2):
        x = nn.functional.max_pool2d(x, 3, 2, 1)
    torch.testing.assert_close(net(images), net.blocks[-1].layer(x.flatten(1)))


@pytest.mark.parametrize("model", ["vgg_course", "resnet_course"])
def test_they_take_images_of_any_size_and_any_width(model):
    assert network(model, GREY, width=1 / 32)(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    tall = ImageShape(3, 96, 40, 7)
    assert network(model, tall, width=1 / 32)(torch.zeros(2, 3, 96, 40)).shape == (2, 7)


# ---- DenseNet-121


@pytest.fixture(scope="module")
def official():
    """A network as torchvision makes it, with weights no initialization of ours gives."""
    from torchvision.models import densenet121 as torchvisions

    torch.manual_seed(5)
    return torchvisions(weights=None)


@pytest.fixture
def weights(official, tmp_path, monkeypatch):
    """Its weights as a file with the names of the official one."""
    new = re.compile(r"(denselayer\d+\.(?:norm|conv))([12])\.")
    file = tmp_path / densenet121.FILE
    torch.save({new.sub(r"\1.\2.", k): v for k, v in official.state_dict().items()}, file)
    monkeypatch.setattr(densenet121, "DIGEST", hashlib.sha256(file.read_bytes()).hexdigest()[:8])
    monkeypatch.setenv("BNSTUDY_DATA", str(tmp_path))
    return file


def test_densenet121_has_121_weight_layers_and_an_output_layer_of_ten():
    net = network("densenet121", norm="batch")
    assert len(net.blocks) == 121
    assert size(net) == 7_978_856 - 1024 * 1000 - 1000 + 1024 * 10 + 10  # torchvision documents 7,978,856
    assert network("densenet121", ImageShape(1, 32, 32, 10), norm="batch")(torch.zeros(2, 1, 32, 32)).shape == (2, 10)


def test_pretrained_weights_stay_when_the_network_is_initialized(official, weights):
    cell = make("densenet121", norm="batch", pretrained=True, init="torch_default")
    net = build(cell, COLOUR)
    initialize(net, cell, 0)
    images = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(net.eval().features(images), official.eval().features(images))
    assert net.classifier.weight.abs().max() <= 1 / 32  # drawn: uniform within 1 / sqrt(1024)
    assert len(set(net.classifier.weight.flatten()[:50].tolist())) > 40


def test_with_a_frozen_body_the_pretrained_weights_stay_while_the_output_layer_is_trained(official, weights):
    draw = np.random.default_rng(0).integers
    pixels, labels = draw(0, 256, (24, 3, 32, 32), dtype=np.uint8), draw(0, 10, 24)
    arrays = Arrays(train_images=pixels, train_labels=labels, test_images=pixels[:8], test_labels=labels[:8],
                    digest="d", source="imported")  # fmt: skip
    cell = make("densenet121", norm="batch", pretrained=True, trained_layers="output", validation_fraction=0,
                schedule="constant", optimizer="adam", batch_size=8, steps=2, eval_every=2)  # fmt: skip
    run = Training(Run(cell, 0), prepare(cell, 0, arrays), "cpu")
    drawn = run.model.classifier.weight.clone()
    run.epoch(Keeper())
    for name, value in official.features.named_parameters():
        assert torch.equal(run.model.features.get_parameter(name), value), name
    assert not torch.equal(run.model.classifier.weight, drawn)


def test_without_pretrained_all_is_drawn(official):
    cell = make("densenet121", norm="batch")
    net = build(cell, COLOUR)
    initialize(net, cell, 0)
    first = net.blocks[0].layer.weight
    assert first.std().item() == pytest.approx((2 / 147) ** 0.5, rel=0.05)


@pytest.mark.parametrize("harm", ["other", "absent", "offline"])
def test_weights_that_cannot_be_had_are_told_with_what_to_do(weights, tmp_path, monkeypatch, harm):
    if harm == "other":
        weights.write_bytes(b"something else")
    elif harm == "absent":
        monkeypatch.setenv("BNSTUDY_DENSENET121", str(tmp_path / "nowhere.pth"))
    else:
        weights.unlink()

        def no_network(*_args, **_kwargs):
            raise OSError("no route to host")

        monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(DataError) as error:
        network("densenet121", norm="batch", pretrained=True)
    assert "densenet121" in error.value.cause or "nowhere" in error.value.cause
    assert "BNSTUDY_DENSENET121" in error.value.remedy
    assert "\n" not in error.value.cause
    assert not list(tmp_path.glob("*.part"))


def test_a_file_named_by_the_variable_comes_first(weights, tmp_path, monkeypatch):
    moved = weights.rename(tmp_path / "mine.pth")
    monkeypatch.setenv("BNSTUDY_DENSENET121", str(moved))
    assert densenet121.obtain() == moved


def test_the_command_line_looks_for_weights_in_the_folder_it_is_given(weights, tmp_path, monkeypatch, capsys):
    """They are found and fit no image of one channel; nothing is downloaded."""
    monkeypatch.setenv("BNSTUDY_DATA", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(densenet121, "_download", pytest.fail)
    words = ["model=densenet121", "dataset=toy", "norm=batch", "pretrained=true", "epochs=1"]
    folders = ["--data", str(tmp_path), "--results", str(tmp_path / "results")]
    ended = call(capsys, "try", *words, *folders, "--device", "cpu", "--yes")
    assert "pretrained: the weights are for three channels, toy has 1" in ended.err


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match="28x28"):
        network("densenet121", GREY, norm="batch")
    with pytest.raises(UsageError, match="three channels"):
        network("densenet121", ImageShape(1, 32, 32, 10), norm="batch", pretrained=True)
    with pytest.raises(UsageError, match="has its own"):
        make("densenet121", norm="none")


def test_the_statistics_of_densenet_see_each_nonlinearity_before_it_acts():
    cell = make("densenet121", norm="batch")
    net = build(cell, COLOUR)
    initialize(net, cell, 0)
    low = []
    for block in net.blocks[:-1]:
        block.activation.register_forward_hook(lambda _, inputs, out: low.append((inputs[0].min(), out.min())))
    net(torch.randn(4, 3, 32, 32))
    assert len(low) == 120
    assert all(before < 0 <= after for before, after in low)


def test_a_run_without_its_weights_is_left_out_and_the_others_are_trained(weights, tmp_path, monkeypatch):
    monkeypatch.setenv("BNSTUDY_DENSENET121", str(tmp_path / "nowhere.pth"))
    small = {"dataset": "toy", "epochs": 1, "train_size": 60, "batch_size": 20}
    runs = [
        Run(make("mlp", **small), 0),
        Run(make("densenet121", norm="batch", pretrained=True, **small), 0),
    ]
    report = train.train(runs, tmp_path / "results", tmp_path, device="cpu", say=lambda line: None)
    assert report.trained == runs[:1]
    assert list(report.absent) == ["densenet121"]
    train.put_manifest(tmp_path / "results", "0" * 12, runs, report)
    rows = json.loads(paths.manifest(tmp_path / "results", "0" * 12).read_text())["runs"]
    assert ["nowhere.pth" in str(row.get("absent")) for row in rows] == [False, True]


def test_pretrained_it_is_fine_tuned_whole_and_measured_in_all_its_layers(weights):
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(40, 3, 32, 32, generator=generator), torch.arange(40) % 10
    data = Inputs(
        train_images=images, train_labels=labels, validation_images=images, validation_labels=labels,
        test_images=images, test_labels=labels, classes=10, data_digest="", data_source="",
        mean=torch.zeros(()), std=torch.ones(()),
    )  # fmt: skip
    cell = make("densenet121", norm="batch", pretrained=True, init="torch_default", steps=2, eval_every=2,
                batch_size=20, optimizer="adam", lr=1e-4, schedule="constant")  # fmt: skip
    trained = Training(Run(cell, 0), data, "cpu")
    before = {name: p.detach().clone() for name, p in trained.model.named_parameters()}
    assert len(before) == 121 + 2 * 121 + 1  # weights; scale and shift of as many norms; the output layer's bias
    trained.epoch(Keeper())
    assert all(not torch.equal(p, before[name]) for name, p in trained.model.named_parameters())
    layers = trained.finish().layers
    assert len(layers["names"]) == 121
    assert torch.tensor(layers["pre_activation.std"]).isfinite().all()
    assert torch.tensor(layers["weight_grad.l2"]).min() > 0
