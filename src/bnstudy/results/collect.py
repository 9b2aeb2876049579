"""The results of a study as pandas frames, from its valid records, own or published."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bnstudy import datasets
from bnstudy.console import Say
from bnstudy.design.study import Study
from bnstudy.results import frames, valid
from bnstudy.results.frames import Frames
from bnstudy.results.publication.rows import Published, restore
from bnstudy.results.publication.timings import collect as collect_timings
from bnstudy.results.record import Record


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
