"""The section `readings`: which reading comes closest to the printed numbers, and how sure that is."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from bnstudy import printed
from bnstudy.design.labels import READINGS
from bnstudy.design.words import as_word
from bnstudy.figures import style
from bnstudy.verdicts.accuracies import SLOT, each, half_up
from bnstudy.verdicts.readings import LEVEL, by_number, closeness, conclusion, signed


def of_study(plan: pd.DataFrame, runs: pd.DataFrame, numbers: pd.DataFrame) -> dict[str, Any] | None:
    """conclusion, level (percent), rows and numbers of a study that asks for more than the default reading, or None.

    numbers   printed numbers with their verdicts (see `tables.numbers`)
    """
    in_tables = plan[plan["setting"] != "adhoc"]  # other cells have no printed number
    asked = [r for r in READINGS if r != "default" and (in_tables["reading"] == r).any()]
    if not asked:
        return None
    table, numbers = closeness(runs, _learned(printed.accuracy())), by_number(_learned(numbers), runs)
    within = numbers.groupby("reading")[["within", "default_within"]].sum()
    left = [r for r in asked if r not in set(table["reading"])]
    return {
        "conclusion": conclusion(table) if len(table) else "No reading has been run beside the default yet.",
        "level": round(100 * LEVEL),
        "rows": [_row(row, *within.loc[row.reading]) for row in each(table)],
        "numbers": list(_numbers(numbers[numbers["verdict"].isin(["differs", "undecided"])])),
        "left": left,
    }


def _learned(numbers: pd.DataFrame) -> pd.DataFrame:
    """The printed numbers of networks that learned: no reading is nearer to a constant guess than another."""
    return numbers[[not printed.is_chance(r.printed, r.dataset) for r in each(numbers)]]


def _row(row: Any, within: int, default_within: int) -> dict[str, Any]:
    interval = "–" if pd.isna(row.half_width) else f"± {row.half_width:.2f}"
    return {
        "reading": row.reading, "numbers": row.numbers, "nearer": row.nearer, "seeds": row.seeds,
        "moved": signed(row.moved),
        "deviation": f"{row.deviation:.2f}", "default": f"{row.default:.2f}",
        "difference": signed(row.difference), "interval": interval,
        "within": within, "default_within": default_within, "verdict": row.verdict,
        "what": ", ".join(f"{k}={as_word(v)}" for k, v in READINGS[row.reading].items()),
    }  # fmt: skip


def _numbers(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Each printed number that the default does not reproduce, with the means of the other readings."""
    for _, group in table.groupby(SLOT, sort=False):
        number = next(each(group))
        where = (style.model(number.model), style.dataset(number.dataset), style.norm(number.norm).label,
                 style.setting(number.setting).label)  # fmt: skip
        yield {
            "where": ", ".join(where),
            "printed": f"{number.printed:.1f}", "default": half_up(number.default), "verdict": number.verdict,
            "readings": [{"reading": r.reading, "own": half_up(r.own), "within": r.within} for r in each(group)],
        }  # fmt: skip
