"""A kind draws itself: by the functions of its module, and for the rest as most kinds do."""

import sys
from types import ModuleType

import pytest

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
