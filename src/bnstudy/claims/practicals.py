"""The claims of the three course reports (practicals.csv), judged by the rules of the thesis's claims.

They are not among the thesis's 121 claims and have a separate registry.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import cache, cached_property
from typing import Any

import bnstudy.claims.predicates.practicals  # noqa: F401 (they register themselves)
from bnstudy.claims import listing
from bnstudy.claims.by_row import DATASET, Group, RowCurves, Rows
from bnstudy.claims.catalogue import Claim, claims_of
from bnstudy.claims.measured import Mean, Measured, accuracies
from bnstudy.claims.verdicts import ClaimVerdict, verdict
from bnstudy.printed import practicals
from bnstudy.results.frames import Frames


@cache
def registry() -> dict[str, Claim]:
    """Return id -> claim, in the order of practicals.csv. A claim's places are the groups of rows that it compares."""
    return claims_of("practicals.csv", lambda row: tuple(tuple(group.split("/")) for group in row["rows"].split()))


class MeasuredRows(Measured):
    """The frames of a study as claims of the reports read them: by row."""

    def __init__(self, frames: Frames):
        runs, missing = practicals.placed(frames.runs), practicals.placed(frames.missing)
        super().__init__(replace(frames, runs=runs, missing=missing))
        self.missing = set(missing["setting"])
        self._homes = {row.id: practicals.homes()[row.cell.key] for row in practicals.rows()}
        cells = {row.id: row.cell for row in practicals.rows()}
        self._periods = {row: cell.eval_every for row, cell in cells.items()}
        self._slots = {r: (cell.model, self._homes[r], cell.dataset, cell.norm) for r, cell in cells.items()}
        self._keys_by_row = {row: cell.key for row, cell in cells.items()}

    @cached_property
    def test(self) -> dict[Any, Mean]:
        """Mean test accuracy of each row, by (row,)."""
        found = {slot[1]: mean for slot, mean in accuracies(self.runs).items()}
        return {(row,): found[home] for row, home in self._homes.items() if home in found}

    def evidence(self, kind: str, places: Collection[Group]) -> Rows:
        return Rows(places, *self.draws(kind))

    def history(self, places: Collection[Group], seed: int) -> RowCurves:
        return RowCurves(places, self.histories, seed, self._slots, self._periods)

    def cells(self, read: Iterable[Any]) -> dict[Any, str]:
        return {at: self._keys_by_row[at[-1]] for at in read}

    def lacks(self, asked: Iterable[Any]) -> bool:
        return bool({self._homes[at[-1]] for at in asked} & self.missing)


def judged(frames: Frames) -> list[tuple[Claim, ClaimVerdict]]:
    """Return every claim of the reports with its verdict, in the order of practicals.csv."""
    measured = MeasuredRows(frames)
    return [(claim, verdict(claim, measured if len(measured.runs) else None)) for claim in registry().values()]


def rows(frames: Frames) -> list[dict[str, Any]]:
    """Return one row per claim, keyed as in `claims.rows`; `printed`: whether the reports' numbers support it."""
    found = [listing.row(claim, one, claim.printed) for claim, one in judged(frames)]
    for row in found:
        row["evidence"]["datasets_present"] = [DATASET] if row["evidence"]["places"] else []
    return found
