"""`bnstudy bench train`: a step of every engine and of the usual loops, on random pixels, in alternated rounds.

Each round runs every subject once, in turn, so a drift of the machine meets all alike. On a shared machine the
processor's time is the measure and wall_over_cpu says how disturbed it was; a figure is the median over rounds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from bnstudy.bench import floor
from bnstudy.bench.subject import Reading, Subject, clock
from bnstudy.design.cell import Cell, Run, make_cell
from bnstudy.design.labels import NORMS, SETTINGS
from bnstudy.errors import UsageError, nearest
from bnstudy.studies import choices
from bnstudy.training import devices
from bnstudy.training.engine.inputs import Inputs
from bnstudy.training.timing import epochs, pixels

MODELS = ("mlp", "cnn")
PACKS = (1, 3, 18, 32)
STACKED = ("relu", "lr_high", "lr_low", "init_high", "init_low", "weight_decay")
"""The settings of the thesis that one stack may hold: a pack of 18 is these with three seeds."""

SECONDS = 0.7  # aimed at for one subject in one round
COST = {"plain": 20e-3, "tensor_loader": 4e-3, "reference": 3e-3, "graph": 1e-3, "packed": 1e-3}
"""Seconds of an MLP's step, about; a CNN of full width on a CPU takes a second whatever the loop."""
SLOW_STEPS = 2  # of a CNN of full width on a CPU in one round


@dataclass(slots=True)
class Contender:
    engine: str
    norm: str
    pack: int
    subject: Subject
    readings: list[Reading] = field(default_factory=list)


def rows(
    model: str, dataset: str, norms: Sequence[str], width: float, device: str, rounds: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """One row per engine, norm and pack: engine, model, dataset, norm, pack, us_per_step, cpu_us, wall_over_cpu,
    ratio_to_plain, and besides the contract's keys spread, floor_share, batch_size, rounds, device.

    us_per_step and cpu_us are per cell and step; `spread` is the range over rounds of the time that counts, as a share
    of its median; floor_share is the time of the matrix products alone by that of the step.
    """
    cells = [_cell(model, dataset, norm, width) for norm in norms]
    with devices.on_device(device, say, alone=True) as device:
        return _measured(cells, model, dataset, device, rounds, say)


def _measured(
    cells: Sequence[Cell], model: str, dataset: str, device: str, rounds: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    say(f"{model} on {dataset}: random pixels")
    data = pixels.random(cells[0], _extent(cells[0], device))
    contenders = [contender for cell in cells for contender in _contenders(cell, data, device)]
    for contender in contenders:
        clock(contender.subject, device)  # warm-up
    for i in range(rounds):
        say(f"round {i + 1} of {rounds}")
        for contender in contenders:
            contender.readings.append(clock(contender.subject, device))
    plain = {c.norm: _cpu_us(c) for c in contenders if c.engine == "plain"}
    floors = {pack: _floor_us(cells[0], data, device, pack) for pack in {c.pack for c in contenders}}
    return [_row(c, model, dataset, device, plain[c.norm], floors[c.pack]) for c in contenders]


def _cell(model: str, dataset: str, norm: str, width: float) -> Cell:
    if model not in MODELS:
        raise UsageError(f"--model {model}: not to be timed{nearest(model, MODELS)}", f"Models: {', '.join(MODELS)}.")
    if norm not in NORMS:
        raise UsageError(f"--norm {norm}: not to be timed{nearest(norm, NORMS)}", "Norms: none, batch.")
    return choices.check(make_cell({"model": model, "dataset": dataset, "norm": norm, "width": width}))


def _contenders(cell: Cell, data: Inputs, device: str) -> list[Contender]:
    from bnstudy.bench.plain import plain, tensor_loader
    from bnstudy.training.engine import ENGINES, engine

    loops = {"plain": plain, "tensor_loader": tensor_loader}
    found = [Contender(n, cell.norm, 1, make(cell, data, device, _steps(n, cell, device))) for n, make in loops.items()]
    for name in reversed([n for n in ENGINES if engine(n).supports(cell, device)]):
        for pack in PACKS if name == "packed" else (1,):
            found.append(Contender(name, cell.norm, pack, _trained(name, cell, data, device, pack)))
    return found


def _extent(cell: Cell, device: str) -> pixels.Extent:
    """All training images of an MLP or on a GPU, few of a CNN on a CPU; hardly any for validation."""
    images = pixels.timed(cell, device).images
    if _is_slow(cell, device):
        images = max(images, _steps("reference", cell, device) * cell.batch_size)
    return pixels.extent(cell, images, min(images, pixels.SHORT))


def _is_slow(cell: Cell, device: str) -> bool:
    return cell.model == "cnn" and device == "cpu"


def _steps(engine: str, cell: Cell, device: str) -> int:
    """Steps of one subject in one round."""
    if _is_slow(cell, device):
        return max(2, round(SLOW_STEPS / cell.width))
    return max(4, round(SECONDS / COST[engine]))


def _trained(engine: str, cell: Cell, data: Inputs, device: str, pack: int) -> Subject:
    """Passes over the first images, `pack` cells trained as the engine would train them: stack after stack."""
    steps = max(_steps(engine, cell, device) // pack, 32) if engine == "packed" else _steps(engine, cell, device)
    part = _head(data, min(steps * cell.batch_size, len(data.train_labels)))
    steps = len(part.train_labels) // cell.batch_size
    if engine == "packed":
        from bnstudy.training.engine.packed import STACK

        runs = _pack(cell, pack)
        stacks = [epochs.stack(runs[i : i + STACK], part) for i in range(0, pack, STACK)]
    else:
        stacks = [epochs.alone(engine, Run(cell, 0), part, device)]

    def run() -> None:
        for stack in stacks:
            stack.over(measuring=False)

    return Subject(run, steps, pack)


def _head(data: Inputs, count: int) -> Inputs:
    return replace(data, train_images=data.train_images[:count], train_labels=data.train_labels[:count])


def _pack(cell: Cell, count: int) -> list[Run]:
    """Runs that share a stack's shape, ordered as the engine orders them: by seed."""
    identity = {"model": cell.model, "dataset": cell.dataset, "norm": cell.norm, "width": cell.width}
    cells = [make_cell(SETTINGS[setting] | identity) for setting in STACKED]
    return [Run(cells[i % len(cells)], i // len(cells)) for i in range(count)]


def _floor_us(cell: Cell, data: Inputs, device: str, pack: int) -> float:
    if cell.model != "mlp" or device != "cpu":
        return floor.us_per_step(floor.large_product(cell, device), device)
    from bnstudy.training.engine.packed import STACK

    stacked = min(pack, STACK)
    return floor.us_per_step(floor.products(cell, data.shape, stacked, max(1, 300 // stacked)), device)


def _per_step(contender: Contender, seconds: float) -> float:
    return seconds * 1e6 / (contender.subject.steps * contender.subject.cells)


def _cpu_us(contender: Contender) -> float:
    return _per_step(contender, median(reading.cpu for reading in contender.readings))


def _row(
    contender: Contender, model: str, dataset: str, device: str, plain_us: float, floor_us: float
) -> dict[str, Any]:
    walls, cpus = ([getattr(r, kind) for r in contender.readings] for kind in ("wall", "cpu"))
    counted = cpus if device == "cpu" else walls
    return {
        "engine": contender.engine, "model": model, "dataset": dataset, "norm": contender.norm, "pack": contender.pack,
        "us_per_step": _per_step(contender, median(walls)), "cpu_us": _cpu_us(contender),
        "wall_over_cpu": median(w / c for w, c in zip(walls, cpus, strict=True)),
        "ratio_to_plain": plain_us / _cpu_us(contender),
        "spread": (max(counted) - min(counted)) / median(counted),
        "floor_share": floor_us / _per_step(contender, median(counted)),
        "batch_size": 64, "rounds": len(walls), "device": device,
    }  # fmt: skip
