"""Random search (thesis 2.8.4): a grid may draw values of its fields instead of listing them.

    random: {lr: {log: [0.0001, 1]}, dropout: {uniform: [0, 0.5]}, draws: 20}

makes twenty draws of both fields, each combined with all values of the grid's other keys. A draw follows from the seed,
the field, its range and the number of the draw alone: the same config gives the same cells, more draws add some, and
grids with the same ranges share their draws. Values have four significant digits.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, Literal

from bnstudy.design.fields import FIELDS, FORMS, checked
from bnstudy.errors import UsageError, nearest

MOST = 1_000
NUMBERS = [name for name, form in FORMS.items() if form.type in (int, float) and not form.is_list and name != "recipe"]
HOW = ("log", "uniform")
EXAMPLE = "Write for instance random: {lr: {log: [0.0001, 1]}, draws: 20}."


@dataclass(frozen=True, slots=True)
class Range:
    """Where a field is drawn from: evenly between `low` and `high`, or evenly in its logarithm."""

    field: str
    how: Literal["log", "uniform"]
    low: float
    high: float

    def draw(self, seed: int, number: int) -> Any:
        """Return draw `number`, as the field holds it."""
        words = json.dumps(["random", seed, self.field, self.how, self.low, self.high, number])
        share = int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big") / 2**64
        low, high = (math.log(end) if self.how == "log" else end for end in (self.low, self.high))
        value = low + share * (high - low)
        value = float(f"{math.exp(value) if self.how == 'log' else value:.4g}")
        value = min(max(value, self.low), self.high)
        return checked(self.field, round(value) if FORMS[self.field].type is int else value)


@dataclass(frozen=True, slots=True)
class Draws:
    """The ranges of a grid's drawn fields, the number of draws, and what tells them from other draws."""

    ranges: tuple[Range, ...]
    draws: int
    seed: int = 0

    def values(self) -> list[dict[str, Any]]:
        """Return the fields of each draw."""
        return [{one.field: one.draw(self.seed, number) for one in self.ranges} for number in range(self.draws)]


def parsed(block: Any) -> Draws:
    """Return the draws that a config's `random` block asks for. Raises UsageError."""
    if not isinstance(block, dict):
        raise UsageError(f"random: {block!r} is not a mapping", EXAMPLE)
    number, seed = block.get("draws"), block.get("seed", 0)
    if type(number) is not int or not 1 <= number <= MOST:
        raise UsageError(f"random: draws is {number!r}", f"Give the number of draws, from 1 to {MOST:,}.")
    if type(seed) is not int or seed < 0:
        raise UsageError(f"random: seed is {seed!r}", "Give a whole number from 0; another one gives other draws.")
    ranges = tuple(_range(field, given) for field, given in block.items() if field not in ("draws", "seed"))
    if not ranges:
        raise UsageError("random: no field is drawn", EXAMPLE)
    return Draws(ranges, number, seed)


def _range(field: Any, given: Any) -> Range:
    if field not in NUMBERS:
        kind = "is not a field" if field not in FIELDS else "is not a number field"
        raise UsageError(f"random: {field} {kind}{nearest(str(field), NUMBERS)}", EXAMPLE)
    how, ends = next(iter(given.items())) if isinstance(given, dict) and len(given) == 1 else ("", None)
    if how not in HOW or not isinstance(ends, list) or len(ends) != 2:
        remedy = f"Give log or uniform, and the lowest and highest value. {EXAMPLE}"
        raise UsageError(f"random: {field} is {given!r}", remedy)
    low, high = (checked(field, end) for end in ends)
    if not low < high or (how == "log" and low <= 0):
        above = ", both above 0" if how == "log" else ""
        raise UsageError(f"random: {field} is {given!r}", f"Give the lower end before the upper one{above}.")
    return Range(field, how, float(low), float(high))
