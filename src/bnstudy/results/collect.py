"""The results of a study as pandas frames, from its valid records, own or published."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bnstudy import datasets, paths
from bnstudy.console import Say
from bnstudy.design.cell import Run
from bnstudy.design.study import Study
from bnstudy.results import digests, frames, valid
from bnstudy.results.frames import Frames
from bnstudy.results.publication.rows import Published, restore
from bnstudy.results.publication.timings import collect as collect_timings
from bnstudy.results.record import Record
from bnstudy.results.timings import frame as timing


@dataclass(frozen=True)
class Results(Frames):
    """The results of a (narrowed) study: the frames of `frames.Frames`, and `timings` (`timings.frame.COLUMNS`)."""

    study: Study
    timings: pd.DataFrame

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets of the study in its order, including those without results."""
        return tuple(dict.fromkeys(cell.dataset for cell in self.study.cells))


def collect(study: Study, results: Path, say: Say) -> Results:
    """Build the frames of a study from its valid results (`valid`).

    say   gets a line for each result that does not verify; its run is missing unless there is another result
    Raises DataError if published files cannot be read.
    """
    own: list[Record] = []
    published: list[Published] = []
    for _, found in valid.verified(study.runs(), results, say):
        if isinstance(found, Record):
            own.append(found)
        elif found is not None:
            published.append(found)
    absent, runs = datasets.noted(results), study.runs()
    reasons = {run: absent[run.cell.dataset] for run in runs if run.cell.dataset in absent}
    built = frames.build(own, runs, reasons, map(restore, published))
    timings = collect_timings(results, study.cells, say)
    return Results(**vars(built), study=study, timings=timings)


def current(study: Study, results: Path, say: Say) -> Results:
    """Return what `collect` builds: from the frames as last written, or from the results if these are newer, if the
    frames are of other runs, or if records came or went. Writes nothing. Raises DataError as `collect` and
    `frames.get`."""
    if _are_newest(study, results):
        stored = frames.get(results, study.name)
        if set(study.runs()) <= _runs_of(stored, study) and _have_their_records(stored, study, results):
            return Results(**vars(stored), study=study, timings=timing.get(results, study.name))
    return collect(study, results, say)


def _are_newest(study: Study, results: Path) -> bool:
    """Return True if the frames of a study are written, and none of its results since."""
    if not frames.exist(results, study.name):
        return False
    records = [paths.record(results, cell.key, 0).parent for cell in study.trained]
    folders = [*records, paths.timing(results, "").parent, paths.data_state(results, "").parent]
    published = sorted(paths.published(results, "").parent.glob("*"))
    newest = max((path.stat().st_mtime_ns for path in [*folders, *published] if path.exists()), default=0)
    return newest <= (paths.frames(results, study.name) / digests.FILE).stat().st_mtime_ns


def _runs_of(stored: Frames, study: Study) -> set[Run]:
    """Return the runs of a study that stored frames have or list as missing."""
    return _among(study, pd.concat([stored.runs[["key", "seed"]], stored.missing[["key", "seed"]]]))


def _have_their_records(stored: Frames, study: Study, results: Path) -> bool:
    """Return True if stored frames have from own records the runs that have one now, or if they stand without any
    records, as in a copy."""
    if not (results / "records").exists():
        return True
    own = _among(study, stored.runs.loc[stored.runs["origin"] == "own", ["key", "seed"]]) & set(study.runs())
    return own == {run for run in study.runs() if paths.record(results, run.cell.key, run.seed).exists()}


def _among(study: Study, rows: pd.DataFrame) -> set[Run]:
    by_key = {cell.key: cell for cell in study.trained}
    return {Run(by_key[key], seed) for key, seed in rows.itertuples(index=False) if key in by_key}
