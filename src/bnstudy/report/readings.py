"""What the page says of readings: which one comes closest to the printed numbers, and how sure that is."""

from typing import Any

import pandas as pd

from bnstudy import published
from bnstudy.closeness import LEVEL, closeness, conclusion, signed
from bnstudy.labels import READINGS
from bnstudy.stats import each


def of_study(plan: pd.DataFrame, runs: pd.DataFrame) -> dict[str, Any] | None:
    """conclusion, level (percent) and rows of a study with other readings than the default; None without any."""
    printed = plan[plan["setting"] != "adhoc"]  # a cell that no table has is nearer to no number
    asked = [r for r in READINGS if r != "default" and (printed["reading"] == r).any()]
    if not asked:
        return None
    table = closeness(runs[runs["key"].isin(plan["key"])], published.accuracy())
    left = [r for r in asked if r not in set(table["reading"])]
    return {
        "conclusion": conclusion(table) if len(table) else "No reading has been run beside the default yet.",
        "level": round(100 * LEVEL),
        "rows": [_row(row) for row in each(table)],
        "left": left,
    }


def _row(row: Any) -> dict[str, Any]:
    interval = "–" if pd.isna(row.half_width) else f"± {row.half_width:.2f}"
    return {
        "reading": row.reading, "numbers": row.numbers, "seeds": row.seeds, "deviation": f"{row.deviation:.2f}",
        "default": f"{row.default:.2f}", "difference": signed(row.difference), "interval": interval,
        "verdict": row.verdict, "what": ", ".join(f"{k}={_plain(v)}" for k, v in READINGS[row.reading].items()),
    }  # fmt: skip


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
