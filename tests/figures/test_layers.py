"""Section 3.3 as measured: against closed forms, and as the page shows it."""

from importlib import import_module

import pandas as pd
import pytest
import torch

from bnstudy.figures.writer import Target, write
from bnstudy.illustrations import LAYERS, measured_layers
from bnstudy.illustrations.render import draw, drawing
from bnstudy.report import layers


@pytest.fixture(scope="module")
def scaling():
    return measured_layers.scaling()


@pytest.fixture(scope="module")
def spectra():
    return measured_layers.spectra()


def kind(found, norm, eps):
    return found[(found["norm"] == norm) & ((found["eps"] > 0) == eps)]


def test_without_epsilon_only_the_gradient_of_the_weights_feels_their_scale(scaling):
    own = kind(scaling, "batch", False)
    assert own["scale"].max() / own["scale"].min() == pytest.approx(1e12)
    assert own[["output", "input_gradient"]].to_numpy().max() < 1e-14
    assert (own["weight_size"] * own["scale"]).to_numpy() == pytest.approx(1, rel=1e-12)
    assert layers.exponent(own) == pytest.approx(-1, abs=1e-12)


def test_a_vanilla_layer_feels_it_the_other_way_round(scaling):
    own = kind(scaling, "none", False)
    assert (own["input_size"] / own["scale"]).to_numpy() == pytest.approx(1, rel=1e-12)
    assert own["weight_size"].to_numpy() == pytest.approx(1, rel=1e-12)
    assert own["output"].to_numpy() == pytest.approx((own["scale"] - 1).abs().to_numpy(), rel=1e-10)


def test_epsilon_damps_each_unit_by_its_variance():
    torch.manual_seed(3)
    u, w = torch.randn(50, 8, dtype=torch.float64), torch.randn(4, 8, dtype=torch.float64)
    variance = (u @ w.T).var(0, unbiased=False)
    for scale in (1e-4, 1e-2, 1.0):
        exact, _, _ = measured_layers._responses(u, scale * w, "batch", 0.0)
        damped, _, _ = measured_layers._responses(u, scale * w, "batch", 1e-5)
        factor = (variance / (variance + 1e-5 / scale**2)).sqrt()
        torch.testing.assert_close(damped, exact * factor, rtol=1e-10, atol=1e-12)


def test_singular_values_are_those_of_the_closed_form():
    torch.manual_seed(4)
    images = torch.randn(80, 12, dtype=torch.float64)
    first, second = torch.randn(10, 12, dtype=torch.float64), torch.randn(10, 10, dtype=torch.float64)
    found = measured_layers.singular_values(images, first, second, "batch", "relu")
    assert found.shape == (measured_layers.IMAGES, 10)
    before = images @ first.T
    before = (before - before.mean(0)) / (before.var(0, unbiased=False) + measured_layers.EPSILON).sqrt()
    after = before.relu() @ second.T
    scale = (after.var(0, unbiased=False) + measured_layers.EPSILON).sqrt()
    jacobian = second / scale[:, None] * (before[5] > 0)
    torch.testing.assert_close(found[5], torch.linalg.svdvals(jacobian), rtol=1e-10, atol=1e-10)


def test_batch_norm_makes_the_spectrum_independent_of_the_scale_but_not_near_one(spectra):
    largest = spectra[spectra["rank"] == 1].set_index(["norm", "layer", "init"])["value"].sort_index()
    for layer in ("relu", "linear"):
        held = largest["batch", layer].drop("0.0001")  # there the epsilon is as large as the variance
        assert held.max() / held.min() < 1.01
        assert largest["none", layer, "1"] / largest["none", layer, "0.0001"] == pytest.approx(1e4, rel=1e-3)
    values = spectra.query("norm == 'batch' and init == 'kaiming'").set_index("layer")["value"]
    assert ((values["relu"] > 0.5) & (values["relu"] < 2)).mean() < 0.5
    assert values["linear"].min() < 0.1


@pytest.mark.parametrize("id", LAYERS)
def test_each_figure_is_drawn_with_its_data(id, tmp_path):
    for narrow in (False, True):
        page = draw(LAYERS[id], narrow)
        assert all(ax.has_data() for ax in page.axes)
        assert (page.get_figwidth() < 4.6) == narrow
    files = {path.name: path for path in write(drawing(LAYERS[id]), Target(tmp_path))}
    stem = LAYERS[id].stem
    assert set(files) == {f"{stem}.svg", f"{stem}_narrow.svg", f"{stem}.csv"}
    assert len(pd.read_csv(files[f"{stem}.csv"])) == len(
        getattr(import_module(f"bnstudy.illustrations.{LAYERS[id].topic}"), LAYERS[id].table)()
    )


def test_the_page_shows_what_the_files_hold(scaling, spectra):
    vanilla, exact, trained = layers.scaling_rows(scaling)
    assert (vanilla["exponent"], exact["exponent"]) == ("0.000", "−1.000")
    assert exact["output_low"].startswith("10⁻")
    assert float(trained["output_high"]) < 0.01 < 10 < float(trained["output_low"])
    rows = layers.spectrum_rows(spectra)
    assert [row["title"] for row in rows][:2] == ["kaiming", "N(0, 1²)"]
    half = pd.DataFrame(
        {"norm": "none", "layer": "relu", "init": "1", "std": 1.0, "rank": [1, 2, 3, 4], "value": [4.0, 2.0, 0.5, 0.0]}
    )
    assert layers.spectrum_rows(half)[0]["cells"][0] == ["4", "1.2", "50 %"]
