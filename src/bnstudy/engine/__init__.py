"""The engines: `train(runs) -> trained`, and the choice among them. Importing this imports no torch."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from bnstudy.cell import Cell
from bnstudy.errors import UsageError, nearest
from bnstudy.lazy import torch

ENGINES = {
    "packed": "bnstudy.engine.packed:Packed",
    "graph": "bnstudy.engine.graph:Graph",
    "reference": "bnstudy.engine.reference:Reference",
}
"""Name -> class, in the order in which `auto` asks them; the last supports every cell."""

DRIVER = Path("/proc/driver/nvidia/version")


def engine(name: str):
    module, _, kind = ENGINES[name].partition(":")
    return getattr(import_module(module), kind)()


def choose(cell: Cell, wanted: str, device: str):
    """The engine for a cell: the one wanted, or the first that supports it. Raises UsageError."""
    if wanted != "auto" and wanted not in ENGINES:
        raise UsageError(
            f"--engine {wanted}: no such engine{nearest(wanted, ENGINES)}", f"Engines: auto, {', '.join(ENGINES)}."
        )
    for name in ENGINES if wanted == "auto" else (wanted,):
        candidate = engine(name)
        if candidate.supports(cell, device):
            return candidate
    raise UsageError(f"--engine {wanted}: does not support {cell.key} on {device}", "Leave --engine out.")


def choose_device(wanted: str, say: Callable[[str], None]) -> str:
    """`cpu` or `cuda:n`. `auto` takes a GPU where there is one and says so where there is none it can use.

    Raises UsageError if a CUDA device is asked for that is not there: never a silent fall-back.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return "cuda:0"
        if getattr(torch.backends, "mps", None) is not None and torch.backends.mps.is_available():
            say("device: Apple's GPU is not supported, taking the CPU")
        elif DRIVER.exists():
            say("device: there is an NVIDIA driver, but this torch finds no GPU it can use; taking the CPU")
        return "cpu"
    if wanted == "cpu":
        return wanted
    count = torch.cuda.device_count()
    index = wanted.partition(":")[2] or "0"
    if wanted.partition(":")[0] != "cuda" or not index.isdecimal():
        raise UsageError(f"--device {wanted}: no such device", "Devices: auto, cpu, cuda, cuda:0, cuda:1, ...")
    if int(index) >= count:
        raise UsageError(f"--device {wanted}: {count} CUDA devices found", "Use --device cpu, or check the driver.")
    return f"cuda:{int(index)}"
