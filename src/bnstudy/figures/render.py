"""Draws a result figure on a page: a panel per data set, each drawn by the figure's kind."""

from collections.abc import Iterator
from functools import partial

import pandas as pd
from matplotlib.figure import Figure as Page

from bnstudy.figures import kinds, pages, panels, series, style
from bnstudy.figures.series import Selection
from bnstudy.figures.writer import Drawing, of_table

Notes = dict[str, tuple[str, ...]]


def plotted(selection: Selection) -> pd.DataFrame:
    """The data that the figure shows; its columns depend on the kind."""
    return selection.figure.drawn_by.function("plotted")(selection)


def draw(selection: Selection, narrow: bool = False) -> Page:
    """The figure on a page; narrow: panels one below the other, for a phone's width."""
    return _page(selection, plotted(selection), notes(selection), narrow)


def drawing(selection: Selection) -> Drawing:
    """`fig_7_16`, or `fig_7_16_signed` of signed gradients."""
    table, noted = plotted(selection), notes(selection)
    stem = selection.figure.stem + ("_signed" if selection.signed else "")
    titles = [style.dataset(dataset) for dataset in selection.datasets]
    points = selection.runs[["name", "seed", "test_accuracy"]].to_csv(index=False)
    page = partial(_page, selection, table, noted)
    given = kinds.printed_of(selection).to_csv(index=False)
    facts = (selection.figure, _words(selection), noted, selection.datasets, titles, points, given)
    return of_table(stem, table, page, *facts)


def _page(selection: Selection, table: pd.DataFrame, noted: Notes, narrow: bool) -> Page:
    kind, datasets = selection.figure.drawn_by, selection.datasets
    with style.look(narrow):
        plan = kind.function("layout")(len(datasets), narrow)
        page, axes = pages.page(datasets, _words(selection), kind.function("legend")(selection), narrow, plan)
        per_row = plan.columns
        parts = [table[table["dataset"] == dataset] for dataset in datasets]
        lacks = [_lacks(selection, dataset, here) for dataset, here in zip(datasets, parts, strict=True)]
        drawn = [i for i, lack in enumerate(lacks) if not lack]
        for i, (ax, dataset, here, lack) in enumerate(zip(axes, datasets, parts, lacks, strict=True)):
            if lack:
                panels.empty(ax, noted[dataset], lack)
                continue
            row = [j for j in drawn if j // per_row == i // per_row]  # an empty panel has no axis to name
            edges = i == row[0], i == row[-1]
            panels.write_notes(ax, [*noted[dataset], *kind.function("panel")(ax, selection, here, edges)])
    return page


def _lacks(selection: Selection, dataset: str, here: pd.DataFrame) -> str:
    """What keeps a panel with the plotted data `here` empty; else an empty string."""
    if len(here):
        return selection.figure.drawn_by.function("lacks")(selection, here)
    return "not recorded" if (selection.runs["dataset"] == dataset).any() else "not run"


def _words(selection: Selection) -> pages.Words:
    """The title, the protocol if it is not the full one, and the footer."""
    figure = selection.figure
    footer = figure.drawn_by.function("footer")(selection)
    return pages.Words(f"Figure {figure.id}   {figure.title}", series.protocol(selection), footer)


def notes(selection: Selection) -> Notes:
    """The notes of each panel: what diverged, what was not run and why, and mixed versions of the data."""
    return {dataset: tuple(_panel_notes(selection, dataset)) for dataset in selection.datasets}


def _panel_notes(selection: Selection, dataset: str) -> Iterator[str]:
    here = selection.runs[selection.runs["dataset"] == dataset]
    if here.empty:
        yield from sorted(set(selection.missing(dataset)["reason"]))
        return
    yield from selection.figure.drawn_by.function("notes")(selection, here)
    if here["data_digest"].nunique() > 1:
        yield "different versions of the data"
