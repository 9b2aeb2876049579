"""Background figures are computations: what they show is what the definitions say, and each can be drawn."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from bnstudy import datasets
from bnstudy.errors import DataError
from bnstudy.figures.writer import Target, is_written, write
from bnstudy.illustrations import REGISTRY, chain, convolution, data, descent, networks, shift
from bnstudy.illustrations.render import draw, drawing

IDS = [
    "2.1",
    "2.2",
    "2.3",
    "2.4",
    "2.5",
    "2.6",
    "2.7",
    "2.8",
    "2.9",
    "2.10",
    "2.11",
    "2.12",
    "2.13",
    "2.14",
    "3.1",
    "6.1",
]


def test_the_figures_of_the_thesis_that_can_be_computed():
    assert list(REGISTRY) == IDS


@pytest.mark.parametrize("id", [id for id in IDS if id != "3.1"])
def test_each_can_be_drawn_for_a_page_and_for_a_phone(id):
    for narrow in (False, True):
        page = draw(REGISTRY[id], narrow)
        assert page.axes
        assert all(ax.has_data() for ax in page.axes)
        assert (page.get_figwidth() < 4.6) == narrow


def test_what_was_drawn_is_not_drawn_again(tmp_path):
    one, target = drawing(REGISTRY["2.11"]), Target(tmp_path)
    files = write(one, target)
    first = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in files}
    write(one, target)
    assert {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in files} == first
    files[0].unlink()
    assert write(one, target)[0].read_bytes() == first[files[0]][1]


def test_it_is_drawn_again_when_its_code_changes(tmp_path, monkeypatch):
    def other(folder):
        assert (folder / "activations.py").exists()
        return "other code"

    target = Target(tmp_path)
    write(drawing(REGISTRY["2.11"]), target)
    assert is_written(drawing(REGISTRY["2.11"]), target)
    monkeypatch.setattr("bnstudy.illustrations.render.tree_digest", other)
    assert not is_written(drawing(REGISTRY["2.11"]), target)


def test_whitened_data_have_the_identity_as_covariance():
    _, _, last = draw(REGISTRY["2.4"]).axes
    points = last.collections[0].get_offsets()
    assert np.cov(np.asarray(points).T, bias=True) == pytest.approx(np.eye(2), abs=1e-9)
    _, _, scaled = draw(REGISTRY["2.3"]).axes
    assert np.asarray(scaled.collections[0].get_offsets()).std(axis=0) == pytest.approx([1, 1])
    assert data.cloud().mean(axis=0) == pytest.approx(data.MEAN, abs=0.3)


def test_iterates_follow_equations_2_14_and_2_15():
    start, lr, mu = np.array([-4.0, 1.2]), 0.02, 0.9
    gradient = lambda w: np.array([w[0], 20 * w[1]])  # noqa: E731
    for rule, ahead in (("momentum", 0.0), ("nesterov", mu)):
        w, v, path = start.copy(), np.zeros(2), [start]
        for _ in range(10):
            v = mu * v - lr * gradient(w + ahead * v)
            w = w + v
            path.append(w)
        assert descent.iterates(descent.valley, (-4.0, 1.2), 10, rule, lr) == pytest.approx(np.array(path), abs=1e-4)


def test_the_corner_of_l1_makes_a_weight_zero():
    best = {name: descent.constrained(name) for name in descent.PENALTIES}
    assert best["l1"] == pytest.approx([1, 0], abs=1e-4)
    assert np.linalg.norm(best["l2"]) == pytest.approx(1, abs=1e-4)
    assert (best["l2"] > 0.05).all()


def test_the_output_of_a_sliding_filter_is_the_sum_over_all_channels():
    image, kernel, output = convolution.example(3)
    row, column = convolution.AT
    field = image[:, row : row + 3, column : column + 3]
    assert output[row, column] == (field * kernel).sum()
    texts = [text.get_text() for text in draw(REGISTRY["2.9"]).axes[1].texts]
    assert len(texts) == 3 * 25 + 3 * 9 + 9


def test_each_task_shows_test_images_with_their_class(monkeypatch):
    there = {"digits": datasets.load("digits")}

    def load(name):
        if name not in there:
            raise DataError(f"{name}: absent", "")
        return there[name]

    monkeypatch.setattr(data.datasets, "load", load)
    (panel,) = draw(REGISTRY["2.1"]).axes
    labels = [inset.get_title() for inset in panel.child_axes]
    assert labels == [str(label) for label in there["digits"].test_labels[: data.SHOWN]]


def test_a_step_in_a_chain_is_misjudged_unless_its_units_are_normalized():
    """Equation 3.8 with equal weights of 1 and a gradient of m = mean(x^2) for each: (1 + lr m)^depth - 1."""
    found = chain.steps().set_index(["norm", "depth", "lr"])
    lr = chain.RATES[-5]
    slope = found.loc[("none", 1, lr), "predicted"] ** 0.5 / lr**0.5
    for depth in chain.DEPTHS:
        plain, normed = found.loc[("none", depth, lr)], found.loc[("batch", depth, lr)]
        assert plain["predicted"] == pytest.approx(lr * depth * slope**2)
        assert plain["true"] == pytest.approx(((1 + lr * slope) ** depth - 1) * slope)
        assert normed["true"] == pytest.approx(normed["predicted"], rel=1e-6)
    assert found.loc[("none", 16, lr), "true"] > 5 * found.loc[("none", 16, lr), "predicted"]


def test_shapes_are_those_of_tables_6_2_and_6_3():
    assert [shape for _, shape in networks.shapes("mlp")] == [(3, 32, 32), (100,), (100,), (100,), (10,)]
    maps = [shape for name, shape in networks.shapes("cnn") if name.startswith("conv")]
    assert maps == [(m, s, s) for m, s in ((64, 32), (128, 16), (256, 8), (512, 4), (512, 2)) for _ in (1, 2)]
    pools = [shape for name, shape in networks.shapes("cnn") if name == "pool"]
    assert pools == [(64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2), (512, 1, 1)]


def test_batch_norm_holds_what_drifts_without_it(monkeypatch):
    monkeypatch.setattr(shift, "EPOCHS", (0, 3))
    vanilla, normed = shift.measured("none"), shift.measured("batch")
    assert vanilla[3].std() > 1.5 * vanilla[0].std()
    assert [values.std() for values in normed.values()] == pytest.approx([1, 1], abs=0.01)
    assert torch.is_grad_enabled()


def test_listing_imports_no_plotting():
    code = "import sys, bnstudy.illustrations; print({'matplotlib', 'torch', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


@pytest.mark.parametrize("narrow", [False, True])
def test_the_filter_and_its_image_fill_their_panel(narrow):
    page = draw(REGISTRY["2.9"], narrow)
    for ax in page.axes:
        given, used = ax.get_position(original=True), ax.get_position()
        assert used.height > 0.9 * given.height
        assert used.width > 0.9 * given.width
