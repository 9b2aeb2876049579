"""Validation accuracy over epochs of several settings, which differ in colour and dash."""

from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bnstudy.figures import kinds, panels, style
from bnstudy.figures.catalogue import Figure
from bnstudy.figures.series import Selection, over_seeds


def subject(figure: Figure) -> str:
    norms = " and ".join(style.norm(norm).label for norm in figure.norms)
    return f", {style.model(figure.model)} with {norms}: {kinds.settings(figure)}"


def notes(selection: Selection, here: pd.DataFrame) -> Iterator[str]:
    """The notes of each setting's curve, by its label."""
    for setting in selection.figure.settings:
        for norm in selection.figure.norms:
            mine = here[(here["norm"] == norm) & (here["setting"] == setting)]
            yield from kinds.curve_notes(style.setting(setting).label, mine)


def plotted(selection: Selection) -> pd.DataFrame:
    """BY, epoch (from 0, before training), SUMMARY: validation accuracy in percent."""
    return over_seeds(selection.rows(selection.frames.epochs), "validation_accuracy")


def legend(selection: Selection) -> list[Line2D]:
    looks = [style.setting(s) for s in selection.figure.settings]
    lines = [Line2D([], [], color=k.color, linestyle=k.line, label=k.label) for k in looks]
    return [*lines, *([panels.PRINTED] if len(kinds.printed_of(selection)) else [])]


def panel(ax: Axes, selection: Selection, here: pd.DataFrame, edges: tuple[bool, bool]) -> list[str]:
    """Draw one data set."""
    panels.epochs_axis(ax, int(selection.runs["epochs_run"].max()))
    panels.accuracy_axis(ax)
    looks = {s: style.setting(s) for s in selection.figure.settings}
    curves = [(here[here["setting"] == s], look) for s, look in looks.items() if (here["setting"] == s).any()]
    for curve, look in curves:
        panels.line(ax, curve, look, clip_on=False)
    panels.magnify(ax, curves)
    given = kinds.printed_of(selection)
    given = given[given["dataset"] == here["dataset"].iloc[0]]
    panels.printed_ticks(ax, [(row.printed, style.setting(row.setting)) for row in given.itertuples(index=False)])
    panels.name_axis(ax, "validation accuracy (%)" if edges[0] else "")
    return []
