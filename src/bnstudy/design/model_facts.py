"""What a network declares of itself, so that cells are checked, planned and estimated without building it.

Each file of `models/` holds its `FACTS` beside its `build`. They are entered in `MODELS` when bnstudy is imported, so
that the rules of cells find them without importing a network. Stdlib only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Field = str | tuple[str, Any]
"""A field of a cell, or a field with one of its values."""

OPTIONAL: dict[Field, str] = {
    "hidden": "the model takes no list of widths",
    ("norm_placement", "pre_linear"): "the model cannot normalize before each linear layer",
    "normed_layers": "the model has its norm in all hidden layers",
    "pretrained": "the model has no pretrained weights",
    "dropout": "the model has no dropout",
    "dropconnect": "the model has no dropconnect",
    "dense_layers": "the model has a fixed number of dense layers",
}
"""Fields that act only in a model that names them in `has`, each with the reason why not elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """The facts of one network; the defaults suit a network with convolutions of which nothing else is known."""

    has: frozenset[Field] = frozenset()
    """Fields of OPTIONAL that act in it."""
    lacks: Mapping[Any, str] = field(default_factory=dict)
    """Other fields, or values of fields, that do not act in it, each with the reason."""
    norms: tuple[str, ...] = ()
    """The only norms it can have; none given: any."""
    engines: tuple[str, ...] = ()
    """The fast engines that implement it; the reference engine trains every network."""
    wants_gpu: bool = True
    """Takes days without a GPU at full width."""
    runs_per_pack: int = 3
    """Runs that one process trains: few enough to fill all cores, many enough to outweigh a start-up of 4 s."""
    efficiency: Mapping[str, float] = field(default_factory=dict)
    """Share of the rate of a large matrix product that its products reach, on `cpu` and `cuda`; above 1 where an engine
    needs fewer multiplications; not given: not measured."""

    value_cost: Mapping[str, float] = field(default_factory=dict)
    """Operations of a matrix product that take as long as everything else that training does with one activation, on
    `cpu` and `cuda`: what a narrow network costs."""

    def inert(self, name: Field) -> str:
        """Return why this field, or this value of it, has no effect in the network; an empty string if it acts."""
        return self.lacks.get(name, "") or ("" if name in self.has else OPTIONAL.get(name, ""))


UNKNOWN = ModelFacts()

MODELS: dict[str, ModelFacts] = {}
"""Name of each network -> its facts. `models` enters them."""


def facts_of(model: str) -> ModelFacts:
    """Return the facts of a network; those of an unknown one are the defaults."""
    return MODELS.get(model, UNKNOWN)
