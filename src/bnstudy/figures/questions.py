"""Figures Q.1 to Q.12, one per open question: what each shows, and its values from the frames.

A point of a figure is a cell (`questions.cells.Point`): the mean over its seeds, the lowest and the highest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Page

from bnstudy.figures import pages, panels, question_kinds, strip, style
from bnstudy.figures.series import over_seeds
from bnstudy.figures.style import DASH_DOT, DASHED, DOTTED, Look
from bnstudy.figures.writer import Drawing, of_table
from bnstudy.printed import is_chance
from bnstudy.questions import registry
from bnstudy.questions.cells import BASELINE, LEVEL, SCALED_RATES, cell, cells, homes, points
from bnstudy.results.frames import Frames
from bnstudy.verdicts.mean_gradient import mean_gradient
from bnstudy.verdicts.reached import reached

Measure = Callable[[Frames, pd.DataFrame], pd.DataFrame]
"""(frames, runs of one data set) -> key, seed and value of each run."""

VANILLA, NORMED, ORANGE = style.norm("none").color, style.norm("batch").color, "#D55E00"


def test_accuracy(frames: Frames, runs: pd.DataFrame) -> pd.DataFrame:
    return runs[["key", "seed"]].assign(value=runs["test_accuracy"])


def epochs_to_level(frames: Frames, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the epochs to LEVEL of the best validation accuracy of the baseline of the same seed, infinity if it is
    never reached; without runs whose baseline was not run."""
    epochs = frames.epochs[frames.epochs["key"].isin(runs["key"])]
    curves = {at: np.append(0.0, own.to_numpy(float)[1:]) for at, own in _by_run(epochs)["validation_accuracy"]}
    levels = {seed: LEVEL * curve.max() for (key, seed), curve in curves.items() if homes()[key] == BASELINE}
    return _values_of({at: reached(curve, levels[at[1]]) for at, curve in curves.items() if at[1] in levels})


def first_gradient(frames: Frames, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the mean absolute weight gradient of the hidden layers at the first step; without runs that have no early
    steps."""
    early = frames.early[frames.early["key"].isin(runs["key"]) & (frames.early["step"] == 1)]
    found = {}
    for at, layers in _by_run(early):
        hidden = layers.sort_values("position").iloc[:-1]
        found[at] = mean_gradient(hidden["weight_grad.mean_abs"].to_numpy()[None], hidden["size"].to_numpy())[0]
    return _values_of(found)


def _by_run(rows: pd.DataFrame) -> Any:
    return rows.astype({"key": "str"}).groupby(["key", "seed"])


def _values_of(found: Mapping[tuple[str, int], float]) -> pd.DataFrame:
    return pd.DataFrame([(*at, value) for at, value in found.items()], columns=["key", "seed", "value"])


@dataclass(frozen=True)
class QuestionFigure:
    """The figure of one question.

    kind      how it is drawn: a function of `question_kinds`
    across    what a point's place along its line is
    value     what is measured, with its unit
    looks     of the lines that are no norms
    log       values are drawn on a logarithmic axis, too
    """

    id: str
    kind: str
    across: str
    value: str = "test accuracy (%)"
    measure: Measure = test_accuracy
    looks: dict[str, Look] = field(default_factory=dict, hash=False)
    log: bool = False

    @property
    def question(self) -> str:
        return f"Q{int(self.id[2:]):02}"

    @property
    def title(self) -> str:
        return registry()[self.question].question

    @property
    def stem(self) -> str:
        return "fig_" + self.id.replace(".", "_")

    def look(self, line: str) -> Look:
        return self.looks.get(line) or style.norm(line)


def _rules() -> dict[str, Look]:
    """Q07: the colour of a norm, a dash and a marker for each way that the rate grows."""
    words = {"constant": "constant rate", "root": "rate by root", "linear": "rate linear"}
    dashes = {"constant": "solid", "root": DASHED, "linear": DOTTED}
    return {
        f"{norm} {rule}": Look(f"{style.norm(norm).label}, {words[rule]}", style.norm(norm).color, dashes[rule], marker)
        for norm, marker in (("none", "o"), ("batch", "s"))
        for rule in SCALED_RATES
    }


PLACES = {
    "vanilla, after each activation": ("solid", "o"), "vanilla, before the output alone": (DASHED, "v"),
    "batch norm, after each activation": ("solid", "s"), "batch norm, the same with exact statistics": (DOTTED, "D"),
    "batch norm, before each norm": (DASH_DOT, "^"), "batch norm, before the output alone": (DASHED, "P"),
}  # fmt: skip
STARTS = {
    "Kaiming, at most 100 epochs": Look("Kaiming, at most 100 epochs", "#222222"),
    "N(0, 1), at most 100 epochs": Look("N(0, 1), at most 100 epochs", ORANGE, DASHED),
    "N(0, 1), 300 epochs": Look("N(0, 1), 300 epochs", "#3D9BD9"),
}

REGISTRY: dict[str, QuestionFigure] = {
    one.id: one
    for one in (
        QuestionFigure("Q.1", "by_value", "standard deviation of the initial weights",
                       looks={"batch norm, ε = 1e-30": Look("batch norm, ε = 1e-30", ORANGE, DASHED, "^")}),
        QuestionFigure("Q.2", "by_value", "learning rate"),
        QuestionFigure("Q.3", "heat", "learning rate", "epochs to 99 % of the baseline's best validation accuracy",
                       epochs_to_level),
        QuestionFigure("Q.4", "by_choice", "optimizer and rate"),
        QuestionFigure("Q.5", "by_choice", "activation"),
        QuestionFigure("Q.6", "cost", "normalized hidden layers"),
        QuestionFigure("Q.7", "by_value", "batch size", looks=_rules()),
        QuestionFigure("Q.8", "by_epoch", "epoch", "validation accuracy (%)", looks=STARTS),
        QuestionFigure("Q.9", "by_value", "share of dropped units",
                       looks={name: Look(name, VANILLA if name[0] == "v" else NORMED, dash, marker)
                              for name, (dash, marker) in PLACES.items()}),
        QuestionFigure("Q.10", "by_value", "strength of weight decay"),
        QuestionFigure("Q.11", "by_choice", "setting"),
        QuestionFigure("Q.12", "by_value", "standard deviation of the hidden layers' initial weights",
                       "first mean absolute gradient", first_gradient, log=True),
    )
}  # fmt: skip


def state(figure: QuestionFigure, frames: Frames, datasets: Sequence[str]) -> str:
    """complete (every cell has every seed asked for), partial, or not run."""
    asked = {each.key for dataset in datasets for each in cells(figure.question)[dataset]}
    there, lacking = asked & set(frames.runs["key"]), asked & set(frames.missing["key"])
    return "not run" if not there else "complete" if there == asked and not lacking else "partial"


def plotted(figure: QuestionFigure, frames: Frames, datasets: Sequence[str]) -> pd.DataFrame:
    """What the figure shows: its `values`, or of curves a row per point and epoch with mean, low, high, seeds and
    running."""
    table = values(figure, frames, datasets)
    if figure.kind != "by_epoch":
        return table
    return table[["dataset", "line", "x", "norm", "changes", "key"]].merge(_curves(frames, table["key"]), on="key")


def values(figure: QuestionFigure, frames: Frames, datasets: Sequence[str]) -> pd.DataFrame:
    """A row per point that was run: dataset, line, x, norm, changes, key; mean, std, low and high of what the figure
    measures over so many seeds; broken (True if the cell makes a constant guess); partly (True if some of its seeds do,
    and the cell does not); seconds (median per epoch); and origins (how many engines, machines and commits the
    figure's runs are of)."""
    return pd.concat([_values(figure, frames, dataset) for dataset in datasets], ignore_index=True)


def _values(figure: QuestionFigure, frames: Frames, dataset: str) -> pd.DataFrame:
    places = pd.DataFrame(
        [(dataset, p.line, p.x, p.norm, p.at, cell(p, dataset).key) for p in points(figure.question)],
        columns=["dataset", "line", "x", "norm", "changes", "key"],
    )
    runs = frames.runs[frames.runs["key"].isin(places["key"])]
    own = figure.measure(frames, runs).astype({"key": "str", "value": "float64"}).groupby("key")["value"]
    summary = pd.DataFrame(
        {"mean": own.mean(), "std": own.std(), "low": own.min(), "high": own.max(), "seeds": own.count()}
    )
    mostly = runs.groupby("key")["broken"].mean() > 0.5
    means: dict[Any, float] = runs.groupby("key")["test_accuracy"].mean().to_dict()
    guesses = {key for key, mean in means.items() if is_chance(mean, dataset)}
    by_seed = [is_chance(accuracy, dataset) for accuracy in runs["test_accuracy"].to_numpy(float)]
    some = (runs["broken"].astype(bool) | np.array(by_seed, bool)).groupby(runs["key"]).any()
    table = places.merge(summary, left_on="key", right_index=True)
    broken = table["key"].map(mostly).astype(bool) | table["key"].isin(guesses)
    origins = len(runs[["engine", "device", "cpu", "gpu", "commit"]].drop_duplicates())
    return table.assign(
        broken=broken,
        partly=table["key"].map(some).astype(bool) & ~broken,
        seconds=table["key"].map(_seconds(frames, runs)).astype("float64"),
        origins=origins,
    )


def _seconds(frames: Frames, runs: pd.DataFrame) -> pd.Series:
    epochs = frames.epochs[frames.epochs["key"].isin(runs["key"]) & (frames.epochs["epoch"] > 0)]
    return epochs.groupby("key")["seconds"].median()


def _curves(frames: Frames, keys: pd.Series) -> pd.DataFrame:
    rows = frames.epochs[frames.epochs["key"].isin(keys)].astype({"key": "str"})
    return over_seeds(rows, "validation_accuracy", ["key"])


def draw(figure: QuestionFigure, table: pd.DataFrame, datasets: Sequence[str], narrow: bool = False) -> Page:
    """The figure on a page, a panel per data set; narrow: one below the other, for a phone's width."""
    kind = question_kinds.KINDS[figure.kind]
    with style.look(narrow):
        marked = [] if figure.log else [mark.words for mark in strip.marks(table).values()]
        footer = " ".join([kind.footer, *marked])
        words = pages.Words(f"Figure {figure.id}   {figure.title}", "", footer)
        plan = kind.layout(table, len(datasets), narrow)
        page, axes = pages.page(list(datasets), words, kind.legend(figure, table), narrow, plan)
        for i, (ax, dataset) in enumerate(zip(axes, datasets, strict=True)):
            here = table[table["dataset"] == dataset]
            if here["mean"].notna().any():
                kind.panel(ax, figure, here, narrow or i == 0)
            else:
                panels.empty(ax, [])
    return page


def drawing(figure: QuestionFigure, frames: Frames, datasets: Sequence[str]) -> Drawing:
    """`fig_Q_1`."""
    table = plotted(figure, frames, datasets)
    titles = [style.dataset(dataset) for dataset in datasets]
    return of_table(figure.stem, table, partial(draw, figure, table, datasets), figure.title, titles)
