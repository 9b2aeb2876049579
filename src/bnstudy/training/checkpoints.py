"""Checkpoints of runs in training: the engine's `Keeper` on disk, and what a checkpoint must match.

A checkpoint is written only at epoch boundaries, if `checkpoint_seconds` have passed since the last.
"""

import io
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bnstudy import disk, paths
from bnstudy.console import Say
from bnstudy.design.cell import Run
from bnstudy.design.labels import run_name
from bnstudy.errors import UsageError
from bnstudy.lazy import torch
from bnstudy.results import store
from bnstudy.training.engine.contract import Keeper
from bnstudy.training.output import OnEpoch

CHECKPOINT_SECONDS = 30.0  # between two checkpoints of a run; a kill costs at most this and one epoch

_SOURCES, _MACHINE = ("recipe", "source_digest", "data_digest", "engine"), ("torch", "cpu", "instruction_set", "gpu")
MATCHING = (*_SOURCES, *_MACHINE, "threads", "precision", "environment")
"""Fields of a run's provenance that must match for its checkpoint to be resumed."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What a training calls: `stopping` at every batch, `say` with a line to print, `on_epoch` with a run's new row."""

    stopping: Callable[[], bool]
    say: Say
    on_epoch: OnEpoch


class DiskKeeper(Keeper):
    """The engine's `Keeper` on disk: checkpoints when due, lines of progress, requests to stop."""

    def __init__(self, results: Path, made_by: dict[str, dict[str, Any]], calls: Callbacks, weights: bool = False):
        self._results, self._made_by, self._weights = results, made_by, weights
        self._stopping, self._say, self._on_epoch = calls.stopping, calls.say, calls.on_epoch
        self._began: dict[str, float] = {}
        self._attempts: dict[str, list[dict[str, Any]]] = {}
        self._saved: dict[str, float] = {}
        self._interval = checkpoint_seconds()

    def stopping(self) -> bool:
        return self._stopping()

    def restore(self, run: Run) -> dict[str, Any] | None:
        kept = self._kept(run)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        this = {"start": now, "host": socket.gethostname(), "first_epoch": 1 + (kept["epoch"] if kept else 0)}
        self._attempts[run.id] = [*(kept["attempts"] if kept else []), this]
        self._began[run.id] = self._saved[run.id] = time.monotonic()
        if kept:
            self._say(f"{run_name(run)}: resumes after epoch {kept['epoch']}")
        return kept["state"] if kept else None

    def _kept(self, run: Run) -> dict[str, Any] | None:
        """Return the newest checkpoint that verifies and loads as plain values and tensors, without executing code."""
        for payload in store.get_checkpoints(self._results, run, self._fingerprint(run)):
            try:
                kept = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
                if isinstance(kept, dict) and kept.keys() == {"epoch", "attempts", "state"}:
                    return kept
            except Exception:  # torch raises nearly anything on foreign bytes
                pass
            self._say(f"{run_name(run)}: a checkpoint is malformed and is ignored")
        return None

    def epoch_done(self, run: Run, row: dict[str, Any], state: Callable[[], dict[str, Any]]) -> None:
        self._on_epoch(run, row)
        if time.monotonic() - self._saved[run.id] < self._interval:
            return
        buffer = io.BytesIO()
        torch.save({"epoch": row["epoch"], "attempts": self.attempts(run), "state": state()}, buffer)
        progress = {"epoch": row["epoch"], "epoch_seconds": row["seconds"]}
        store.put_checkpoint(self._results, run, self._fingerprint(run), buffer.getvalue(), progress)
        self._saved[run.id] = time.monotonic()

    def finished(self, run: Run, weights: Callable[[], dict[str, Any]]) -> None:
        if self._weights:
            from bnstudy.results.weights import content

            disk.write(paths.weights(self._results, run.cell.key, run.seed), content(run, weights()))

    def origin(self, run: Run) -> dict[str, Any]:
        """Return the fields of a run's `Record` that no engine measures: its attempts and provenance."""
        return {"attempts": self.attempts(run), "provenance": self._made_by[run.id]}

    def attempts(self, run: Run) -> list[dict[str, Any]]:
        """Return all attempts at this run; the current one ends now."""
        *earlier, this = self._attempts[run.id]
        return [*earlier, this | {"seconds": round(time.monotonic() - self._began[run.id], 3)}]

    def _fingerprint(self, run: Run) -> dict[str, Any]:
        return fingerprint(run, self._made_by[run.id])


def fingerprint(run: Run, made_by: dict[str, Any]) -> dict[str, Any]:
    """Return what must match for a checkpoint to be resumed with the same bits, from a run's provenance.

    It has the kind of device and the GPU's model, not its index: a run may resume on another GPU of the same model.
    """
    kind = str(made_by.get("device")).partition(":")[0]
    return {"key": run.cell.key, "seed": run.seed, "device": kind} | {name: made_by.get(name) for name in MATCHING}


def checkpoint_seconds() -> float:
    """Return seconds between checkpoints: BNSTUDY_CHECKPOINT_SECONDS, else 30; 0 is every epoch. Raises UsageError."""
    given = os.environ.get("BNSTUDY_CHECKPOINT_SECONDS", "")
    try:
        seconds = float(given or CHECKPOINT_SECONDS)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise UsageError(f"BNSTUDY_CHECKPOINT_SECONDS: {given!r} is not a duration", "Give seconds, or leave it out.")
    return seconds
