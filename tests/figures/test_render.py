"""Pages have a panel per data set and mark what is missing."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure as Page

import synthetic
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import SETTINGS
from bnstudy.figures import find, panels, render, series, style
from bnstudy.results import frames

DATASETS = ("mnist", "svhn")
FIGURES = ("7.1", "7.17", "7.8", "7.15")  # one of each kind


def build(setting="relu", dataset="mnist", model="mlp", seeds=(0, 1), **options) -> frames.Frames:
    runs = [
        Run(Cell(dataset=dataset, model=model, norm=n, **SETTINGS[setting]), s)
        for n in ("none", "batch")
        for s in seeds
    ]
    return frames.build(synthetic.records(runs, **({"epochs_run": 12} | options)))


def draw(id: str, built: frames.Frames, datasets=DATASETS, reading="default", narrow=False):
    """The page and the plotted data."""
    selection = series.select(find(id), built, datasets, reading)
    return render.draw(selection, narrow), render.plotted(selection)


def texts(page) -> str:
    return "\n".join(t.get_text() for ax in page.axes for t in ax.texts)


def panel(page, dataset: str):
    """The layers of one data set's panel."""
    return panels.layers(next(ax for ax in page.axes if ax.get_label() == dataset))


@pytest.mark.parametrize("id", FIGURES)
def test_one_labelled_panel_per_data_set_also_where_nothing_was_run(id):
    page, table = draw(id, build(model=find(id).model))
    assert [panel(page, d)[0].get_title(loc="left") for d in DATASETS] == ["MNIST", "SVHN"]
    assert set(table["dataset"]) == {"mnist"}
    assert panel(page, "svhn")[0].texts[0].get_text() == "not run"
    assert not panel(page, "svhn")[0].lines
    assert "not run" not in [t.get_text() for t in panel(page, "mnist")[0].texts]


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("run", DATASETS)
def test_both_axes_are_named_on_a_panel_that_was_run(run, narrow):
    """Not on the first and the last of the row, if these are empty."""
    page, _ = draw("7.1", build(dataset=run), narrow=narrow)
    left, right = panel(page, run)
    assert (left.get_ylabel(), right.get_ylabel()) == ("loss (nats)", "validation accuracy (%)")
    assert right.yaxis.get_tick_params()["labelright"]


def test_lines_show_the_plotted_table_in_the_colour_of_their_norm():
    page, table = draw("7.1", build())
    left, right = panel(page, "mnist")
    for ax, quantity in ((left, "loss"), (right, "validation_accuracy")):
        for norm in ("none", "batch"):
            mine = table[(table.quantity == quantity) & (table.norm == norm)]
            lines = [
                line for line in ax.lines if line.get_color() == style.norm(norm).color and len(line.get_xdata()) > 5
            ]
            assert len(lines) == 1
            np.testing.assert_array_equal(lines[0].get_ydata(), mine["mean"])
            assert (lines[0].get_linestyle() == "-") == (quantity == "validation_accuracy")
    assert right.get_ylim() == (0, 100)
    assert left.get_ylim()[0] == 0


def test_a_line_breaks_where_a_seed_leaves_the_mean():
    curve = pd.DataFrame({"epoch": [1, 2, 3, 4], "mean": [1.0, 2, 8, 9], "low": 0.0, "high": 9.0})
    curve = curve.assign(seeds=[3, 3, 2, 2], running=3)
    ax = Page().add_subplot()
    panels.line(ax, curve, style.norm("none"))
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [1, 2, np.nan, 8, 9])


def test_dots_stand_where_a_seed_ended():
    curve = pd.DataFrame({"epoch": [1, 2, 3, 4], "mean": [1.0, 2, 3, 4], "low": 0.0, "high": 9.0})
    ax = Page().add_subplot()
    panels.line(ax, curve.assign(seeds=2, running=[2, 2, 1, 1]), style.norm("none"))
    assert list(ax.lines[-1].get_xdata()) == [2, 4]


def test_divergence_is_said_and_marked():
    page, _ = draw("7.5", build("lr_high", fate=None))
    assert "vanilla diverged, epoch 2" in texts(page)
    assert "vanilla: loss up to 2,100 (▲)" in texts(page)
    left, _ = panel(page, "mnist")
    assert left.get_ylim()[1] < 3
    assert any(line.get_marker() == "^" for line in left.lines)


@pytest.mark.parametrize(("relu", "elu", "insets"), [(98.0, 97.0, 1), (40.0, 42.0, 1), (20.0, 60.0, 0)])
def test_curves_that_crowd_are_magnified_and_none_is_covered(relu, elu, insets):
    made = [
        synthetic.record(
            Run(Cell(dataset="mnist", model="mlp", norm="batch", activation=a), 0), epochs_run=30, test_accuracy=level
        )
        for a, level in (("relu", relu), ("elu", elu))
    ]
    page, _ = draw("7.4", frames.build(made), ["mnist"])
    (ax,) = panel(page, "mnist")
    assert len(ax.child_axes) == insets
    for inset in ax.child_axes:
        (x0, y0), (x1, y1) = ax.transAxes.inverted().transform(inset.get_window_extent().get_points())
        inset.remove()
        x, y = panels.drawn(ax).T
        assert not ((x > x0) & (x < x1) & (y > y0) & (y < y1)).any()


@pytest.mark.parametrize(("apart", "said"), [(0.0, True), (0.4, False)])
def test_curves_that_lie_on_each_other_have_no_inset_and_a_note(apart, said):
    made = [
        synthetic.record(Run(Cell(dataset="mnist", model="mlp", norm=norm), 0), epochs_run=30, test_accuracy=50.0)
        for norm in ("none", "batch")
    ]
    built = frames.build(made)
    key = built.runs.loc[built.runs["norm"] == "none", "key"].iloc[0]
    curve = built.epochs.loc[built.epochs["key"] == key, "validation_accuracy"].to_numpy()
    built.epochs.loc[built.epochs["key"] != key, "validation_accuracy"] = curve + apart
    page, _ = draw("7.1", built, ["mnist"])
    (right,) = [ax for ax in page.axes if ax.get_ylabel() == "validation accuracy (%)"]
    assert bool(right.child_axes) is not said
    assert ("the accuracies of vanilla and batch norm coincide" in texts(page)) is said


def test_a_figure_by_batch_size_needs_several():
    sizes = [synthetic.record(Run(Cell(dataset="mnist", model="mlp", norm="none", batch_size=b), 0)) for b in (64, 128)]
    drawable = find("7.15").drawn_by.function("drawable")
    assert not drawable(series.select(find("7.15"), frames.build(sizes[:1]), ["mnist"]))
    assert drawable(series.select(find("7.15"), frames.build(sizes), ["mnist"]))


def test_an_epoch_that_stands_alone_is_seen():
    """The first one, if the seeds diverge in the second."""
    first = synthetic.record(Run(Cell(dataset="mnist", model="mlp", norm="none", lr=0.1), 0), epochs_run=8)
    assert [np.isfinite(v) for v in first.epochs["data_loss"][1:4]] == [True, False, False]
    calm = [synthetic.record(Run(Cell(dataset="mnist", model="mlp", norm="batch", lr=0.1), 0), epochs_run=8)]
    page, table = draw("7.5", frames.build([first, *calm]), ["mnist"])
    dashes = [line for line in panel(page, "mnist")[0].lines if line.get_marker() == "_"]
    mine = table[(table.quantity == "loss") & (table.norm == "none")]
    assert [list(line.get_ydata()) for line in dashes] == [[mine["mean"].iloc[0]]]


def test_zero_gradients_are_marked_at_the_foot_of_a_log_axis():
    built = build(model="cnn")
    dead = built.layers["key"].isin(built.runs.loc[built.runs.norm == "none", "key"]) & (built.layers["epoch"] > 4)
    built.layers.loc[dead, "weight_grad.mean_abs"] = 0
    page, _ = draw("7.17", built, ["mnist"])
    assert "vanilla: exactly 0 in epochs 5 to 12 (▼)" in texts(page)


def test_another_protocol_is_named_on_the_page():
    runs = [Run(Cell(dataset="digits", model="cnn", norm=n, width=0.125, epochs=10), 0) for n in ("none", "batch")]
    page, _ = draw("7.16", frames.build(synthetic.records(runs)), ["digits"], "reduced")
    assert "reduced protocol: width 1/8, at most 10 epochs" in [t.get_text() for t in page.texts]
    assert any(t.get_text().startswith("One seed.") for t in page.texts)


@pytest.mark.parametrize("narrow", [False, True])
def test_nothing_is_written_outside_the_page(narrow):
    for id, setting in (("7.5", "lr_high"), ("7.1", "relu"), ("7.8", "relu"), ("7.11", "init_low")):
        page, _ = draw(id, build(setting, fate=None), ("mnist", "svhn", "cifar10", "cifar100"), narrow=narrow)
        page.canvas.draw()
        width, height = page.canvas.get_width_height()
        for text in page.findobj(match=lambda a: hasattr(a, "get_text") and a.get_text() and a.get_visible()):
            box = text.get_window_extent()
            assert min(box.x0, box.y0) >= -1, text.get_text()
            assert max(box.x1 - width, box.y1 - height) <= 1, text.get_text()


# explosions (7.1.2): steps of the first epoch


def exploding(early: bool = True, alone: bool = False, decades: int = 1) -> frames.Frames:
    """Vanilla explodes within ten steps, by so many decades each, and is not finite from step 11 on; batch norm is
    calm, or not run if vanilla is `alone`."""
    made = []
    for run in build("lr_high", seeds=(0,)).runs.itertuples():
        if alone and run.norm != "none":
            continue
        cell = Cell(dataset=run.dataset, model="mlp", norm=run.norm, lr=0.1)
        record = synthetic.record(Run(cell, 0), epochs_run=12)
        if run.norm == "none":
            steps = np.array(record.early["step"])
            grown = np.where(steps <= 10, 10.0 ** (decades * np.minimum(steps, 10)), np.nan)
            for column in ("layers", "early"):
                table = getattr(record, column)
                values = np.array(table["weight_grad.mean_abs"])
                values = np.full_like(values, np.nan) if column == "layers" else grown[:, None] * np.ones_like(values)
                table["weight_grad.mean_abs"] = values.tolist()
            record = dataclasses.replace(record, diverged_at={"epoch": 1, "layer": "dense1", "step": 11})
        if not early:
            at = record.diverged_at and {"epoch": 1, "layer": "dense1"}
            record = dataclasses.replace(record, early=None, diverged_at=at)
        made.append(record)
    return frames.build(made)


def test_an_explosion_is_drawn_step_by_step_and_marked_where_it_is_not_finite():
    page, table = draw("7.6", exploding(), ["mnist"])
    ax = panel(page, "mnist")[0]
    mine = table[(table.norm == "none") & table["mean"].notna()]
    assert mine["mean"].tolist() == [10.0**i for i in range(1, 11)]
    np.testing.assert_allclose(mine["epoch"], np.arange(1, 11) / 843)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_ylim()[1] > 1e10
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert [list(line.get_xdata()) for line in crosses] == [[11 / 843]]
    assert "vanilla: not finite from step 11 on (×)" in texts(page)
    assert "batch norm: not finite" not in texts(page)


def test_a_panel_counts_steps_for_its_own_data_set_alone():
    """Vanilla diverges on SVHN alone."""
    made = [
        synthetic.record(Run(Cell(dataset=dataset, model="mlp", norm=norm, lr=0.1), 0), fate=fate)
        for dataset, fate in (("mnist", "learns"), ("svhn", None))
        for norm in ("none", "batch")
    ]
    page, _ = draw("7.6", frames.build(made))
    assert [panel(page, name)[0].get_xscale() for name in DATASETS] == ["linear", "log"]


def test_an_explosion_is_seen_from_its_first_step():
    page, _ = draw("7.6", exploding(alone=True, decades=2), ["mnist"])
    low, high = panel(page, "mnist")[0].get_ylim()
    assert low < 100
    assert high > 1e20


def test_without_recorded_steps_an_explosion_is_marked_in_its_epoch():
    page, table = draw("7.6", exploding(early=False), ["mnist"])
    ax = panel(page, "mnist")[0]
    assert ax.get_xscale() == "linear"
    assert (table["epoch"] >= 1).all()
    assert [list(line.get_xdata()) for line in ax.lines if line.get_marker() == "x"] == [[1]]
    assert "vanilla: not finite from some step of epoch 1 on (×); no steps recorded before" in texts(page)
