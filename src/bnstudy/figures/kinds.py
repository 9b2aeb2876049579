"""What kinds of figures have in common: the subject in a title, the notes in a panel, and the footer.

The module of a kind may define its own `subject`, `notes`, `footer`, `layout` and `state`; it must define `plotted`,
`legend` and `panel`.
"""

from collections.abc import Iterator

import pandas as pd

from bnstudy import printed
from bnstudy.figures import pages, series, style
from bnstudy.figures.catalogue import Figure
from bnstudy.figures.series import BY, Selection, seeds, span


def subject(figure: Figure) -> str:
    """What follows the name of the kind in a title: the model and the settings."""
    return f": {style.model(figure.model)}, {settings(figure)}"


def settings(figure: Figure) -> str:
    return ", ".join(style.setting(setting).label for setting in figure.settings)


def notes(selection: Selection, here: pd.DataFrame) -> Iterator[str]:
    """The notes of a panel whose runs are `here`, with a curve per norm."""
    for norm in selection.figure.norms:
        yield from curve_notes(style.norm(norm).label, here[here["norm"] == norm])


def curve_notes(label: str, runs: pd.DataFrame) -> Iterator[str]:
    """A note if a curve was not run, if seeds diverged, and if some seeds answer one class while others learn."""
    if runs.empty:
        yield f"{label}: not run"
        return
    diverged = runs["outcome"] == "diverged"
    if diverged.any():
        share = "" if diverged.all() else f" ({diverged.sum()} of {len(runs)} seeds)"
        yield f"{label} diverged{share}, epoch {span(runs.loc[diverged, 'diverged_epoch'])}"
    stuck = (runs["broken"] & ~diverged).sum()
    if stuck and not runs["broken"].all():
        yield f"{label}: {stuck} of {len(runs)} seeds answer one class"


def lacks(selection: Selection, here: pd.DataFrame) -> str:
    """What a panel with the plotted data `here` lacks, if it has nothing to draw; else an empty string."""
    return ""


def drawable(selection: Selection) -> bool:
    """Return True if some panel has something to draw."""
    return not selection.runs.empty


def printed_of(selection: Selection) -> pd.DataFrame:
    """BY and printed (percent): what the thesis prints for the curves; nothing for another reading than the default."""
    rows = printed.accuracy()
    figure = selection.figure
    drawn = rows["setting"].isin(figure.settings) & rows["norm"].isin(figure.norms) & (rows["model"] == figure.model)
    there = drawn & rows["dataset"].isin(list(selection.datasets)) & (selection.reading == "default")
    return rows.loc[there, [*BY, "printed"]]


def state(selection: Selection) -> str:
    return series.state(selection)


def layout(count: int, narrow: bool) -> pages.Layout:
    return pages.layout(count, narrow)


def footer(selection: Selection) -> str:
    """How seeds are shown, below the panels."""
    held = "" if selection.runs.empty else " A dot marks a seed's last epoch; its last value is held from there."
    return f"{averaged(selection, 'band: lowest to highest')}{held}"


def averaged(selection: Selection, spread: str, rows: pd.DataFrame | None = None) -> str:
    """How many seeds a mean is over; `spread` describes how their spread is drawn. `rows`: what is drawn, with key and
    seed, if that is not of all runs."""
    count = seeds(selection.runs if rows is None else rows)
    return {"no runs": "No runs yet.", "1 seed": "One seed."}.get(count, f"Mean of {count}; {spread}.")
