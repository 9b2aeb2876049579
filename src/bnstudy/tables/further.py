"""Tables X.1 (MLP), X.2 (CNN), X.3, ...: cells that no table or figure of the thesis has a place for.

Another norm, optimizer or model, a user's own grid: each row names what its cells change of the baseline, as
`bnstudy try` takes it. The baseline is first if the study has it.
"""

import pandas as pd

from bnstudy.design.labels import ALL_SETTINGS, NORMS, SIZE
from bnstudy.design.study import changed
from bnstudy.figures import style
from bnstudy.printed.practicals import homes
from bnstudy.tables.catalogue import Table, in_order
from bnstudy.tables.content import ACCURACY_COLUMNS
from bnstudy.tables.layout import ABSENT, Grid, Row, accuracy_entry, accuracy_notes
from bnstudy.verdicts import accuracies

UNNAMED = ("dataset", "model", "norm", "recipe")
"""Fields that no row names: a table is of one model, and data set and norm are its columns."""

BASELINE, GROUP = "baseline", "Changes of the baseline"
CAPTION = (
    "Test accuracy in percent of the weights after the last epoch. A row names what it changes of the baseline (ReLU, "
    "Kaiming, learning rate 0.01, batch size 64); rows of the thesis's tables stand beside where a column is new."
)


def tables_of(plan: pd.DataFrame) -> list[tuple[Table, pd.DataFrame]]:
    """A table and its cells for each model of a study (see `tables.planned`) that has further cells.

    The cells are the further ones, those of the same rows, and the baselines of the same size. Cells of the course
    reports are left out: they have tables P.1 to P.3.
    """
    known = plan["model"].isin(style.MODELS) & plan["norm"].isin(NORMS) & plan["setting"].isin(ALL_SETTINGS)
    known &= plan["reading"] != "adhoc"
    further = plan[~known & ~plan["key"].isin(list(homes()))]
    models = list(dict.fromkeys([*style.MODELS, *sorted(further["model"].unique())]))
    return [
        (_table(i, model, plan), _shown(plan[plan["model"] == model], further["key"]))
        for i, model in enumerate(models, 1)
        if (further["model"] == model).any()
    ]


def content(cells: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """ACCURACY_COLUMNS for each cell of `tables_of`; `setting` is the row's text, `printed` is NaN."""
    means = accuracies.cell_means(runs)[["key", "n", "mean", "std", "diverged", "broken_seeds", "broken"]]
    found = cells.assign(seeds=cells["seeds"].map(len), setting=cells["row"]).merge(means, how="left", on="key")
    counts = {c: pd.to_numeric(found[c]).fillna(0).astype("int64") for c in ("n", "diverged", "broken_seeds")}
    found = found.assign(**counts, broken=found["broken"].eq(True)).astype({"mean": "float64", "std": "float64"})
    found["verdict"] = found["n"].map(lambda n: "" if n else "not run")
    return found.assign(parameter="", section="").reindex(columns=ACCURACY_COLUMNS)


def grid(table: Table, content: pd.DataFrame) -> Grid:
    """Rows of changes, columns of data set x norm."""
    names = in_order(content["dataset"])
    norms = {name: _norms(content[content["dataset"] == name]) for name in names}
    by_slot = {(r.setting, r.dataset, r.norm): accuracy_entry(r) for r in accuracies.each(content)}
    rows = [
        Row(GROUP, row, tuple(by_slot.get((row, d, n), ABSENT) for d in names for n in norms[d]))
        for row in dict.fromkeys(content["setting"])
    ]
    return Grid(
        table.id, table.title, table.caption, "change", tuple((style.dataset(d), len(norms[d])) for d in names),
        tuple(style.norm(n).label for d in names for n in norms[d]), tuple(rows), tuple(accuracy_notes(content)),
    )  # fmt: skip


def _table(number: int, model: str, plan: pd.DataFrame) -> Table:
    title = f"{style.model(model)} test accuracy beside the thesis's tables"
    return Table(f"X.{number}", model, "accuracy", title, f"{CAPTION}{_size(plan[plan['model'] == model])}")


def _shown(own: pd.DataFrame, further: pd.Series) -> pd.DataFrame:
    """The cells of one model's table, with their `row`; baselines first."""
    own = own.assign(row=_rows(own), size=[str(size) for size in own[list(SIZE)].itertuples(index=False, name=None)])
    asked = own[own["key"].isin(further)]
    is_baseline = (own["setting"] == "relu") & own["reading"].isin(["default", "reduced"])
    shown = own[own["row"].isin(asked["row"]) | (is_baseline & own["size"].isin(asked["size"]))]
    return shown.assign(later=~is_baseline).sort_values("later", kind="stable")


def _rows(cells: pd.DataFrame) -> list[str]:
    """What each cell changes, as `field=value`; without the size if all cells have the same."""
    unnamed = {*UNNAMED, *(() if _sizes(cells) > 1 else SIZE)}
    changes = [{f: v for f, v in changed(row).items() if f not in unnamed} for row in cells.to_dict("records")]
    return [" ".join(f"{f}={v}" for f, v in fields.items()) or BASELINE for fields in changes]


def _size(cells: pd.DataFrame) -> str:
    """A remark on the size of the cells, if it is the same for all and not the thesis's."""
    first = changed(cells.iloc[0].to_dict())
    size = ", ".join(f"{f}={first[f]}" for f in SIZE if f in first)
    return f" All with {size}, which is not the thesis's protocol." if size and _sizes(cells) == 1 else ""


def _sizes(cells: pd.DataFrame) -> int:
    return len(cells[list(SIZE)].drop_duplicates())


def _norms(cells: pd.DataFrame) -> list[str]:
    """Vanilla and batch norm first, as in the thesis's tables."""
    there = dict.fromkeys(cells["norm"])
    return [*(n for n in NORMS if n in there), *(n for n in there if n not in NORMS)]
