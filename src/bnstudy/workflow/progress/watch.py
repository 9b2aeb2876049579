"""The state of each run (done, running or waiting), from the files of results alone. Read-only; takes no lock.

Hundreds of runs must be checked in a moment, so results are read by digest (`valid.by_digest`). A run is in training if
its lock is held; its epoch is that of the newest checkpoint.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from bnstudy import disk, lock, paths
from bnstudy.design.cell import Run
from bnstudy.results import store, valid

DONE, RUNNING, WAITING = "done", "running", "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """The state of a run.

    phase      DONE: it has a result; RUNNING: a live process holds its lock; else WAITING
    outcome    finished or diverged, if it is done
    published  True if its result is a published run, not an own record
    damaged    True if it has an own record that does not verify
    seconds    training time, if its record was made on a machine like this one
    epoch      epoch of the newest checkpoint of a run in training; that epoch took epoch_seconds
    owner      pid and host of the process that holds its lock
    """

    phase: str
    outcome: str = ""
    published: bool = False
    damaged: bool = False
    seconds: float | None = None
    epoch: int | None = None
    epoch_seconds: float | None = None
    owner: tuple[int, str] | None = None


class Watch:
    """Polls the same results; a record that has not changed is read once."""

    def __init__(self, results: Path, machine: tuple[str, int | None]):
        self._results, self._machine = results, machine
        self._cache: valid.Cache = {}

    def look(self, runs: Iterable[Run]) -> dict[Run, RunState]:
        """Return the state of each run. Raises DataError if the published files cannot be read."""
        damaged: set[Run] = set()
        found = valid.by_digest(runs, self._results, self._cache, lambda run, _: damaged.add(run))
        locks = disk.names(paths.lock(self._results, "run").parent)
        return {run: self._state(run, result, run in damaged, locks) for run, result in found.items()}

    def _state(
        self, run: Run, found: valid.Digested | valid.Row | None, damaged: bool, locks: Collection[str]
    ) -> RunState:
        if found is None:
            return self._unfinished(run, damaged, locks)
        if isinstance(found, valid.Digested):
            seconds = found.seconds if found.machine == self._machine else None
            return RunState(phase=DONE, outcome=found.outcome, seconds=seconds)
        return RunState(phase=DONE, outcome=found["outcome"], published=True, damaged=damaged)

    def _unfinished(self, run: Run, damaged: bool, locks: Collection[str]) -> RunState:
        name = f"{run.cell.key}-{run.seed}.lock"
        owner = lock.holder(paths.run_lock(self._results, run.cell.key, run.seed)) if name in locks else None
        if owner is None:
            return RunState(phase=WAITING, damaged=damaged)
        newest = next((h["progress"] for h in store.glance(self._results, run) if h.get("progress")), {})
        return RunState(
            phase=RUNNING, damaged=damaged, owner=(int(owner["pid"]), str(owner["host"])),
            epoch=newest.get("epoch"), epoch_seconds=newest.get("epoch_seconds"),
        )  # fmt: skip
