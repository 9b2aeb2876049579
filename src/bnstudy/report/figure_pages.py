"""A page per figure of curves, reports/<study>/figures/<stem>.html: every value it shows, line by line, as charts whose
lines can be chosen and read."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bnstudy import disk
from bnstudy.figures import style
from bnstudy.report import curves, rendering
from bnstudy.tables.catalogue import in_order

ACROSS = ("epoch", "step", "batch_size")
LINE = ("setting", "norm", "row")
"""Columns that make a line; its part of the data and its seed only divide it."""
WORDS = {
    "loss": "loss, nats", "accuracy": "accuracy, %", "validation_accuracy": "validation accuracy, %",
    "mean_gradients": "mean gradient", "validation_comparison": "validation accuracy, %",
    "batch_sizes": "test accuracy, %", "practicals": "test accuracy, %",
}  # fmt: skip
"""Quantity, or kind of a figure that shows one alone -> its name with its unit."""


def write(pictures: Iterable[Mapping[str, Any]], values: Mapping[str, Any], folder: Path) -> None:
    """Write the page of each picture that has one (see `address`); what has not changed stays. Raises WriteError.

    values   what the page of the study shows
    folder   that of the study's page
    """
    for picture in pictures:
        if picture["page"]:
            shown = {"p": picture, "study": values["study"], "synthetic": values["synthetic"], **page(picture)}
            text, path = rendering.html("figure.html.j2", "cell.css", **shown), folder / picture["page"]
            if rendering.current(path) != text:
                disk.write(path, text.encode())


def address(figure: Any, table: pd.DataFrame | None) -> str:
    """The page of a figure with this plotted data, beside the study's; empty for one that shows no curves."""
    needed = (ACROSS, LINE, ("dataset", "panel"), ("mean", "value"))
    shown = table is not None and len(table) and all({*any_of} & {*table.columns} for any_of in needed)
    return f"figures/{figure.stem}.html" if shown else ""


def page(picture: Mapping[str, Any]) -> dict[str, Any]:
    """title, across, charts (one per panel and quantity) and lines (label and style of each)."""
    figure, table = picture["figure"], picture["table"]
    across = next(column for column in ACROSS if column in table)
    facets = [column for column in ("dataset", "panel", "quantity") if column in table]
    line = [column for column in LINE if column in table and (column, across) != ("setting", "batch_size")]
    known = sorted(table[line].drop_duplicates().itertuples(index=False, name=None), key=_rank)
    looks = {at: f"k{i % 6}" for i, at in enumerate(known)}
    named = [column for column in line if table[column].nunique() > 1] or line
    datasets = in_order(table["dataset"]) if "dataset" in table else list(dict.fromkeys(table["panel"]))
    labels = {at: ", ".join(_word(c, v) for c, v in zip(line, at, strict=True) if c in named) for at in looks}
    charts = [
        curves.chart(_title(figure, dict(zip(facets, at, strict=True))), _lines(part, across, line, looks, labels))
        for at, part in sorted(table.groupby(facets, sort=False), key=lambda group: datasets.index(group[0][0]))
    ]
    return {
        "title": f"Figure {figure.id}: {figure.title}", "across": across.replace("_", " "), "charts": charts,
        "means": "mean" in table,
        "lines": [(labels[at], looks[at]) for at in looks],
    }  # fmt: skip


def _rank(line: tuple[Any, ...]) -> tuple[int, ...]:
    """The place of a line: settings and norms in the order of their looks, so that a norm keeps its colour."""
    order = [*style.SETTINGS, *style.NORMS]
    return tuple(order.index(value) if value in order else 0 for value in line)


def _title(figure: Any, at: Mapping[str, Any]) -> str:
    where = style.dataset(str(at["dataset"])) if "dataset" in at else at["panel"]
    what = at.get("quantity", figure.kind)
    return f"{where}: {WORDS.get(what, what)}"


def _lines(
    part: pd.DataFrame, across: str, line: list[str], looks: Mapping[Any, str], labels: Mapping[Any, str]
) -> Any:
    value = "mean" if "mean" in part else "value"
    divided = [column for column in ("part", "seed") if column in part]
    for at, rows in part.groupby([*line, *divided], sort=False, observed=True):
        which, more = at[: len(line)], dict(zip(divided, at[len(line) :], strict=True))
        label = ", ".join([labels[which], *(f"{'seed ' * (c == 'seed')}{v}" for c, v in more.items())])
        dashed = " training" if more.get("part") == "training" else ""
        yield curves.Line(
            label, looks[which] + dashed, rows[across].tolist(), rows[value].astype(float).tolist(),
            {"line": labels[which], **more},
        )  # fmt: skip


def _word(column: str, value: Any) -> str:
    words = {"setting": lambda v: style.setting(v).label, "norm": lambda v: style.norm(v).label}
    return words.get(column, str)(str(value))
