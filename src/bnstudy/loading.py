"""`bnstudy.load("thesis")`: the results of a study as pandas frames, for notebooks and scripts."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bnstudy import console, datasets, frames, paths, publication, selection, store
from bnstudy.errors import DataError
from bnstudy.frames import Frames
from bnstudy.publication.timings import collect as collect_timings
from bnstudy.record import Record
from bnstudy.study import Study

Say = Callable[[str], None]


@dataclass(frozen=True)
class Results(Frames):
    """What a study has measured: the frames of `frames.Frames`, and `timings` (see `timing.frame.COLUMNS`), of the
    study as it was narrowed. Figures and tables take it as frames."""

    study: Study
    timings: pd.DataFrame

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets of the study, in its order, with or without runs."""
        return tuple(dict.fromkeys(cell.dataset for cell in self.study.cells))


def load(
    study: str = "thesis",
    *,
    config: str | os.PathLike = "config.yaml",
    results: str | os.PathLike | None = None,
    where: str | Sequence[str] = (),
    seeds: str | int | Sequence[int] | None = None,
    say: Say = console.say,
) -> Results:
    """The frames of a study, made from its records now: own ones, and for the rest published ones.

    config   where the studies stand; where there is no config.yaml, those that come with bnstudy
    results  the folder of records; else BNSTUDY_RESULTS, else ./results
    where    only cells that meet all of these `key=value`
    seeds    a count, or the seeds themselves
    say      is told of each record that does not verify; that run is then among the missing
    Raises UsageError on a study or condition that does not exist, DataError if published files cannot be read.
    """
    from bnstudy.config import load as read

    known = read(paths.config_file(config)).study(study)
    wanted = seeds if isinstance(seeds, str | int | None) else "".join(f"{seed}," for seed in seeds)
    chosen = selection.narrow(known, where, wanted)
    return collect(chosen, paths.results_root(results), say)


def collect(study: Study, results: Path, say: Say) -> Results:
    """The frames of a study from the records there are."""
    own, absent, runs = list(_readable(study, results, say)), datasets.noted(results), study.runs()
    reasons = {run: absent[run.cell.dataset] for run in runs if run.cell.dataset in absent}
    built = frames.build(own, runs, reasons, published_records(study, results, own, say))
    timings = collect_timings(results, study.cells, say)
    return Results(**vars(built), study=study, timings=timings)


def _readable(study: Study, results: Path, say: Say) -> Iterator[Record]:
    """The records of a study that verify; one that does not is said."""
    for _, found in store.get_records(results, study.runs()):
        if isinstance(found, DataError):
            say(f"bnstudy: {found.cause}")
        elif found is not None:
            yield found


def published_records(study: Study, results: Path, own: Sequence[Record], say: Say) -> Iterator[Record]:
    """The published records of a study, of runs without a record of their own that verifies."""
    here = {record.run for record in own}
    return publication.records(results, [run for run in study.runs() if run not in here], say)
