"""From tidy content to the thesis's layout: rows of settings, columns of data set x norm, texts in the cells."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bnstudy.design.labels import BATCH_SIZES, NORMS
from bnstudy.figures import style
from bnstudy.tables.catalogue import SETTING_ROWS, Table, in_order
from bnstudy.verdicts import accuracies
from bnstudy.verdicts.accuracies import MINUS, half_up, signed

BROKEN, DIVERGED = "†", "‡"
NOT_RUN = "–"


@dataclass(frozen=True, slots=True)
class Entry:
    """One number of a table as text: printed, ours, ours - printed, the verdict, and the `key` of its cell."""

    printed: str = ""
    own: str = NOT_RUN
    difference: str = ""
    verdict: str = "not run"
    hint: str = ""
    key: str = ""


ABSENT = Entry(own="", verdict="", hint="not part of this study")
"""The entry of a cell that the study does not have."""


@dataclass(frozen=True, slots=True)
class Row:
    group: str
    label: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as it is shown. `head` holds (data set, number of columns), `columns` the norm of each."""

    id: str
    title: str
    caption: str
    corner: str
    head: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def compared(self) -> bool:
        """True if the table has any printed number."""
        return any(entry.printed for row in self.rows for entry in row.entries)

    @property
    def judged(self) -> bool:
        return any(entry.difference for row in self.rows for entry in row.entries)


def accuracy_grid(table: Table, shown_id: str, content: pd.DataFrame, extra: str = "") -> Grid:
    """The layout of B.1 and B.2: the rows that the study asks for, all if it asks for none; `extra` is added to the
    caption."""
    names = list(dict.fromkeys(content["dataset"]))
    asked = content[content["setting"].isin(content.loc[content["seeds"] > 0, "setting"])]
    notes = ["Rows that this study does not ask for are left out."] if 0 < len(asked) < len(content) else []
    content = content if asked.empty else asked
    by_slot = {(r.setting, r.dataset, r.norm): r for r in accuracies.each(content)}
    rows = [
        Row(group, label, tuple(accuracy_entry(by_slot[setting, d, n]) for d in names for n in NORMS))
        for group, setting, label in SETTING_ROWS
        if setting in set(content["setting"])
    ]
    return grid_of(table, shown_id, extra, "setting", names, rows, [*accuracy_notes(content), *notes])


def grid_of(
    table: Table, shown_id: str, extra: str, corner: str, names: Sequence[str], rows: Sequence[Row],
    notes: Sequence[str],
) -> Grid:  # fmt: skip
    """A grid with a column per data set and norm; `extra` is added to the caption."""
    return Grid(
        shown_id, table.title, " ".join(filter(None, (table.caption, extra))), corner,
        tuple((style.dataset(d), len(NORMS)) for d in names),
        tuple(style.norm(n).label for _ in names for n in NORMS), tuple(rows), tuple(notes),
    )  # fmt: skip


def with_overhead(grid: Grid) -> Grid:
    """The grid, headed for rows that end with the mean overhead in percent."""
    return replace(grid, head=(*grid.head, ("Overhead", 1)), columns=(*grid.columns, "percent"))


def accuracy_entry(number) -> Entry:
    """One number of `content.ACCURACY_COLUMNS` as text."""
    printed = "" if pd.isna(number.printed) else f"{number.printed:.1f}"
    if not number.n:
        return Entry(printed, hint="not run", key=number.key)
    spread = "" if pd.isna(number.std) else f" ± {number.std:.1f}"
    marks = BROKEN * bool(number.broken) + DIVERGED * bool(number.diverged)
    own = f"{half_up(number.mean)}{spread}" + (f" {marks}" if marks else "")
    away = difference(number.mean, number.printed) if printed else ""
    return Entry(printed, own, away, number.verdict, _hint(number), number.key)


def _hint(number) -> str:
    parts = [f"{number.n} of {number.seeds} seeds" if number.n < number.seeds else _count(number.n, "seed")]
    if number.broken_seeds:
        parts.append(f"{number.broken_seeds} of {number.n} seeds answer one class")
    if number.diverged:
        parts.append(f"{number.diverged} of {number.n} seeds diverged")
    return ", ".join(parts)


def ours(ran: pd.DataFrame) -> str:
    """What our numbers are: the mean over so many seeds."""
    low, high = ran["n"].min(), ran["n"].max()
    seeds = _count(high, "seed") if low == high else f"{low} to {high} seeds"
    return f"Ours: mean{' ± standard deviation' if high > 1 else ''} over {seeds}."


def accuracy_notes(content: pd.DataFrame) -> list[str]:
    """The notes below a table of `content.ACCURACY_COLUMNS`."""
    notes, ran = [], content[content["n"] > 0]
    if len(ran):
        notes.append(ours(ran))
    if ran["printed"].notna().any():
        notes.append(f"Difference: ours {MINUS} printed.")
    if (broken := int(ran["broken"].astype(bool).sum())) > 0:
        notes.append(f"{BROKEN} broken: more than half of the seeds answer one class ({_count(broken, 'cell')}).")
    labels, diverged = {setting: label for _, setting, label in SETTING_ROWS}, ran[ran["diverged"] > 0]
    if len(diverged):
        which = "; ".join(
            f"{labels.get(str(setting), setting)}, {style.norm(str(norm)).label}: "
            + ", ".join(f"{style.dataset(str(r.dataset))} {r.diverged} of {r.n}" for r in accuracies.each(part))
            for (setting, norm), part in diverged.groupby(["setting", "norm"], sort=False)
        )
        notes.append(f"{DIVERGED} diverged, the training loss was not finite at some step (seeds): {which}.")
    if len(ran) < len(content):
        notes.append(f"{NOT_RUN} not run ({len(content) - len(ran)} of {len(content)} numbers).")
    return notes


def seconds_grid(table: Table, shown_id: str, content: pd.DataFrame) -> Grid:
    """The layout of B.3 and B.4, with the mean overhead as the last column."""
    content = content.assign(printed_text=_as_printed(content))
    times = content[content["quantity"] == "seconds"]
    names = list(dict.fromkeys(times["dataset"]))
    by_slot = {(r.batch_size, r.dataset, r.norm, r.quantity): r for r in accuracies.each(content)}
    rows = []
    for size in BATCH_SIZES:
        entries = [_seconds_entry(by_slot[size, d, n, "seconds"]) for d in names for n in NORMS]
        entries.append(_overhead_entry(by_slot[size, "all", "batch", "overhead_percent"]))
        rows.append(Row("Batch size", str(size), tuple(entries)))
    return with_overhead(grid_of(table, shown_id, "", "batch size", names, rows, _seconds_notes(times)))


def _as_printed(content: pd.DataFrame) -> pd.Series:
    """The printed numbers as texts: if any number of a quantity has a decimal, all have one, as 3.0 beside 2.5."""
    tenths = content.groupby("quantity")["printed"].transform(lambda numbers: (numbers % 1 > 0).any())
    return pd.Series(
        [
            "" if pd.isna(value) else f"{value:.{int(tenth)}f}"
            for value, tenth in zip(content["printed"], tenths, strict=True)
        ],
        index=content.index,
    )


def _seconds_entry(timed) -> Entry:
    if pd.isna(timed.own):
        return Entry(timed.printed_text, hint="not run")
    return Entry(
        timed.printed_text,
        with_spread(timed.own, timed.iqr / 2),
        "",
        "",
        f"{timed.engine} on {timed.device}, {timed.pixels} pixels",
    )


def _overhead_entry(overhead) -> Entry:
    if pd.isna(overhead.own):
        return Entry(overhead.printed_text, hint="not run")
    difference = signed(overhead.own - overhead.printed) if overhead.printed_text else ""
    return Entry(overhead.printed_text, f"{overhead.own:.1f}", difference, "")


def _seconds_notes(times: pd.DataFrame) -> list[str]:
    ran = times.dropna(subset=["own"])
    if not len(ran):
        return [f"{NOT_RUN} not run."]
    one = next(accuracies.each(ran))
    how = f"{one.engine} on {one.device}{f', {one.hardware}' if one.hardware else ''}"
    notes = [f"Ours: median ± half the interquartile range; engine {how}. Seconds of other hardware are not judged."]
    if (random := ran[ran["pixels"] == "random"]["dataset"].unique()).size:
        notes.append(
            f"Random pixels of the same shape and number: {', '.join(style.dataset(d) for d in in_order(random))}."
        )
    if len(few := ran["timed_images"].dropna()):
        low, high = int(few.min()), int(few.max())
        images = f"{low}" if low == high else f"{low} to {high}"
        notes.append(f"Scaled to full epochs from {images} images of each ({len(few)} numbers).")
    if len(ran) < len(times):
        notes.append(f"{NOT_RUN} not run ({len(times) - len(ran)} of {len(times)} numbers).")
    return notes


def with_spread(seconds: float, half: float) -> str:
    """Seconds to three digits, from 0.1 s on to a hundredth at most, and their spread to the same decimal: 0.66 ± 0.02,
    47.3 ± 0.2, 153 ± 2. The CSV has all digits."""
    decimals = max(0, 2 - int(np.floor(np.log10(seconds)))) if seconds > 0 else 3
    decimals = min(2, decimals) if seconds >= 0.1 else decimals
    return f"{seconds:.{decimals}f} ± {half:.{decimals}f}"


def difference(own: float, printed: float) -> str:
    """Ours minus printed, of the numbers as they are shown."""
    return signed(float(half_up(own)) - printed)


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
