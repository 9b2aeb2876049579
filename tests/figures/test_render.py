"""Pages have a panel per data set, mark what is missing, and are rewritten only when their data change."""

import numpy as np
import pandas as pd
import pytest

import synthetic
from bnstudy import frames
from bnstudy.cell import Cell, Run
from bnstudy.errors import UsageError
from bnstudy.figures import find, panels, style
from bnstudy.figures.render import FORMATS, draw, render
from bnstudy.labels import SETTINGS

DATASETS = ("mnist", "svhn")
FIGURES = ("7.1", "7.17", "7.8", "7.15")  # one of each kind


def build(setting="relu", dataset="mnist", model="mlp", seeds=(0, 1), **options) -> frames.Frames:
    runs = [
        Run(Cell(dataset=dataset, model=model, norm=n, **SETTINGS[setting]), s)
        for n in ("none", "batch")
        for s in seeds
    ]
    return frames.build(synthetic.records(runs, **({"epochs_run": 12} | options)))


def texts(page) -> str:
    return "\n".join(t.get_text() for ax in page.axes for t in ax.texts)


def panel(page, dataset: str):
    """The layers of one data set's panel."""
    return panels.layers(next(ax for ax in page.axes if ax.get_label() == dataset))


@pytest.mark.parametrize("id", FIGURES)
def test_one_labelled_panel_per_data_set_also_where_nothing_was_run(id):
    figure = find(id)
    page, table = draw(figure, build(model=figure.model), DATASETS)
    assert [panel(page, d)[0].get_title(loc="left") for d in DATASETS] == ["MNIST", "SVHN"]
    assert set(table["dataset"]) == {"mnist"}
    assert panel(page, "svhn")[0].texts[0].get_text() == "not run"
    assert not panel(page, "svhn")[0].lines
    assert "not run" not in [t.get_text() for t in panel(page, "mnist")[0].texts]


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("run", DATASETS)
def test_both_axes_are_named_on_a_panel_that_was_run(run, narrow):
    """Not on the first and the last of the row, if these are empty."""
    page, _ = draw(find("7.1"), build(dataset=run), DATASETS, narrow=narrow)
    left, right = panel(page, run)
    assert (left.get_ylabel(), right.get_ylabel()) == ("loss (nats)", "validation accuracy (%)")
    assert right.yaxis.get_tick_params()["labelright"]


def test_lines_show_the_plotted_table_in_the_colour_of_their_norm():
    page, table = draw(find("7.1"), build(), DATASETS)
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
    ax = panels.Page().add_subplot()
    panels.line(ax, curve, style.norm("none"))
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [1, 2, np.nan, 8, 9])


def test_dots_stand_where_a_seed_ended():
    curve = pd.DataFrame({"epoch": [1, 2, 3, 4], "mean": [1.0, 2, 3, 4], "low": 0.0, "high": 9.0})
    ax = panels.Page().add_subplot()
    panels.line(ax, curve.assign(seeds=2, running=[2, 2, 1, 1]), style.norm("none"))
    assert list(ax.lines[-1].get_xdata()) == [2, 4]


def test_divergence_is_said_and_marked():
    page, _ = draw(find("7.5"), build("lr_high", fate=None), DATASETS)
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
    page, _ = draw(find("7.4"), frames.build(made), ["mnist"])
    (ax,) = panel(page, "mnist")
    assert len(ax.child_axes) == insets
    for inset in ax.child_axes:
        (x0, y0), (x1, y1) = ax.transAxes.inverted().transform(inset.get_window_extent().get_points())
        inset.remove()
        x, y = panels.drawn(ax).T
        assert not ((x > x0) & (x < x1) & (y > y0) & (y < y1)).any()


def test_an_epoch_that_stands_alone_is_seen():
    """The first one, if the seeds diverge in the second."""
    first = synthetic.record(Run(Cell(dataset="mnist", model="mlp", norm="none", lr=0.1), 0), epochs_run=8)
    assert [np.isfinite(v) for v in first.epochs["data_loss"][1:4]] == [True, False, False]
    calm = [synthetic.record(Run(Cell(dataset="mnist", model="mlp", norm="batch", lr=0.1), 0), epochs_run=8)]
    page, table = draw(find("7.5"), frames.build([first, *calm]), ["mnist"])
    dashes = [line for line in panel(page, "mnist")[0].lines if line.get_marker() == "_"]
    mine = table[(table.quantity == "loss") & (table.norm == "none")]
    assert [list(line.get_ydata()) for line in dashes] == [[mine["mean"].iloc[0]]]


def test_zero_gradients_are_marked_at_the_foot_of_a_log_axis():
    built = build(model="cnn")
    dead = built.layers["key"].isin(built.runs.loc[built.runs.norm == "none", "key"]) & (built.layers["epoch"] > 4)
    built.layers.loc[dead, "weight_grad.mean_abs"] = 0
    page, _ = draw(find("7.17"), built, ["mnist"])
    assert "vanilla: exactly 0 in epochs 5 to 12 (▼)" in texts(page)


def test_another_protocol_is_named_on_the_page():
    runs = [Run(Cell(dataset="digits", model="cnn", norm=n, width=0.125, epochs=10), 0) for n in ("none", "batch")]
    page, _ = draw(find("7.16"), frames.build(synthetic.records(runs)), ["digits"], "reduced")
    assert "reduced protocol: width 1/8, at most 10 epochs" in [t.get_text() for t in page.texts]
    assert any(t.get_text().startswith("One seed.") for t in page.texts)


@pytest.mark.parametrize("narrow", [False, True])
def test_nothing_is_written_outside_the_page(narrow):
    for id, setting in (("7.5", "lr_high"), ("7.1", "relu"), ("7.8", "relu"), ("7.11", "init_low")):
        page, _ = draw(find(id), build(setting, fate=None), ("mnist", "svhn", "cifar10", "cifar100"), narrow=narrow)
        page.canvas.draw()
        width, height = page.canvas.get_width_height()
        for text in page.findobj(match=lambda a: hasattr(a, "get_text") and a.get_text() and a.get_visible()):
            box = text.get_window_extent()
            assert min(box.x0, box.y0) >= -1, text.get_text()
            assert max(box.x1 - width, box.y1 - height) <= 1, text.get_text()


def test_files_are_written_with_the_plotted_data(tmp_path):
    built = build()
    paths = render(find("7.1"), built, DATASETS, tmp_path, ("svg", "pdf", "png"))
    assert [p.name for p in paths] == ["fig_7_1.svg", "fig_7_1.pdf", "fig_7_1.png", "fig_7_1_narrow.svg", "fig_7_1.csv"]
    assert all(p.stat().st_size > 500 for p in paths)
    table = draw(find("7.1"), built, DATASETS)[1]
    pd.testing.assert_frame_equal(pd.read_csv(paths[-1]), table, check_dtype=False, rtol=1e-6)
    assert ">SVHN</text>" in paths[0].read_text()


def test_the_same_data_give_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        render(find("7.17"), build(model="cnn"), DATASETS, tmp_path / folder, tuple(FORMATS), signed=True)
    made = sorted((tmp_path / "a").glob("fig*"))
    assert len(made) == len(FORMATS) + 2  # a narrow one, and the plotted data
    for path in made:
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_a_figure_is_drawn_again_only_if_what_it_shows_changed(tmp_path):
    def times():
        return {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}

    figure, built = find("7.1"), build()
    render(figure, built, DATASETS, tmp_path)
    first = times()
    render(figure, built, DATASETS, tmp_path)
    assert times() == first
    (tmp_path / "fig_7_1.svg").unlink()
    render(figure, built, DATASETS, tmp_path)
    changed = {name for name, time in times().items() if time != first[name]}
    assert changed == {"fig_7_1.svg"}
    render(figure, build(seeds=(0, 1, 2)), DATASETS, tmp_path)
    assert all(time != first[name] for name, time in times().items())


def test_a_format_drawn_from_older_data_is_not_taken_for_new(tmp_path):
    render(find("7.1"), build(), DATASETS, tmp_path, ("svg", "png"))
    old = (tmp_path / "fig_7_1.png").read_bytes()
    newer = build(seeds=(0, 1, 2))
    render(find("7.1"), newer, DATASETS, tmp_path, ("svg",))
    assert (tmp_path / "fig_7_1.png").read_bytes() == old
    render(find("7.1"), newer, DATASETS, tmp_path, ("svg", "png"))
    assert (tmp_path / "fig_7_1.png").read_bytes() != old


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(UsageError, match="--formats bmp"):
        render(find("7.1"), build(), DATASETS, tmp_path, ("bmp",))
