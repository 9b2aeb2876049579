"""The open questions judged: each one's statement by the rules of the thesis's claims, on the cells it asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pandas as pd

import bnstudy.claims.predicates.questions  # noqa: F401 (they register themselves)
from bnstudy.claims import answers, listing
from bnstudy.claims.catalogue import PARTS, Claim
from bnstudy.claims.measured import Measured
from bnstudy.claims.verdicts import ClaimVerdict, verdict
from bnstudy.questions import Question
from bnstudy.questions import cells as asked
from bnstudy.questions import registry as questions
from bnstudy.results.frames import Frames

NOT_PRINTED = "not printed"


@dataclass(frozen=True)
class Judged:
    """A question on the data sets that a study asks it on: its answer in sentences, none if nothing was run, and the
    verdict on its statement."""

    question: Question
    claim: Claim
    verdict: ClaimVerdict
    answer: tuple[str, ...]

    @property
    def datasets(self) -> tuple[str, ...]:
        return tuple(dataset for _, dataset in self.claim.places)


@cache
def registry() -> dict[str, Claim]:
    """Return id -> the statement of a question as a claim, in the order of the catalogue."""
    return {id: _claim(question) for id, question in questions().items()}


def _claim(question: Question) -> Claim:
    return Claim(
        id=question.id,
        priority=1,
        section=question.section,
        title=question.statement,
        places=tuple((asked.MODEL, dataset) for dataset in question.datasets),
        figures=(question.figure,),
        printed=NOT_PRINTED,
        parts=tuple(PARTS[question.id]),
    )


class MeasuredCells(Measured):
    """The frames of a study as questions read them: a cell's setting is what it changes of the baseline."""

    def __init__(self, frames: Frames):
        super().__init__(replace(frames, runs=asked.placed(frames.runs), missing=asked.placed(frames.missing)))

    def _chosen(self, runs: pd.DataFrame) -> pd.DataFrame:
        return runs


def judged(frames: Frames, on: Mapping[str, tuple[str, ...]]) -> list[Judged]:
    """Return these questions with their verdicts. `on`: id -> data sets (see `questions.cells.asked_by`)."""
    measured = MeasuredCells(frames)
    return [_judged(id, datasets, measured) for id, datasets in on.items()]


def _judged(id: str, datasets: tuple[str, ...], measured: Measured) -> Judged:
    claim = replace(registry()[id], places=tuple((asked.MODEL, dataset) for dataset in datasets))
    found = verdict(claim, measured if len(measured.runs) else None)
    return Judged(questions()[id], claim, found, answers.of(id, datasets, measured))


def rows(frames: Frames, on: Mapping[str, tuple[str, ...]]) -> list[dict[str, Any]]:
    """Return one row per question, keyed as in `claims.rows`, and question, written, answer (a list of sentences)."""
    return [
        listing.row(one.claim, one.verdict, NOT_PRINTED)
        | {"question": one.question.question, "written": one.question.written, "answer": list(one.answer)}
        for one in judged(frames, on)
    ]
