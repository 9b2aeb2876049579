"""Figures Q.1 to Q.12, drawn from synthetic records: plotted values, marks of constant guesses, pages."""

import dataclasses
from functools import cache

import matplotlib.colors
import numpy as np
import pytest

import synthetic
from bnstudy.design.cell import Run
from bnstudy.figures import question_kinds, questions, strip
from bnstudy.questions import cells as asked
from bnstudy.questions import registry
from bnstudy.results import frames

SEEDS = (0, 1)
BOTH = ("mnist", "cifar10")


@cache
def made(id):
    """Frames of a question's cells; fates and accuracies are those of `synthetic`."""
    distinct = [cell for dataset in BOTH for cell in asked.cells(id)[dataset]]
    return frames.build([synthetic.record(Run(cell, seed), epochs_run=3) for cell in distinct for seed in SEEDS])


def part(id):
    """The frames of CIFAR10 alone."""
    built = made(id)
    return dataclasses.replace(built, runs=built.runs[built.runs["dataset"] == "cifar10"])


@pytest.mark.parametrize("figure", questions.REGISTRY.values(), ids=questions.REGISTRY)
def test_every_question_has_a_figure_that_is_drawn_of_all_of_part_and_of_nothing(figure):
    assert registry()[figure.question].figure == figure.id
    for built, there in ((made(figure.question), {*BOTH}), (part(figure.question), {"cifar10"})):
        table = questions.plotted(figure, built, BOTH)
        assert set(table["dataset"]) == there
        page = questions.draw(figure, table, BOTH, narrow=len(there) == 1)
        assert len([ax for ax in page.axes if ax.get_label() in BOTH]) == 2
    assert questions.plotted(figure, frames.build([]), BOTH).empty


def test_a_figure_shows_each_point_once_with_its_seeds():
    table = questions.values(questions.REGISTRY["Q.2"], made("Q02"), BOTH)
    assert len(table) == 2 * len(asked.points("Q02"))
    assert set(table["seeds"]) == {2}
    assert (table["low"] <= table["mean"]).all()


def test_the_legend_names_the_lines_that_have_a_value():
    figure = questions.REGISTRY["Q.2"]
    table = questions.plotted(figure, made("Q02"), ("cifar10",))
    vanilla = table["line"] == table["line"].iloc[0]
    assert [handle.get_label() for handle in question_kinds.line_legend(figure, table)][:2] == ["vanilla", "batch norm"]
    silent = table.assign(mean=table["mean"].mask(vanilla))
    assert "vanilla" not in [handle.get_label() for handle in question_kinds.line_legend(figure, silent)]


def test_a_constant_guess_is_hollow_and_off_the_axis_of_values():
    figure = questions.REGISTRY["Q.2"]
    table = questions.plotted(figure, made("Q02"), ("cifar10",))
    assert set(table.loc[table["broken"], "x"]) == {0.1, 0.3, 1.0, 3.0}  # vanilla diverges at high rates
    (ax,) = questions.draw(figure, table, ("cifar10",)).axes
    hollow = [line for line in ax.lines if matplotlib.colors.to_rgba(line.get_markerfacecolor())[3] == 0]
    assert sum(len(line.get_xdata()) for line in hollow) == 4
    low, high = ax.get_ylim()
    assert low > 40  # cells at 10 % do not stretch the axis
    (ground,) = ax.patches
    assert ground.get_height() == strip.STRIP
    assert min(ax.get_yticks()) >= low + strip.STRIP * (high - low)  # the strip has no values


def test_a_cell_of_which_some_seeds_guess_is_half_filled_and_off_the_axis():
    figure, built = questions.REGISTRY["Q.2"], made("Q02")
    cell = next(c for c in asked.cells("Q02")["mnist"] if c.norm == "batch" and c.lr == 3)
    guess = (built.runs["key"] == cell.key) & (built.runs["seed"] == 0)
    runs = built.runs.assign(test_accuracy=built.runs["test_accuracy"].mask(guess, 9.7))
    table = questions.plotted(figure, dataclasses.replace(built, runs=runs), ("mnist",))
    assert list(table.loc[table["partly"], "x"]) == [3.0]
    page = questions.draw(figure, table, ("mnist",))
    (ax,) = page.axes
    (half,) = [line for line in ax.lines if line.get_fillstyle() == "bottom"]
    assert len(half.get_xdata()) == 1
    assert ax.get_ylim()[0] > 60
    words = " ".join(" ".join(text.get_text() for text in page.texts).split())
    assert "Half filled, in the strip: at most half of the seeds" in words


def test_the_state_counts_cells_and_seeds():
    figure, built = questions.REGISTRY["Q.5"], made("Q05")
    assert questions.state(figure, built, BOTH) == "complete"
    assert questions.state(figure, part("Q05"), BOTH) == "partial"
    assert questions.state(figure, frames.build([]), BOTH) == "not run"
    lacking = frames.build([], [Run(cell, 2) for cell in asked.cells("Q05")["mnist"]]).missing
    assert questions.state(figure, dataclasses.replace(built, missing=lacking), BOTH) == "partial"


def test_epochs_to_a_level_are_counted_against_the_baseline_of_the_seed():
    cells = {point.at: asked.cell(point, "mnist") for point in asked.points("Q03")}
    slow = {asked.BASELINE: [0, 50, 90, 100, 100], "lr=0.1": [0, 99, 100, 100, 100], "lr=0.3": [0, 50, 90, 95, 98]}
    built = []
    for at, curve in slow.items():
        made = synthetic.record(Run(cells[at], 0), epochs_run=4)
        built.append(dataclasses.replace(made, epochs=made.epochs | {"validation_accuracy": [float(v) for v in curve]}))
    table = questions.values(questions.REGISTRY["Q.3"], frames.build(built), ("mnist",)).set_index("changes")
    assert table["mean"].to_dict() == {asked.BASELINE: pytest.approx(2.9), "lr=0.1": 1.0, "lr=0.3": np.inf}
    alone = questions.values(questions.REGISTRY["Q.3"], frames.build(built[1:]), ("mnist",))
    assert alone.empty  # there is no level without the baseline


def test_cost_is_drawn_only_beside_vanilla():
    figure = questions.REGISTRY["Q.6"]
    vanilla = {cell.key for cell in asked.cells("Q06")["mnist"] if cell.norm == "none"}
    built = made("Q06")
    without = dataclasses.replace(built, runs=built.runs[~built.runs["key"].isin(vanilla)])
    table = questions.plotted(figure, without, ("mnist",))
    (ax,) = questions.draw(figure, table, ("mnist",)).axes
    assert "not run" in [text.get_text() for text in ax.texts]


def test_cost_is_seconds_only_if_all_runs_are_of_one_origin():
    figure, built = questions.REGISTRY["Q.6"], made("Q06")
    vanilla = {cell.key for cell in asked.cells("Q06")["mnist"] if cell.norm == "none"}
    older = built.runs["commit"].astype("str").mask(built.runs["key"].isin(vanilla), "0" * 40)
    labels = {}
    for name, runs in {"one": built.runs, "several": built.runs.assign(commit=older)}.items():
        table = questions.plotted(figure, dataclasses.replace(built, runs=runs), ("mnist",))
        (ax,) = questions.draw(figure, table, ("mnist",)).axes
        labels[name] = (ax.get_xlabel(), sorted({line.get_xdata()[0] for line in ax.lines if line.get_marker() == "s"}))
    assert labels["one"][0] == "seconds added to an epoch, as recorded (%)"
    assert labels["several"] == ("hidden layers with a norm", [1, 2, 3])
