"""From timings to timing records: find what is left, choose engines, device and pixels, measure, store."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bnstudy import disk, lock, paths
from bnstudy.console import Say
from bnstudy.design.cell import Run
from bnstudy.design.labels import NORMS
from bnstudy.design.timing import PARTS, Timing
from bnstudy.errors import DataError
from bnstudy.results import provenance, rounds
from bnstudy.results.timings import record
from bnstudy.training import devices


def time(
    timings: Sequence[Timing], results: Path, data_root: Path, say: Say, device: str = "auto", fresh: bool = False
) -> list[Path]:
    """Time what has no record yet, one after the other, on every engine that can train it; return the records' paths.

    The manifest of each timing is written once all its records exist. Only one process times in a folder of results,
    and no other process uses the GPU. Raises Disturbed on a busy machine.
    """
    made = []
    alone = devices.on_device(device, say, alone=True)
    with alone as device, lock.held(paths.lock(results, "timing"), f"{results}: timing", lock.PATIENCE):
        for timing in timings:
            own = []
            for engine in engines(timing, device):
                path = paths.timing(results, timing.key(engine, device))
                if fresh or rounds.written(path, rounds.since()) is None or not _is_valid(path, say):
                    body = measured(timing, engine, device, data_root)
                    say(f"{timing.name}, {engine} on {body['device']}: {_summary(body)}")
                    record.put(results, body)
                own.append(path)
            record.put_manifest(results, timing, own)
            made += own
    return made


def engines(timing: Timing, device: str) -> list[str]:
    """Return the engines that can train both cells on this device."""
    from bnstudy.training.engine import ENGINES, engine

    return [n for n in ENGINES if all(engine(n).supports(c, device) for c in timing.cells.values())]


def _is_valid(path: Path, say: Say) -> bool:
    try:
        record.get(path)
    except DataError as error:
        say(f"{error.cause}; moved aside to {disk.move_aside(path).name}, timing again")
        return False
    return True


def measured(timing: Timing, engine: str, device: str, data_root: Path) -> record.Body:
    """Measure and return the body of a timing record. Raises Disturbed on a busy machine."""
    from bnstudy.training.timing import epochs, pixels
    from bnstudy.training.timing.measure import measure

    cell = timing.none
    part, whole = pixels.timed(cell, device), pixels.full(cell)
    data, source = pixels.inputs(cell, data_root, part)
    load = os.getloadavg()[0]
    subjects = {norm: epochs.alone(engine, Run(c, 0), data, device).parts() for norm, c in timing.cells.items()}
    found = measure(subjects, f"{timing.name}, {engine}", device)
    return {
        "key": timing.key(engine, device), "model": cell.model, "dataset": cell.dataset,
        "batch_size": cell.batch_size, "engine": engine, "device": device.partition(":")[0],
        "cells": {norm: c.key for norm, c in timing.cells.items()}, "pixels": source, "parts": list(PARTS),
        "timed": asdict(part), "full": asdict(whole), "scaled": part != whole,
        "pairs": [{norm: asdict(epoch) for norm, epoch in pair.items()} for pair in found.pairs],
        "rejected": found.rejected, "load": load,
        "provenance": provenance.of_run(
            cell.recipe, engine, device, cell.precision, data.data_digest, data.data_source
        ),
    }  # fmt: skip


def _summary(body: record.Body) -> str:
    from bnstudy.results.timings.frame import full_epochs, median_interval

    none, batch = (full_epochs(body, norm)[:, -1] for norm in NORMS)
    ratio, low, high = median_interval(batch / none)
    return (
        f"{median_interval(none)[0]:.3g} s without norm, batch norm {ratio:.3f} times ({low:.3f} to {high:.3f}), "
        f"{len(body['rejected'])} epochs rejected"
    )
