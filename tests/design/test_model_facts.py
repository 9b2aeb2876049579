"""What each network declares is known without importing it, and agrees with fields and engines."""

import subprocess
import sys

import pytest

from bnstudy.design.cell import Cell
from bnstudy.design.fields import FIELDS
from bnstudy.design.model_facts import MODELS, OPTIONAL, ModelFacts, facts_of
from bnstudy.design.rules import inert
from bnstudy.errors import UsageError
from bnstudy.networks import models
from bnstudy.training.engine import ENGINES, engine


def test_every_network_has_its_facts():
    assert MODELS.keys() == models.REGISTRY.keys()


@pytest.mark.parametrize("model", MODELS)
def test_facts_name_fields_each_once(model):
    facts = facts_of(model)
    named = [*OPTIONAL, *facts.lacks]
    assert {field if isinstance(field, str) else field[0] for field in named} <= FIELDS.keys()
    assert len(set(named)) == len(named)
    assert facts.has <= OPTIONAL.keys()
    assert all(reason for reason in facts.lacks.values())


@pytest.mark.parametrize(("model", "name"), [(model, name) for model in MODELS for name in facts_of(model).engines])
def test_a_fast_engine_trains_the_networks_that_name_it(model, name):
    assert name in ENGINES
    cell = Cell(dataset="cifar10", model=model, norm="batch")
    assert any(engine(name).supports(cell, device) for device in ("cpu", "cuda:0"))


def test_a_network_that_does_not_name_a_fast_engine_is_left_to_the_reference():
    cell = Cell(dataset="cifar10", model="vgg_course", norm="batch")
    devices = ("cpu", "cuda:0")
    assert [name for name in ENGINES if any(engine(name).supports(cell, each) for each in devices)] == ["reference"]


def test_a_cell_alone_knows_the_facts_of_its_network_and_imports_nothing_heavy():
    code = """
import sys
from bnstudy.design.cell import Cell
try:
    Cell(dataset="cifar10", model="cnn", norm="none", hidden=(10,))
except Exception as error:
    print(error.cause, *sorted({"torch", "numpy"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "hidden: has no effect here, the model takes no list of widths"


def test_a_network_of_an_extension_may_declare_facts(monkeypatch):
    cell = {"dataset": "toy", "model": "mine", "norm": "none"}
    with pytest.raises(UsageError, match="the model has no dropout"):
        Cell(**cell, dropout=0.5)
    facts = ModelFacts(has=frozenset({"dropout"}), lacks={"activation": "mine is linear"}, norms=("none", "layer"))
    monkeypatch.setitem(MODELS, "mine", facts)
    assert Cell(**cell, dropout=0.5).dropout == 0.5
    assert inert(Cell(**cell), "activation", "elu") == "mine is linear"
    with pytest.raises(UsageError, match="mine has its own, none or layer"):
        Cell(**cell | {"norm": "batch"})
