"""The Winograd engine: the reference engine's training to float32's accuracy, with bits that never change."""

from itertools import islice

import pytest
import torch
from keepers import Saving

from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import SETTINGS
from bnstudy.training import engine
from bnstudy.training.engine import reference, winograd
from bnstudy.training.engine.contract import Keeper
from bnstudy.training.engine.inputs import Inputs
from bnstudy.training.engine.winograd import layer, table
from bnstudy.training.engine.winograd.forms import add_up, cut, form, join, split
from bnstudy.training.engine.winograd.layer import Buffers, Convolution, Products

NINE = ("sigmoid", "relu", "elu", "lr_high", "lr_low", "init_high", "init_low", "dropout", "weight_decay")
EVERYWHERE = {2: "toeplitz", 4: "f2", 8: "f4", 16: "f4", 32: "f4"}


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def everywhere(monkeypatch):
    """A table that leaves no layer to torch, on any processor."""
    rules = {side: ((name, 0),) for side, name in EVERYWHERE.items()}
    monkeypatch.setattr(table, "FASTEST", {torch.backends.cpu.get_cpu_capability(): rules})


def inputs(n: int = 70) -> Inputs:
    """Ten patterns under noise; n training images, as many for validation and test."""
    g = torch.Generator().manual_seed(3)
    labels = torch.randint(0, 10, (3, n), generator=g)
    images = torch.randn(10, 3, 32, 32, generator=g)[labels] + 2 * torch.randn(3, n, 3, 32, 32, generator=g)
    return Inputs(
        train_images=images[0], train_labels=labels[0], validation_images=images[1], validation_labels=labels[1],
        test_images=images[2], test_labels=labels[2], classes=10, data_digest="", data_source="",
        mean=torch.zeros(()), std=torch.ones(()),
    )  # fmt: skip


DATA = inputs()


def make(**fields) -> Cell:
    return Cell(
        **{"dataset": "toy", "model": "cnn", "norm": "none", "width": 1 / 16, "batch_size": 32, "epochs": 2, **fields}
    )


def train(runs, trainer=None, keeper=None):
    trainer = trainer or winograd.Winograd()
    return dict(trainer.train(runs, lambda run: DATA, keeper or Keeper(), "cpu"))


def bits(trained) -> str:
    """All of a training but its durations."""
    rows = {name: column for name, column in trained.epochs.items() if name != "seconds"}
    return repr((rows, {n: getattr(trained, n) for n in trained.__dataclass_fields__ if n != "epochs"}))


# the forms

FORMS = [("toeplitz", 2), *(("f2", side) for side in (2, 4, 6, 16)), *(("f4", side) for side in (4, 8, 16, 32))]


def conv(x, weight, bias):
    return torch.conv2d(x, weight, bias, padding=1)


def by_form(name, side):
    return lambda x, weight, bias: Products.apply(x, weight, bias, form(name, side, x.dtype), Buffers(), Buffers())


def with_gradients(convolve, x, weight, bias, slope):
    leaves = [t.detach().clone().requires_grad_() for t in (x, weight, bias)]
    y = convolve(*leaves)
    return y, *torch.autograd.grad(y, leaves, slope)


def sample(side, inputs=5, maps=7, images=3):
    """x, weight, bias and a gradient of the output, in double precision."""
    g = torch.Generator().manual_seed(side)
    shapes = (images, inputs, side, side), (maps, inputs, 3, 3), (maps,), (images, maps, side, side)
    return [torch.randn(shape, generator=g, dtype=torch.float64) for shape in shapes]


@pytest.mark.parametrize(("name", "side"), FORMS)
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-13), (torch.float32, 2e-5)])
def test_a_form_and_its_gradients_are_the_convolutions(name, side, dtype, limit):
    exact = sample(side)
    wanted = with_gradients(conv, *exact)
    found = with_gradients(by_form(name, side), *(t.to(dtype) for t in exact))
    for mine, true in zip(found, wanted, strict=True):
        assert mine.dtype == dtype
        assert (mine.double() - true).norm() < limit * true.norm()


@pytest.mark.parametrize(("name", "side"), [("f2", 16), ("f4", 32)])
def test_many_images_are_taken_in_parts_to_the_same_end(name, side):
    exact = sample(side, images=9)
    assert [part.stop - part.start for part, _ in layer._parts(9, 64, 7)] == [2, 2, 2, 2, 1]
    for mine, true in zip(with_gradients(by_form(name, side), *exact), with_gradients(conv, *exact), strict=True):
        assert (mine - true).norm() < 1e-13 * true.norm()
    no_backward = Products.apply(*exact[:3], form(name, side, torch.float64), None, Buffers())
    assert (no_backward - conv(*exact[:3])).norm() < 1e-13 * no_backward.norm()


@pytest.mark.parametrize(("name", "side"), FORMS)
def test_a_form_takes_any_layout_and_gives_channels_last(name, side):
    x, weight, bias, slope = sample(side)
    wanted = with_gradients(by_form(name, side), x, weight, bias, slope)
    last = [t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t for t in (x, weight, bias, slope)]
    found = with_gradients(by_form(name, side), *last)
    for mine, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, other)
    for each in found[:3]:
        assert each.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("side", [2, 4, 8, 16])
def test_cut_and_add_up_are_adjoint_and_split_is_undone_by_join(side):
    for m in (m for m in (2, 4) if side % m == 0):
        maps = torch.randn(3, side, side, 5, dtype=torch.float64)
        tiles = cut(maps, m)
        slope = torch.randn_like(tiles)
        added, joined = torch.empty_like(maps), torch.empty_like(maps)
        add_up(slope, m, added)
        join(split(maps, m), m, joined)
        torch.testing.assert_close((tiles * slope).sum(), (maps * added).sum())
        assert torch.equal(joined, maps)


def test_without_a_bias_or_a_gradient_of_the_input():
    x, weight, bias, slope = sample(4)
    chosen = form("f4", 4, x.dtype)
    y = Products.apply(x, weight, None, chosen, Buffers(), Buffers())
    torch.testing.assert_close(y, conv(x, weight, None))
    leaf = weight.clone().requires_grad_()
    Products.apply(x, leaf, bias, chosen, Buffers(), Buffers()).backward(slope)
    torch.testing.assert_close(leaf.grad, with_gradients(conv, x, weight, bias, slope)[2])


def test_an_evaluation_between_forward_and_backward_changes_no_gradient(everywhere):
    x, weight, bias, slope = (t.float() for t in sample(8))
    plain = torch.nn.Conv2d(5, 7, 3, padding=1)
    plain.load_state_dict({"weight": weight, "bias": bias})
    layer = Convolution(plain, Buffers())
    y = layer(x)
    with torch.no_grad():
        layer(torch.randn(30, 5, 8, 8))
    y.backward(slope)
    wanted = with_gradients(by_form("f4", 8), x, weight, bias, slope)
    assert torch.equal(plain.weight.grad, wanted[2])


# the training


def losses(kind, cell: Cell, dtype: torch.dtype, steps: int = 20) -> list[float]:
    """Data loss of the first steps, in this precision."""
    training = kind(Run(cell, 0), DATA, "cpu")
    training.model.to(dtype).train()
    found = []
    for images, labels in islice(training._next_batches(steps), steps):
        reference.set_step(training.model, 0, training.step)
        found.append(float(training._update(images.to(dtype), labels)[0]))
        training.step += 1
    return found


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("setting", NINE)
def test_the_first_losses_are_those_of_the_reference(everywhere, setting, norm):
    """Twenty of the baseline, eight of the others, in double precision. In single precision steps magnify the last
    digits, so the first three."""
    cell = make(norm=norm, **SETTINGS[setting])
    for dtype, steps, limit in ((torch.float64, 20 if setting == "relu" else 8, 1e-6), (torch.float32, 3, 1e-2)):
        found, wanted = (losses(kind, cell, dtype, steps) for kind in (winograd.Training, reference.Training))
        assert capped(found) == pytest.approx(capped(wanted), rel=limit, nan_ok=True)


@pytest.mark.parametrize(
    "fields",
    [
        {"norm": "layer"},
        {"norm": "group", "normed_layers": "every_second"},
        {"norm": "rms", "activation": "prelu"},
        {"norm": "batch", "dropout": 0.5, "dropout_at": "before_norm"},
    ],
    ids=lambda fields: fields["norm"],
)
def test_other_norms_and_places_train_as_by_the_reference(everywhere, fields):
    assert winograd.Winograd().supports(make(**fields), "cpu")
    found, wanted = (losses(kind, make(**fields), torch.float64, 5) for kind in (winograd.Training, reference.Training))
    assert found == pytest.approx(wanted, rel=1e-9)


def capped(values: list[float], most: float = 1e6) -> list[float]:
    """A loss on its way to infinity has no digits to compare."""
    return [most if value > most else value for value in values]


def whole_gradient(kind, cell: Cell, dtype: torch.dtype) -> torch.Tensor:
    """The gradient of all parameters on the first batch, in double precision once computed."""
    training = kind(Run(cell, 0), DATA, "cpu")
    training.model.to(dtype).train()
    training._loss(DATA.train_images[:64].to(dtype), DATA.train_labels[:64])[1].backward()
    return torch.cat([p.grad.double().flatten() for p in training.model.parameters()])


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_whole_gradient_is_as_exact_as_the_references(everywhere, norm):
    """Within twice the reference's distance to double precision; of a smooth network, as a ReLU may flip by a digit."""
    cell = make(norm=norm, width=0.25, **SETTINGS["sigmoid"])
    exact = whole_gradient(reference.Training, cell, torch.float64)
    mine, its = (whole_gradient(kind, cell, torch.float32) for kind in (winograd.Training, reference.Training))
    assert (mine - exact).norm() < 2 * (its - exact).norm()


CELLS = {
    "none": make(),
    "batch": make(norm="batch"),
    "dropout": make(norm="batch", dropout=0.5, last_batch="keep"),
    "penalty": make(penalty="l2", penalty_strength=1e-3, activation="sigmoid", batch_size=64),
}


@pytest.fixture(scope="module")
def whole():
    """Each cell trained alone and without interruption, once."""
    done: dict[str, object] = {}
    return lambda name: done.setdefault(name, train([Run(CELLS[name], 0)])[Run(CELLS[name], 0)])


def test_runs_in_company_have_the_bits_of_runs_alone(whole):
    together = train([Run(CELLS[name], 0) for name in reversed(CELLS)])
    for name, cell in CELLS.items():
        assert bits(together[Run(cell, 0)]) == bits(whole(name))
    assert len({bits(trained) for trained in together.values()}) == len(CELLS)


@pytest.mark.parametrize("name", CELLS)
def test_a_resume_gives_the_same_bits(name, whole):
    run, keeper = Run(CELLS[name], 0), Saving()
    train([run], keeper=keeper)
    assert bits(train([run], keeper=Saving(keeper.saved[0]))[run]) == bits(whole(name))


@pytest.mark.parametrize("name", CELLS)
def test_where_the_table_leaves_all_to_torch_bits_are_the_references(name, monkeypatch):
    monkeypatch.setattr(table, "FASTEST", {torch.backends.cpu.get_cpu_capability(): {}})
    run = Run(CELLS[name], 0)
    assert bits(train([run])[run]) == bits(train([run], reference.Reference())[run])


def test_a_network_of_nan_leaves_the_record_that_the_reference_leaves(everywhere, monkeypatch):
    steps, update = [], reference.Training._update
    monkeypatch.setattr(
        reference.Training, "_update", lambda self, *args: steps.append(self.step) or update(self, *args)
    )
    monkeypatch.setattr(reference.inits, "initialize", lambda model, cell, seed: fill(model, float("nan")))
    run = Run(make(batch_size=3), 0)
    found = [train([run], trainer)[run] for trainer in (winograd.Winograd(), reference.Reference())]
    for trained in found:
        del trained.epochs["seconds"], trained.epochs["weights_digest"]  # a NaN has a sign
    assert repr(found[0]) == repr(found[1])
    assert steps[: len(steps) // 2] == steps[len(steps) // 2 :]
    assert len(steps) < 2 * run.cell.epochs * (70 // 3)  # the others are spared


def fill(model: torch.nn.Module, value: float) -> None:
    for values in model.parameters():
        values.data.fill_(value)


def test_a_network_diverges_where_the_references_does(everywhere):
    run = Run(make(init="normal", init_std=1e10), 0)
    mine, other = (train([run], trainer)[run] for trainer in (winograd.Winograd(), reference.Reference()))
    assert mine.outcome == "diverged"
    assert (mine.diverged_at, mine.stopped) == (other.diverged_at, other.stopped)
    assert mine.test["last"]["predicted"] == other.test["last"]["predicted"]


# what it takes


def test_it_takes_the_cnn_in_all_nine_settings_on_a_cpu(everywhere):
    for setting in NINE:
        for norm in ("none", "batch"):
            cell = make(norm=norm, **SETTINGS[setting])
            assert engine.choose(cell, "auto", "cpu").name == "winograd"
            assert not winograd.Winograd().supports(cell, "cuda:0")


@pytest.mark.parametrize("fields", [
    {"model": "mlp"}, {"model": "vgg_course"}, {"norm": "layer_manual"}, {"precision": "bf16"}, {"dropconnect": 0.5},
    {"augment": "flip"}, {"loss": "hinge"},
], ids=str)  # fmt: skip
def test_what_it_does_not_know_goes_to_another_engine(everywhere, fields):
    assert engine.choose(make(**fields), "auto", "cpu").name != "winograd"


def test_a_processor_without_measurements_goes_to_the_reference(monkeypatch):
    monkeypatch.setattr(table, "FASTEST", {})
    assert engine.choose(make(), "auto", "cpu").name == "reference"


def test_the_table_names_forms_that_fit_their_maps():
    for rules in table.FASTEST.values():
        for side, choices in rules.items():
            for name, _ in choices:
                assert side % form(name, side, torch.float32).outputs == 0


def test_the_table_goes_by_shape_and_instruction_set(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert (table.choose(512, 512, 2), table.choose(512, 512, 4)) == ("toeplitz", "f4")
    assert (table.choose(64, 64, 8), table.choose(32, 64, 8)) == ("f4", None)
    assert table.choose(64, 64, 32) is None
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert (table.choose(64, 64, 32), table.choose(64, 128, 16), table.choose(64, 64, 16)) == ("f4", "f4", None)


def test_only_plain_3x3_convolutions_are_replaced():
    from bnstudy.networks import models
    from bnstudy.networks.models import ImageShape

    cell = make(model="resnet_course", norm="batch")
    model = models.build(cell, ImageShape(3, 32, 32, 10))
    before = {name: id(p) for name, p in model.named_parameters()}
    winograd.replace_convolutions(model)
    assert {name: id(p) for name, p in model.named_parameters()} == before
    kinds = {block.name: type(block.layer) for block in model.blocks}
    assert kinds["conv0"] is Convolution
    assert kinds["conv1"] is torch.nn.Conv2d  # 1x1
