"""The catalogue has the 40 result figures of the thesis, and every value in it has a look."""

import subprocess
import sys

import pytest

from bnstudy.design.labels import SETTINGS
from bnstudy.errors import UsageError
from bnstudy.figures import REGISTRY, find, style

FIGURES = list(REGISTRY.values())


def test_the_forty_figures_are_there_in_order():
    assert list(REGISTRY) == [f"7.{i}" for i in range(1, 41)]
    assert all(id == figure.id for id, figure in REGISTRY.items())


def test_models_and_sections_are_those_of_the_chapter():
    """7.1 to 7.15 show the MLP (7.1), 7.16 to 7.40 the CNN (7.2)."""
    for number, figure in enumerate(FIGURES, start=1):
        assert figure.model == ("mlp" if number <= 15 else "cnn")
        assert figure.section.startswith("7.1." if number <= 15 else "7.2.")


def test_kinds_are_as_often_as_in_the_thesis():
    kinds = [figure.kind for figure in FIGURES]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "training_curves": 19,
        "mean_gradients": 11,
        "validation_comparison": 8,
        "batch_sizes": 2,
    }


@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f.id)
def test_every_value_is_known_and_has_a_look(figure):
    assert set(figure.settings) <= set(SETTINGS) & set(style.SETTINGS)
    assert set(figure.norms) <= set(style.NORMS)
    assert figure.title in figure.caption
    assert figure.observation
    assert figure.caption.endswith(".")


def test_settings_compared_in_one_figure_differ_in_colour_and_in_line():
    for figure in FIGURES:
        if figure.kind == "validation_comparison":
            looks = [style.setting(s) for s in figure.settings]
            assert len({k.color for k in looks}) == len({str(k.line) for k in looks}) == len(looks)


def test_titles_tell_figures_apart():
    assert len({figure.title for figure in FIGURES}) == 40


def test_an_unknown_figure_names_the_nearest():
    assert find("7.16").model == "cnn"
    with pytest.raises(UsageError, match=r"7\.160: no such figure \(nearest: 7\.16\)"):
        find("7.160")


def test_listing_figures_imports_no_plotting():
    code = "import sys, bnstudy.figures; print(sorted({'matplotlib', 'pandas', 'torch', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
