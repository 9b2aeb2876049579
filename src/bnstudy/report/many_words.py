"""What the verdicts on many numbers mean together, in sentences for the page and README (rules: docs/verdicts.md)."""

from typing import Any

import pandas as pd

from bnstudy.figures import style
from bnstudy.report.answer import listed
from bnstudy.tables.catalogue import CATALOGUE
from bnstudy.verdicts import many

MODELS = {table.model: id for id, table in CATALOGUE.items() if id in ("B.1", "B.2")}


def of_numbers(numbers: pd.DataFrame) -> list[str]:
    """Return the sentences on these numbers (see `tables.numbers`); none if fewer than two were tested."""
    if len(many.tested(numbers)) < 2:
        return []
    return [equivalence(numbers), corrected(numbers), *of_tables(numbers)]


def equivalence(numbers: pd.DataFrame) -> str:
    """Return a sentence on how many reproduced numbers an equivalence test confirms."""
    count, total = many.confirmed(numbers), int((numbers["verdict"] == "reproduced").sum())
    return (
        f"Reproduced means that no difference is seen. For {count['exact']} of the {total} our runs also show that the "
        f"difference is smaller than the margin, if the printed number is exact; for {count['one_run']}, even if that "
        "number is one run of many."
    )


def corrected(numbers: pd.DataFrame) -> str:
    """Return a sentence on how many numbers still differ after correcting for the number of tests."""
    tested, count = len(many.tested(numbers)), many.still_differ(numbers)
    differ = int((numbers["verdict"] == "differs").sum())
    return (
        f"Of the {tested} numbers that were tested, {_by_chance(tested)} would differ by chance alone. "
        f"Of the {differ} that differ, {count['holm']} still do after Holm’s correction (one false alarm in the whole "
        f"table would be rare), {count['benjamini_hochberg']} after Benjamini and Hochberg’s (one in twenty of those "
        "named may be false)."
    )


def _by_chance(tested: int) -> str:
    return f"about {round(0.05 * tested)}" if tested >= 20 else "fewer than one"


def of_tables(numbers: pd.DataFrame) -> list[str]:
    """Return a sentence per table: are its numbers as a whole compatible with ours?"""
    found = []
    for model, part in numbers.groupby("model", sort=False):
        if whole := many.together(part):
            found.append(f"Table {MODELS.get(str(model), style.model(str(model)))} as a whole {_verdict(whole)}")
    return found


def _verdict(whole: many.Together) -> str:
    chance = "less than 0.1 %" if whole.p < 0.001 else f"{100 * whole.p:.1f} %"
    says = "differs from ours by more than chance" if whole.p <= 0.05 else "is compatible with ours"
    text = (
        f"{says}: differences as large as these, over its {whole.tested} tested numbers, come about by chance in "
        f"{chance} of tables."
    )
    return text if whole.p > 0.05 else f"{text} The largest parts are {_drivers(whole)}."


def _drivers(whole: many.Together) -> str:
    return listed(f"{_name(number)} ({100 * share:.0f} %)" for number, share in whole.drivers)


def _name(number: Any) -> str:
    words = (style.dataset(number.dataset), style.norm(number.norm).label, style.setting(number.setting).label)
    return " ".join(words)
