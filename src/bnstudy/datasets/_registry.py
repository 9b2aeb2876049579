"""The declared data sets: one file of this folder each. Stdlib only."""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from bnstudy import extensions
from bnstudy.datasets._spec import DatasetSpec
from bnstudy.errors import UsageError, nearest


def _declared() -> dict[str, DatasetSpec]:
    names = [file.name for file in iter_modules([str(Path(__file__).parent)]) if not file.name.startswith("_")]
    specs: list[DatasetSpec] = [import_module(f"{__package__}.{name}").SPEC for name in names]
    return {spec.name: spec for spec in sorted(specs, key=lambda spec: (spec.rank, spec.name))}


REGISTRY: dict[str, DatasetSpec] = _declared()


def spec_of(name: str) -> DatasetSpec:
    """Return the data set of this name. Raises UsageError naming the nearest."""
    if name not in REGISTRY:
        remedy = f"Data sets: {', '.join(REGISTRY)}.{extensions.hint()}"
        raise UsageError(f"{name}: no such data set{nearest(name, REGISTRY)}", remedy)
    return REGISTRY[name]
