"""The page of a cell: every number of a study's tables leads to it, and it has all that is behind the number."""

import html
import itertools
import re
import shutil

import numpy as np
import pandas as pd
import pytest

import pages
import synthetic
from bnstudy import paths, report
from bnstudy.design.cell import Cell
from bnstudy.design.labels import SETTINGS, name
from bnstudy.design.study import Study
from bnstudy.figures import find
from bnstudy.report import curves, figure_pages
from bnstudy.results import frames
from bnstudy.tables import layout
from command_line import left_over

MARGINS = {"default": 1.0, "mnist": 0.3}
MADE_BY = {
    "data_source": "imported", "data_digest": "ab" * 32, "source_digest": "5eed5eed5eed", "engine": "packed",
    "commit": "c0ffee", "dirty": True, "cpu": "some processor", "torch": "2.9", "python": "3.12", "os": "Linux",
    "device": "cpu",
}  # fmt: skip


def study_of(name="first", settings=("relu", "lr_high", "elu"), seeds=(0, 1, 2)):
    cells = [Cell(dataset="mnist", model="mlp", norm=n, **SETTINGS[s]) for s in settings for n in ("none", "batch")]
    return Study(name, f"What does {name} give?", tuple(cells), seeds)


def built(study, skip=(), **changes):
    made = [
        synthetic.record(run, epochs_run=4, provenance=MADE_BY, **changes) for run in study.runs() if run not in skip
    ]
    return frames.build(made, study.runs())


def made(study, root, **more):
    return report.write(study, built(study, **more), None, MARGINS, root)


def page_of(page, cell):
    return page.parent / "cells" / f"{cell.key}.html"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    study = study_of()
    return study, made(study, tmp_path_factory.mktemp("reports"))


def test_every_number_of_the_study_leads_to_its_record(written):
    study, page = written
    text = pages.read(page)
    table = text[text.index('id="table-b1"') :].split("</article>")[0]
    assert {*re.findall(r'href="cells/(\w+)\.html"', table)} == {cell.key for cell in study.cells}
    assert {*re.findall(r'<span class="own">([^<]+)<', text.split('class="key"')[0])} <= {"–"}  # others have a link
    front = pages.read(paths.front(page.parents[1]))
    assert {*re.findall(r'href="first/cells/(\w+)\.html"', front)} == {cell.key for cell in study.cells}


def test_it_shows_what_the_table_shows_and_each_seed(written):
    study, page = written
    runs = built(study).runs
    for cell in study.cells:
        text = pages.read(page_of(page, cell))
        for accuracy in runs[runs["key"] == cell.key]["test_accuracy"]:
            assert f'<td class="num">{accuracy:.2f}</td>' in text
        (verdict,) = re.findall(r'<h2>Printed and ours: <span class="word">([^<]+)<', text)
        table = pages.read(page).split('id="table-b1"')[1]
        entry = table[table.index(f'href="cells/{cell.key}.html"') :].split("</td>")[0]
        assert f'<span class="word">{verdict}</span>' in entry
        (away,) = re.findall(r'class="dif">([^<]+)<', entry)
        assert f'<td class="num">{away}</td>' in text


def test_a_difference_is_that_of_the_numbers_as_shown():
    assert layout.difference(11.35, 11.4) == "0.0"
    assert layout.difference(25.449, 24.7) == "+0.7"
    assert layout.difference(50.6, 49.3) == "+1.3"


def test_it_has_code_machine_and_data(written):
    study, page = written
    text = html.unescape(pages.read(page_of(page, study.cells[0])))
    for fact in ("ab" * 32, "5eed5eed5eed", "packed", "c0ffee with local changes", "some processor", "3.12"):
        assert fact in text, fact
    assert "imported as arrays, not compared with the official files" in text
    assert f"results/records/{study.cells[0].key}/2.json" in text


def test_its_commands_are_understood(written):
    study, page = written
    text = html.unescape(pages.read(page_of(page, study.cells[2])))
    commands = re.findall(r"<code>(bnstudy .*?)</code>", text)
    assert commands[0] == f"bnstudy train {name(study.cells[2])}"
    assert len(commands) == 4
    assert {line: left for line in commands if (left := left_over(line))} == {}


def test_it_links_to_what_it_enters_and_that_is_there(written):
    study, page = written
    shown = pages.read(page)
    for cell in study.cells:
        text = pages.read(page_of(page, cell))
        places = re.findall(r'href="\.\./index\.html#([\w-]+)"', text)
        assert "table-b1" in places
        assert any(place.startswith("fig_") for place in places)
        assert any(place.startswith("claim-") for place in places)
        assert all(f'id="{place}"' in shown for place in places)
    relu = pages.read(page_of(page, study.cells[0]))
    assert 'href="../index.html#fig_7_1"' in relu
    assert 'href="../index.html#fig_7_5"' not in relu  # of the high learning rate


def test_it_names_the_same_cell_with_the_other_norm(written):
    study, page = written
    none, batch = study.cells[:2]
    text = pages.read(page_of(page, none))
    mean = built(study).runs.groupby("key")["test_accuracy"].mean()[batch.key]
    assert f'<dt>The same with batch norm</dt><dd><a href="{batch.key}.html">{mean:.2f}</a>' in text


def test_its_curves_hold_every_value(written):
    """A line's points are the data: a part of path `M x y x y` in units of the axes."""
    study, page = written
    epochs = built(study).epochs
    accuracy = pages.read(page_of(page, study.cells[0])).split("</figure>")[0]
    lines = re.findall(
        r'<path class="validation" data-seed="(\d)" data-part="validation images" d="M([^"M]+)"', accuracy
    )
    assert [seed for seed, _ in lines] == ["0", "1", "2"]
    for seed, path in lines:
        points = np.array(path.split(), float).reshape(-1, 2)
        own = epochs[(epochs["key"] == study.cells[0].key) & (epochs["seed"] == int(seed))]
        assert points[:, 0].tolist() == own["epoch"].tolist()
        assert points[:, 1] == pytest.approx(own["validation_accuracy"].to_numpy(), rel=1e-4)


def test_a_line_breaks_where_a_value_is_not_finite():
    line = curves.Line("one", "training", [0, 1, 2, 3, 4], [1.0, 2.0, np.nan, 3.0, np.inf])
    chart = curves.chart("Loss", [line])
    assert chart["lines"][0]["d"] == "M0 1 1 2M3 3 3 3"
    assert curves.chart("Loss", [curves.Line("one", "training", [0, 1], [np.nan, np.inf])])["lines"] == []


def test_a_wide_range_has_an_axis_of_powers_of_ten():
    chart = curves.chart("Loss", [curves.Line("one", "training", [0, 1], [0.01, 100.0])])
    assert chart["log"]
    assert [text for _, text in chart["y"]] == ["0.01", "0.1", "1", "10", "100"]
    assert chart["lines"][0]["d"] == "M0 -2 1 2"


def test_zeros_beside_an_explosion_break_a_line_of_powers():
    """As a vanilla network whose gradient is 1e17, and then nothing."""
    chart = curves.chart("Gradient", [curves.Line("one", "training", [0, 1, 2, 3], [1e-3, 1e17, 0.0, 10.0])])
    assert chart["log"]
    assert chart["lines"][0]["d"] == "M0 -3 1 17M3 1 3 1"
    assert curves.chart("Gradient", [curves.Line("one", "training", [0, 1, 2], [0.0, 2e9, 3e9])])["log"]
    assert not curves.chart("Accuracy", [curves.Line("one", "training", [0, 1], [0.0, 60.0])])["log"]


@pytest.mark.parametrize(
    "values", [[1e-30, 1e17], [1e-3, 1e4], [2e17, 7e17], [5e8, 5e8], [0.00012, 0.00019], [1e5, 9e5]]
)
def test_labels_of_an_axis_are_few_and_lie_inside(values):
    chart = curves.chart("Gradient", [curves.Line("one", "training", range(len(values)), values)])
    heights = sorted(float(at) for at, _ in chart["y"])
    assert 2 <= len(heights) <= 9
    assert min(b - a for a, b in itertools.pairwise(heights)) > 12  # pixels; a letter has 11
    assert max(len(text) for _, text in chart["y"]) * 6.2 <= curves.LEFT - 6
    assert 1e-6 < abs(float(chart["matrix"].split()[3])) < 1e6 or not chart["log"]


def test_points_lie_where_the_axis_says():
    chart = curves.chart("Accuracy", [curves.Line("one", "training", [0, 10], [20.0, 80.0])])
    across, _, _, up, left, foot = map(float, chart["matrix"].split())
    x, y = ({text: float(at) for at, text in chart[axis]} for axis in "xy")
    assert y["60"] == pytest.approx(60 * up + foot, abs=0.06)
    assert x["4"] == pytest.approx(4 * across + left, abs=0.06)


def test_only_pages_that_change_are_written(tmp_path):
    study = study_of()
    page = made(study, tmp_path)
    before = {cell.key: page_of(page, cell).stat().st_ino for cell in study.cells}
    made(study, tmp_path)
    assert {cell.key: page_of(page, cell).stat().st_ino for cell in study.cells} == before
    records = [synthetic.record(run, epochs_run=4, provenance=MADE_BY) for run in study.runs()]
    records[0] = synthetic.record(study.runs()[0], epochs_run=4, provenance=MADE_BY | {"commit": "beef"})
    report.write(study, frames.build(records, study.runs()), None, MARGINS, tmp_path)
    after = {cell.key: page_of(page, cell).stat().st_ino for cell in study.cells}
    assert {key for key in after if after[key] != before[key]} == {study.runs()[0].cell.key}


def test_a_cell_without_a_label_has_a_short_title_and_its_fields(tmp_path):
    study = Study("own", "?", (Cell(dataset="mnist", model="mlp", norm="none", lr=0.02, batch_size=48),), (0,))
    text = pages.read(page_of(made(study, tmp_path), study.cells[0]))
    assert "<h1>MLP on MNIST, vanilla</h1>" in text
    assert "</code>: lr=0.02, batch_size=48</p>" in text


@pytest.mark.slow
def test_a_cell_without_a_run_has_no_page(tmp_path):
    study = study_of()
    page = made(study, tmp_path)
    gone = study.cells[0]
    assert page_of(page, gone).exists()
    text = pages.read(made(study, tmp_path, skip=[run for run in study.runs() if run.cell == gone]))
    assert not page_of(page, gone).exists()
    assert f"cells/{gone.key}.html" not in text
    assert f'id="cell-{gone.key}"' in text


def others_of(page, cell):
    (part,) = re.findall(r'<ul id="studies">(.*?)</ul>', pages.read(page_of(page, cell)))
    return re.findall(r'<a href="([^"]+)">(\w+)</a>', part)


@pytest.mark.slow
def test_it_names_the_other_studies_that_hold_the_cell(tmp_path):
    first, second = study_of("first"), study_of("second", settings=("elu", "dropout"))
    one = made(first, tmp_path)
    shared, alone = first.cells[4], first.cells[0]
    assert shared in second.cells
    assert others_of(one, shared) == []
    two = made(second, tmp_path)
    assert others_of(one, shared) == [(f"../../second/cells/{shared.key}.html", "Second")]
    assert others_of(two, shared) == [(f"../../first/cells/{shared.key}.html", "First")]
    assert others_of(one, alone) == []
    shutil.rmtree(two.parent)
    made(first, tmp_path)
    assert others_of(one, shared) == []


def test_published_seeds_beyond_the_study_are_named(tmp_path):
    study = study_of(settings=("relu",))
    one, other = study.cells
    published = [(one.key, seed) for seed in range(5)] + [(other.key, 0), ("0" * 12, 9)]
    page = report.write(study, built(study), None, MARGINS, tmp_path, published=published)
    assert "Published too, and not part of this study, which asks for 3 seeds: seeds 3, 4." in pages.read(
        page_of(page, one)
    )
    assert "Published too" not in pages.read(page_of(page, other))
    assert f'leaves out: 3, 4 of <a href="cells/{one.key}.html">' in pages.read(page)


@pytest.mark.parametrize("lacking", ["dataset", "epoch", "mean", "norm"])
def test_a_figure_that_shows_no_curves_has_no_page(lacking):
    table = pd.DataFrame({"dataset": ["mnist"], "norm": ["none"], "epoch": [1], "mean": [50.0]})
    figure = find("7.4")
    assert figure_pages.address(figure, table) == "figures/fig_7_4.html"
    assert figure_pages.address(figure, table.drop(columns=lacking)) == ""
    assert figure_pages.address(figure, table[:0]) == ""
    assert figure_pages.address(figure, None) == ""
