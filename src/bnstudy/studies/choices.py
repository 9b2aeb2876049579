"""The names that a cell's fields accept: the entries of the registries. Importing this does not import torch."""

from bnstudy import datasets, extensions
from bnstudy.design.cell import Cell
from bnstudy.design.rules import BATCH_NORMS, train_part
from bnstudy.errors import UsageError, nearest
from bnstudy.networks import activations, augmentations, inits, losses, models, norms, optimizers, penalties, schedules

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
    """Return the value if it is registered for this field. Raises UsageError naming the nearest match."""
    registry = REGISTRIES.get(field, {value})
    if value not in registry:
        allowed = ", ".join(registry)
        cause = f"{field}: {value!r} is not allowed{nearest(value, registry)}"
        raise UsageError(cause, f"Allowed: {allowed}.{extensions.hint()}")
    return value


def check(cell: Cell) -> Cell:
    """Return the cell if every name in it is registered and its data set has enough images for its batches.

    Raises UsageError naming the field, with the nearest name or a legal value.
    """
    for field in REGISTRIES:
        check_name(field, getattr(cell, field))
    check_batches(cell, datasets.REGISTRY[cell.dataset].train)
    return cell


def check_batches(cell: Cell, there: int) -> None:
    """Raise UsageError if `there` training images are too few for the cell's size or folds, if an epoch has no batch,
    or if batch norm would get a batch of one image."""
    count = cell.train_size or there
    if count > there:
        raise UsageError(f"train_size: {count} of {there} training images", f"Give at most {there}.")
    if (cell.folds or 0) > count:
        raise UsageError(f"folds: {cell.folds} of {count} training images", f"Give at most {count}.")
    part, keeps = train_part(cell, count), cell.last_batch == "keep"
    if cell.batch_size > part and not keeps:
        raise UsageError(
            f"batch_size: {cell.batch_size}, but only {part} images of {cell.dataset} are trained on",
            f"Give at most {part}.",
        )
    smallest = part % cell.batch_size or cell.batch_size if keeps else cell.batch_size
    if smallest == 1 and cell.norm in BATCH_NORMS:
        raise UsageError(
            f"batch_size: {cell.batch_size} leaves batch norm a batch of 1 of the {part} images, too few to average",
            "Give a batch_size of at least 2" + (", or last_batch drop." if cell.batch_size > 1 else "."),
        )
