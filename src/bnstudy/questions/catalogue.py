"""The questions as data, read from catalogue.csv."""

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Question:
    """An open question of the thesis.

    section      the section that raises it; `beyond` if none does
    written      the date it was written, before its runs
    datasets     the data sets it is asked on
    expectation  what the thesis expects, in our words; `-` if it is silent
    statement    the sentence that is judged: the expectation made precise
    known        of which cells runs existed when it was written; `-` if of none
    """

    id: str
    section: str
    written: str
    datasets: tuple[str, ...]
    question: str
    expectation: str
    statement: str
    known: str

    @property
    def figure(self) -> str:
        """The id of its figure: Q.1 of Q01."""
        return f"Q.{int(self.id[1:])}"


@cache
def registry() -> dict[str, Question]:
    """Return id -> question, in the order of the catalogue."""
    with files("bnstudy.questions").joinpath("catalogue.csv").open(encoding="utf-8") as file:
        rows = [row | {"datasets": tuple(row["datasets"].split())} for row in csv.DictReader(file)]
    return {row["id"]: Question(**row) for row in rows}  # type: ignore[arg-type]


def find(typed: str) -> Question | None:
    """Return the question of an id, typed as Q1, q01 or Q01; None if there is none."""
    number = re.fullmatch("[Qq]0?([0-9]{1,2})", typed)
    return registry().get(f"Q{int(number[1]):02}") if number else None
