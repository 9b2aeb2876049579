"""Where each run stands now: done, running or waiting, from the files of results alone.

A look at hundreds of runs has to take a moment: a record is verified by its digest, but its layer statistics are not
parsed; a run in training is known by its lock, its epoch by the newest checkpoint.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnstudy import lock, paths, publication, store
from bnstudy.cell import Run
from bnstudy.errors import DataError
from bnstudy.record import without_layers

DONE, RUNNING, WAITING = "done", "running", "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A run now.

    state      DONE: its record verifies, or it is published; RUNNING: a living process holds its lock; else WAITING
    outcome    of a run that is done
    published  done without an own record
    damaged    there is a record that does not verify; the run counts as waiting
    seconds    of its training, if its record was made on a machine like this one
    epoch      of the newest checkpoint of a run that is running, and the seconds that this epoch took
    owner      pid and host of who holds its lock
    """

    state: str
    outcome: str = ""
    published: bool = False
    damaged: bool = False
    seconds: float | None = None
    epoch: int | None = None
    epoch_seconds: float | None = None
    owner: tuple[int, str] | None = None


class Watch:
    """Looks at the same results again and again; a record that has not changed is read once."""

    def __init__(self, results: Path, machine: tuple[str, int | None]):
        self._results, self._machine = results, machine
        self._seen: dict[Path, tuple[tuple[int, int], Standing]] = {}

    def look(self, runs: Iterable[Run]) -> dict[Run, Standing]:
        """Where each of these runs stands. Raises DataError if the published files cannot be read."""
        own = {run: self._recorded(run) for run in runs}
        rest = [run for run, standing in own.items() if standing is None or standing.state != DONE]
        published = set(rest) - set(publication.unlisted(rest, self._results))
        listed = publication.listed(self._results) if published else {}
        found = {run: standing for run, standing in own.items() if standing is not None}
        for run in rest:
            damaged = own[run] is not None
            if run in published:
                outcome = listed[run.cell.key, run.seed]["outcome"]
                found[run] = Standing(state=DONE, outcome=outcome, published=True, damaged=damaged)
            else:
                found[run] = self._unfinished(run, damaged)
        return {run: found[run] for run in own}

    def _recorded(self, run: Run) -> Standing | None:
        """By its own record; None if there is none."""
        path = paths.record(self._results, run.cell.key, run.seed)
        try:
            now = path.stat()
            seen = self._seen.get(path)
            if seen is None or seen[0] != (now.st_mtime_ns, now.st_size):
                text = path.read_text(encoding="utf-8")
                seen = self._seen[path] = ((now.st_mtime_ns, now.st_size), self._of_record(text, str(path)))
            return seen[1]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError):
            return Standing(state=WAITING, damaged=True)

    def _of_record(self, text: str, source: str) -> Standing:
        try:
            body = without_layers(text, source)
        except DataError:
            return Standing(state=WAITING, damaged=True)
        return Standing(state=DONE, outcome=body["outcome"], seconds=self._measured(body))

    def _measured(self, body: dict[str, Any]) -> float | None:
        made_by = body["provenance"]
        if (made_by.get("cpu"), made_by.get("cores")) != self._machine:
            return None
        return sum(s for s in body["epochs"]["seconds"] if isinstance(s, int | float))

    def _unfinished(self, run: Run, damaged: bool) -> Standing:
        owner = lock.holder(paths.run_lock(self._results, run.cell.key, run.seed))
        if owner is None:
            return Standing(state=WAITING, damaged=damaged)
        newest = next((h["progress"] for h in store.glance(self._results, run) if h.get("progress")), {})
        return Standing(
            state=RUNNING, damaged=damaged, owner=(int(owner["pid"]), str(owner["host"])),
            epoch=newest.get("epoch"), epoch_seconds=newest.get("epoch_seconds"),
        )  # fmt: skip
