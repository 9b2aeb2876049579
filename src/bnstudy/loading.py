"""`bnstudy.load("thesis")`: the results of a study as pandas frames, for notebooks and scripts."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bnstudy import console, datasets, frames, paths, selection, standing
from bnstudy.frames import Frames
from bnstudy.publication.rows import Published, restore
from bnstudy.publication.timings import collect as collect_timings
from bnstudy.record import Record
from bnstudy.study import Study

Say = Callable[[str], None]


@dataclass(frozen=True)
class Results(Frames):
    """The results of a (narrowed) study: the frames of `frames.Frames`, and `timings` (see `timing.frame.COLUMNS`).
    Figures and tables take it as frames."""

    study: Study
    timings: pd.DataFrame

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets of the study in its order, including those without results."""
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
    """The frames of a study, built now from its own records and, for runs without one, from published runs.

    config   the file of studies; the one shipped with bnstudy if there is no config.yaml
    results  the folder of records; default BNSTUDY_RESULTS, else ./results
    where    only cells that meet all of these `key=value` conditions
    seeds    a count, or the seeds themselves
    say      called with a line for each result that does not verify; without another one, its run is missing
    Raises UsageError on an unknown study or condition, DataError if published files cannot be read.
    """
    from bnstudy.config import load as read

    known = read(paths.config_file(config)).study(study)
    wanted = seeds if isinstance(seeds, str | int | None) else "".join(f"{seed}," for seed in seeds)
    chosen = selection.narrow(known, where, wanted)
    return collect(chosen, paths.results_root(results), say)


def collect(study: Study, results: Path, say: Say) -> Results:
    """The frames of a study from its valid results (`standing`). Arguments and errors as for `load`."""
    own: list[Record] = []
    published: list[Published] = []
    for _, found in standing.verified(study.runs(), results, say):
        if isinstance(found, Record):
            own.append(found)
        elif found is not None:
            published.append(found)
    absent, runs = datasets.noted(results), study.runs()
    reasons = {run: absent[run.cell.dataset] for run in runs if run.cell.dataset in absent}
    built = frames.build(own, runs, reasons, map(restore, published))
    timings = collect_timings(results, study.cells, say)
    return Results(**vars(built), study=study, timings=timings)
