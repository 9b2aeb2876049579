"""Files of a figure: the same bytes for the same data, and drawn again only if something they show changed."""

import pandas as pd
import pytest
from test_render import DATASETS, build, draw

from bnstudy.errors import UsageError
from bnstudy.figures import find, render, series
from bnstudy.figures.writer import FORMATS, Target, is_written, write


def put(id, built, folder, formats=("svg",), signed=False):
    selection = series.select(find(id), built, DATASETS, signed=signed)
    return write(render.drawing(selection), Target(folder, formats))


def test_files_are_written_with_the_plotted_data(tmp_path):
    built = build()
    paths = put("7.1", built, tmp_path, ("svg", "pdf", "png"))
    assert [p.name for p in paths] == ["fig_7_1.svg", "fig_7_1.pdf", "fig_7_1.png", "fig_7_1_narrow.svg", "fig_7_1.csv"]
    assert all(p.stat().st_size > 500 for p in paths)
    table = draw("7.1", built)[1]
    pd.testing.assert_frame_equal(pd.read_csv(paths[-1]), table, check_dtype=False, rtol=1e-6)
    assert ">SVHN</text>" in paths[0].read_text()


def test_the_same_data_give_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        put("7.17", build(model="cnn"), tmp_path / folder, tuple(FORMATS), signed=True)
    made = sorted((tmp_path / "a").glob("fig*"))
    assert len(made) == len(FORMATS) + 2  # a narrow one, and the plotted data
    for path in made:
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_a_figure_is_drawn_again_only_if_what_it_shows_changed(tmp_path):
    def times():
        return {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}

    built = build()
    drawing, target = render.drawing(series.select(find("7.1"), built, DATASETS)), Target(tmp_path)
    assert not is_written(drawing, target)
    put("7.1", built, tmp_path)
    first = times()
    assert is_written(drawing, target)
    put("7.1", built, tmp_path)
    assert times() == first
    (tmp_path / "fig_7_1.svg").unlink()
    assert not is_written(drawing, target)
    put("7.1", built, tmp_path)
    changed = {name for name, time in times().items() if time != first[name]}
    assert changed == {"fig_7_1.svg"}
    put("7.1", build(seeds=(0, 1, 2)), tmp_path)
    assert all(time != first[name] for name, time in times().items())


def test_a_figure_is_drawn_again_when_the_code_that_draws_it_changes(tmp_path, monkeypatch):
    def other(folder):
        assert (folder / "training_curves.py").exists()
        return "other code"

    drawing, target = render.drawing(series.select(find("7.1"), build(), DATASETS)), Target(tmp_path)
    write(drawing, target)
    monkeypatch.setattr("bnstudy.figures.writer.tree_digest", other)
    assert not is_written(drawing, target)


def test_a_format_drawn_from_older_data_is_not_taken_for_new(tmp_path):
    put("7.1", build(), tmp_path, ("svg", "png"))
    old = (tmp_path / "fig_7_1.png").read_bytes()
    newer = build(seeds=(0, 1, 2))
    put("7.1", newer, tmp_path)
    assert (tmp_path / "fig_7_1.png").read_bytes() == old
    put("7.1", newer, tmp_path, ("svg", "png"))
    assert (tmp_path / "fig_7_1.png").read_bytes() != old


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(UsageError, match="--formats bmp"):
        Target(tmp_path, ("bmp",))
