"""Claims as data, read from CSV files, and the decorators that register their predicates.

A predicate's name begins with its claim's id: `m27` and `m27_slower` are parts of M27. A claim holds if all its parts
hold. A predicate's docstring states what is computed and is shown on the page; the section is in the catalogue.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from bnstudy.claims.terms import Place

Predicate = Callable[[Any], Any]

ACCURACY, VALIDATION, TIMING = "accuracy", "validation accuracy", "timing"
CURVE, STATISTICS, DATA, LAYER = "curve", "statistics", "data", "layer"
REDRAWN = (ACCURACY, VALIDATION, TIMING)
PER_SEED = (CURVE, STATISTICS)
STAND_IN = "test accuracy in place of validation"
"""What the printed tables are asked for a claim on validation accuracy, which they lack; our runs are not asked."""
PRINTED = (ACCURACY, TIMING, STAND_IN)
"""Kinds of evidence that tables B.1 to B.4 hold."""


@dataclass(frozen=True)
class Part:
    """One condition of a claim, and the kind of evidence for judging it."""

    kind: str
    predicate: Predicate

    @property
    def check(self) -> str:
        """What is computed, in a sentence or two."""
        return " ".join((self.predicate.__doc__ or "").split())


@dataclass(frozen=True)
class Claim:
    """A checkable sentence of the thesis.

    priority    1 (main) to 3 (side remark)
    title       the claim in this project's terms
    places      the models and data sets it is about; empty if it is not about training
    figures     figures and tables that show it, such as 7.16 or B.1
    printed   whether tables B.1 to B.4 support it: yes, no or not in tables; for a course report's claim, whether
                the report's own numbers do: yes, no or not printed
    """

    id: str
    priority: int
    section: str
    title: str
    places: tuple[Place, ...]
    figures: tuple[str, ...]
    printed: str
    parts: tuple[Part, ...]

    @property
    def kind(self) -> str:
        return " + ".join(dict.fromkeys(part.kind for part in self.asked))

    @property
    def asked(self) -> tuple[Part, ...]:
        """The parts that our runs are asked."""
        return tuple(part for part in self.parts if part.kind != STAND_IN)


PARTS: dict[str, list[Part]] = {}


def _decorator(kind: str) -> Callable[[Predicate], Predicate]:
    def register(predicate: Predicate) -> Predicate:
        PARTS.setdefault(predicate.__name__[:3].upper(), []).append(Part(kind, predicate))
        return predicate

    return register


accuracy = _decorator(ACCURACY)
validation = _decorator(VALIDATION)
"""Placed above `accuracy`: requires the same condition of the best validation accuracy too."""
stand_in = _decorator(STAND_IN)
"""Placed below `validation`, if the sentence is about validation accuracy alone."""
timing = _decorator(TIMING)
curve = _decorator(CURVE)
statistics = _decorator(STATISTICS)
data = _decorator(DATA)
layer = _decorator(LAYER)


def claims_of(file: str, places_of: Callable[[dict[str, str]], tuple[Any, ...]]) -> dict[str, Claim]:
    """Return id -> claim, in the order of a CSV file next to this module. Its predicates must have been imported.

    Raises KeyError on a claim without a predicate.
    """
    with files("bnstudy.claims").joinpath(file).open(encoding="utf-8") as rows:
        return {row["id"]: _claim(row, places_of(row)) for row in csv.DictReader(rows)}


def _claim(row: dict[str, str], places: tuple[Any, ...]) -> Claim:
    return Claim(
        id=row["id"],
        priority=int(row["priority"]),
        section=row["section"],
        title=row["title"],
        places=places,
        figures=tuple(row.get("figures", "").split()),
        printed=row["printed"],
        parts=tuple(PARTS[row["id"]]),
    )
