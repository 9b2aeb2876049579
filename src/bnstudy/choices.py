"""The names a cell's fields may have: what the registries hold. Importing this imports no torch."""

from bnstudy import activations, augmentations, datasets, inits, losses, models, norms, optimizers, penalties, schedules
from bnstudy.cell import Cell
from bnstudy.errors import UsageError, nearest

REGISTRIES = {
    "dataset": datasets.REGISTRY,
    "model": models.REGISTRY,
    "norm": norms.REGISTRY,
    "activation": activations.REGISTRY,
    "init": inits.REGISTRY,
    "augment": augmentations.REGISTRY,
    "loss": losses.REGISTRY,
    "penalty": penalties.REGISTRY,
    "optimizer": optimizers.REGISTRY,
    "schedule": schedules.REGISTRY,
}


def check_name(field: str, value: str) -> str:
    """The value, if it is registered for this field. Raises UsageError naming the nearest."""
    registry = REGISTRIES.get(field, {value})
    if value not in registry:
        allowed = ", ".join(registry)
        raise UsageError(f"{field}: {value!r} is not allowed{nearest(value, registry)}", f"Allowed: {allowed}.")
    return value


def check(cell: Cell) -> Cell:
    """The cell, if every name in it is registered. Raises UsageError naming the field and the nearest name."""
    for field in REGISTRIES:
        check_name(field, getattr(cell, field))
    return cell
