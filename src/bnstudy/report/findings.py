"""What a study has found, as its page and the verbs on results show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from bnstudy import tables
from bnstudy.design.study import Study
from bnstudy.results.frames import Frames, narrowed
from bnstudy.results.timings import frame as timing
from bnstudy.tables import Shown, practicals
from bnstudy.tables.practicals import Listed
from bnstudy.verdicts import effects


@dataclass(frozen=True, eq=False)
class Findings:
    """A study and its results. What follows from them is computed at its first use, and once: every part of a page
    shows the same verdicts.

    frames   of the study's cells and seeds alone (see `of`)
    timings  timing.TIMING_COLUMNS, or None: not timed
    margins  points of test accuracy by data set, `default` for the others (config.yaml)
    """

    study: Study
    frames: Frames
    timings: pd.DataFrame | None
    margins: Mapping[str, float]

    @classmethod
    def of(cls, study: Study, frames: Frames, timings: pd.DataFrame | None, margins: Mapping[str, float]) -> "Findings":
        """The findings of a study; what the frames hold of other cells and seeds is left out."""
        own = None if timings is None else timing.narrowed(timings, study.cells)
        return cls(study, narrowed(frames, study), own, margins)

    @cached_property
    def plan(self) -> pd.DataFrame:
        """One row per cell (see `tables.planned`)."""
        return tables.planned(self.study.trained, self.study.seeds)

    @cached_property
    def tables(self) -> list[Shown]:
        """B.1 to B.4 and those beside them, and X.1, ... of further cells."""
        return tables.shown(self.plan, self.frames.runs, self.timings, self.margins, self.frames.layers)

    @cached_property
    def course_tables(self) -> list[Listed]:
        """P.1 to P.3; empty if the study holds no cell of the course reports."""
        return practicals.shown(self.plan, self.frames.runs, self.margins)

    @cached_property
    def numbers(self) -> pd.DataFrame:
        """The verdict on each accuracy that the thesis prints (see `tables.numbers`)."""
        return tables.numbers(self.tables)

    @cached_property
    def effects(self) -> pd.DataFrame:
        """The effect of batch norm, printed and ours (see `effects.effects`)."""
        return effects.effects(self.numbers)
