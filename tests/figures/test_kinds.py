"""A kind draws itself: by the functions of its module, and for the rest as most kinds do."""

import sys
from types import ModuleType

import pytest

from bnstudy.errors import UsageError
from bnstudy.figures import KINDS, Figure, Kind, kinds


@pytest.fixture
def kind(monkeypatch):
    module = ModuleType("own_kind")
    monkeypatch.setitem(sys.modules, "own_kind", module)
    monkeypatch.setitem(KINDS, "own", Kind("Own", "What it shows.", "own_kind"))
    return module


def test_a_function_of_the_module_replaces_the_usual_one(kind):
    figure = Figure("W.1", "own", "mlp", ("relu", "elu"), ("none",))
    assert KINDS["own"].function("footer") is kinds.footer
    assert figure.title == "Own: MLP, ReLU baseline, ELU"
    kind.subject = lambda figure: f" of {figure.model}"
    assert figure.title == "Own of mlp"
    assert figure.caption == "Own of mlp. What it shows."


def test_what_no_module_has_is_an_error(kind):
    with pytest.raises(AttributeError, match="plotted"):
        KINDS["own"].function("plotted")


@pytest.mark.parametrize(
    ("kind", "settings", "norms", "said"),
    [
        (
            "training_curves",
            ("relu", "elu"),
            ("none",),
            "W.1: the kind training_curves draws one of the settings, not 2",
        ),
        ("validation_comparison", ("relu",), ("none", "batch"), "draws one of the norms, not 2"),
        ("confusion", (), ("none",), "draws one of the settings, not 0"),
        ("trainig_curves", ("relu",), ("none",), r"no such kind of figure \(nearest: training_curves\)"),
    ],
)
def test_a_figure_has_one_of_what_its_kind_draws_one_of(kind, settings, norms, said):
    with pytest.raises(UsageError, match=said):
        Figure("W.1", kind, "mlp", settings, norms)
