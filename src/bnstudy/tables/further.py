"""Tables X.1, X.2, ...: cells that no table of the thesis has a place for, a table per model.

Another norm, another optimizer, a user's own grid: each row names what its cells change of the baseline, as
`bnstudy try` takes it, and the baseline stands first where the study has it.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bnstudy import stats
from bnstudy.cell import FIELDS, plain
from bnstudy.figures import style
from bnstudy.labels import ALL_SETTINGS, NORMS, SIZE
from bnstudy.published.practicals import homes
from bnstudy.tables.catalog import Table, in_order
from bnstudy.tables.content import ACCURACY_COLUMNS
from bnstudy.tables.layout import Entry, Grid, Row, accuracy_entry, accuracy_notes

THESIS_SETTINGS = (*ALL_SETTINGS, "relu_norm_after")
COLUMNS = ("dataset", "model", "norm", "recipe")
"""Fields that no row names: a table is of one model, and the others are its columns."""

BASELINE, GROUP = "baseline", "The baseline, and changes of it"
CAPTION = (
    "Test accuracy in percent of the weights after the last epoch, of cells that no table of the thesis has. A row "
    "names what it changes of the baseline (ReLU, Kaiming, learning rate 0.01, batch size 64)."
)


def tables_of(plan: pd.DataFrame) -> dict[str, tuple[Table, pd.DataFrame]]:
    """id -> the table and its cells, for each model of a study (see `tables.planned`) that has further cells.

    Rows of the course reports are none of them: they have tables of their own.
    """
    known = plan["norm"].isin(NORMS) & plan["setting"].isin(THESIS_SETTINGS) & (plan["reading"] != "adhoc")
    further = plan[~known & ~plan["key"].isin(list(homes()))]
    models = sorted(further["model"].unique(), key=lambda model: (model not in style.MODELS, model != "mlp", model))
    found = {}
    for i, model in enumerate(models, 1):
        own = plan[plan["model"] == model]
        own = own.assign(row=_rows(own))
        shown = {BASELINE, *own.loc[own["key"].isin(further["key"]), "row"]}
        title = f"{style.model(str(model))} cells of no table of the thesis"
        table = Table(f"X.{i}", str(model), "accuracy", title, f"{CAPTION}{_size(own)}")
        found[table.id] = table, own[own["row"].isin(shown)].sort_values("row", key=_baseline_first, kind="stable")
    return found


def content(cells: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """ACCURACY_COLUMNS for each cell of `tables_of`; `setting` is the row's text, and no number is printed."""
    means = stats.cell_means(runs)[["key", "n", "mean", "std", "diverged", "broken_seeds", "broken"]]
    found = cells.assign(seeds=cells["seeds"].map(len), setting=cells["row"]).merge(means, how="left", on="key")
    counts = {c: pd.to_numeric(found[c]).fillna(0).astype("int64") for c in ("n", "diverged", "broken_seeds")}
    found = found.assign(**counts, broken=found["broken"].eq(True)).astype({"mean": "float64", "std": "float64"})
    found["verdict"] = found["n"].map(lambda n: "" if n else "not run")
    return found.assign(parameter="", section="").reindex(columns=ACCURACY_COLUMNS)


def grid(table: Table, content: pd.DataFrame) -> Grid:
    """Rows of changes, columns of data set x norm."""
    names = in_order(content["dataset"])
    norms = {name: _norms(content[content["dataset"] == name]) for name in names}
    by_slot = {(r.setting, r.dataset, r.norm): accuracy_entry(r) for r in stats.each(content)}
    none = Entry(own="", verdict="", hint="not part of this study")
    rows = [
        Row(GROUP, row, tuple(by_slot.get((row, d, n), none) for d in names for n in norms[d]))
        for row in dict.fromkeys(content["setting"])
    ]
    return Grid(
        table.id, table.title, table.caption, "cell", tuple((style.dataset(d), len(norms[d])) for d in names),
        tuple(style.norm(n).label for d in names for n in norms[d]), tuple(rows), tuple(accuracy_notes(content)),
    )  # fmt: skip


def changed(row: Mapping[Any, Any]) -> dict[str, str]:
    """The fields of a described cell that are not at their default, as `bnstudy try` takes them."""
    values = {f: plain(row[f]) for f in FIELDS}
    return {f: _text(values[f]) for f, spec in FIELDS.items() if not _same(values[f], plain(spec.default))}


def _rows(cells: pd.DataFrame) -> list[str]:
    """What each cell changes, in words; not the size, where it is that of all."""
    unsaid = {*COLUMNS, *(() if _sizes(cells) > 1 else SIZE)}
    told = [{f: v for f, v in changed(row).items() if f not in unsaid} for row in cells.to_dict("records")]
    return [" ".join(f"{f}={v}" for f, v in words.items()) or BASELINE for words in told]


def _size(cells: pd.DataFrame) -> str:
    """The size of all cells, where it is one and not the thesis's."""
    first = changed(cells.iloc[0].to_dict())
    told = ", ".join(f"{f}={first[f]}" for f in SIZE if f in first)
    return f" All with {told}: not the thesis's protocol but a smaller one." if told and _sizes(cells) == 1 else ""


def _sizes(cells: pd.DataFrame) -> int:
    return len(cells[list(SIZE)].drop_duplicates())


def _norms(cells: pd.DataFrame) -> list[str]:
    """Vanilla and batch norm first, as in the thesis's tables."""
    there = dict.fromkeys(cells["norm"])
    return [*(n for n in NORMS if n in there), *(n for n in there if n not in NORMS)]


def _baseline_first(rows: pd.Series) -> pd.Series:
    order = {row: i for i, row in enumerate(dict.fromkeys([BASELINE, *rows]))}
    return rows.map(order)


def _same(value: Any, default: Any) -> bool:
    return value == default or (default is None and pd.isna(value))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).removesuffix(".0")
