import pytest
import torch

from bnstudy.design.cell import Cell
from bnstudy.errors import UsageError
from bnstudy.networks.models import REGISTRY, ImageShape, build
from bnstudy.networks.models.block import Dropout

MNIST, COLOUR, CIFAR100 = ImageShape(1, 32, 32, 10), ImageShape(3, 32, 32, 10), ImageShape(3, 32, 32, 100)
CONVOLUTIONS = [f"conv{i}_{j}" for i in range(1, 6) for j in (1, 2)]


def network(model: str, shape: ImageShape, **values):
    return build(Cell(**{"dataset": "mnist", "model": model, "norm": "none", **values}), shape)


def size(model) -> int:
    return sum(p.numel() for p in model.parameters())


def with_dropout(model: str, **values) -> list[str]:
    net = network(model, COLOUR, width=0.05, dropout=0.5, **values)
    return [block.name for block in net.blocks if isinstance(block.dropout, Dropout)]


@pytest.mark.parametrize(
    ("model", "shape", "parameters"),
    [
        ("mlp", MNIST, 123_710),
        ("mlp", COLOUR, 328_510),
        ("mlp", CIFAR100, 337_600),
        ("cnn", MNIST, 9_934_282),
        ("cnn", COLOUR, 9_935_434),
        ("cnn", CIFAR100, 9_981_604),
    ],
)
def test_parameters_are_as_many_as_tables_6_2_and_6_3_imply(model, shape, parameters):
    assert size(network(model, shape)) == parameters
    assert size(network(model, shape, norm="batch")) == parameters + {"mlp": 600, "cnn": 7936}[model]


def test_layers_have_the_names_of_the_tables():
    assert [b.name for b in network("mlp", MNIST).blocks] == ["hidden1", "hidden2", "hidden3", "output"]
    assert [b.name for b in network("cnn", MNIST, width=0.05).blocks] == [*CONVOLUTIONS, "dense1", "dense2", "output"]
    author = network("cnn", MNIST, width=0.05, dense_layers=1)
    assert [b.name for b in author.blocks] == [*CONVOLUTIONS, "dense1", "output"]


def test_width_scales_units_and_maps():
    assert [b.layer.out_features for b in network("mlp", MNIST, width=0.25).blocks] == [25, 25, 25, 10]
    narrow = network("cnn", MNIST, width=0.125)
    assert [b.layer.weight.shape[0] for b in narrow.blocks] == [8, 8, 16, 16, 32, 32, 64, 64, 64, 64, 64, 64, 10]
    assert all(b.layer.weight.shape[0] >= 1 for b in network("cnn", MNIST, width=0.001).blocks)


def test_every_pair_of_convolutions_ends_in_pooling():
    net = network("cnn", COLOUR, width=0.05).eval()
    sizes = []
    for block in net.blocks:
        block.register_forward_hook(lambda _, inputs, output: sizes.append(tuple(inputs[0].shape[2:])))
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert sizes == [(32, 32)] * 2 + [(16, 16)] * 2 + [(8, 8)] * 2 + [(4, 4)] * 2 + [(2, 2)] * 2 + [()] * 3


def test_the_mlp_is_the_plain_composition_of_its_layers():
    net, x = network("mlp", MNIST), torch.randn(5, 1, 32, 32)
    by_hand = x.reshape(5, 1024)
    for block in net.blocks:
        by_hand = by_hand @ block.layer.weight.T + block.layer.bias
        by_hand = by_hand if block.name == "output" else by_hand.clamp(min=0)
    torch.testing.assert_close(net(x), by_hand)


def test_dropout_stands_where_the_reading_says():
    pairs = [f"conv{i}_1" for i in range(1, 6)]
    assert with_dropout("mlp") == ["hidden1", "hidden2", "hidden3"]
    assert with_dropout("mlp", dropout_at="last") == ["hidden3"]
    assert with_dropout("cnn") == [*pairs, "dense2"]
    assert with_dropout("cnn", dense_layers=1) == [*pairs, "dense1"]
    assert with_dropout("cnn", dropout_at="pairs") == pairs
    assert with_dropout("cnn", dropout_at="last") == ["dense2"]
    for everywhere in ("every", "before_norm"):
        assert with_dropout("cnn", dropout_at=everywhere) == [*CONVOLUTIONS, "dense1", "dense2"]
    assert with_dropout("mlp", dropout_at="before_norm") == ["hidden1", "hidden2", "hidden3"]


def normed(model: str, which: str, **values) -> list[str]:
    """The layers that have a norm."""
    net = network(model, COLOUR, norm="batch", normed_layers=which, **values)
    return [block.name for block in net.blocks if not isinstance(block.norm, torch.nn.Identity)]


def test_the_norm_is_in_the_hidden_layers_that_the_cell_names():
    """Section 8.1.6; the output layer has its norm by another field."""
    hidden = [*CONVOLUTIONS, "dense1", "dense2"]
    assert normed("mlp", "all") == ["hidden1", "hidden2", "hidden3"]
    assert normed("mlp", "first") == ["hidden1"]
    assert normed("mlp", "last") == ["hidden3"]
    assert normed("mlp", "every_second") == ["hidden1", "hidden3"]
    assert normed("mlp", "last", hidden=(8, 7, 6, 5), output_norm=True) == ["hidden4", "output"]
    assert normed("cnn", "first", width=0.05) == ["conv1_1"]
    assert normed("cnn", "last", width=0.05) == ["dense2"]
    assert normed("cnn", "last", width=0.05, dense_layers=1) == ["dense1"]
    assert normed("cnn", "every_second", width=0.05) == hidden[::2]
    assert normed("vgg_course", "last", width=0.05) == ["conv5_2"]
    assert len(normed("vgg_course", "every_second", width=0.05)) == 4


def test_no_dropout_without_a_probability():
    assert not any(isinstance(m, Dropout) for m in network("cnn", MNIST, width=0.05).modules())


@pytest.mark.parametrize("size", [(28, 28), (32, 16), (0, 32)])
def test_images_that_five_halvings_do_not_divide_are_refused_by_the_cnn_alone(size):
    shape = ImageShape(1, *size, classes=10)
    with pytest.raises(UsageError, match=rf"mnist: {size[0]}x{size[1]} images do not fit the cnn.*\n.*mnist_size"):
        network("cnn", shape)
    assert network("mlp", ImageShape(1, 28, 28, 10), mnist_size="native").blocks[0].layer.in_features == 784


def test_native_mnist_is_no_cell_of_the_cnn():
    with pytest.raises(UsageError, match="mnist_size"):
        network("cnn", ImageShape(1, 28, 28, 10), mnist_size="native")


def test_larger_images_reach_the_dense_layers_whole():
    assert network("cnn", ImageShape(3, 64, 32, 10), width=0.05).eval()(torch.zeros(2, 3, 64, 32)).shape == (2, 10)


def test_the_files_of_the_folder_are_the_models():
    assert {"mlp", "cnn"} <= set(REGISTRY)
    assert "block" not in REGISTRY
