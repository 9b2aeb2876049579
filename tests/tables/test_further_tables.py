"""Tables X: cells that no table of the thesis has a place for, in their table and on the page."""

from pathlib import Path

import pytest

import pages
import synthetic
from bnstudy import report, tables
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import READINGS, SETTINGS
from bnstudy.design.study import Study
from bnstudy.results import frames
from bnstudy.studies.config import load
from bnstudy.tables import formats

CONFIG = load(Path(__file__).parents[2] / "config.yaml")
DEFAULT = {"default": 1.0}
ADAM = {"optimizer": "adam", "lr": 0.001}


def mlp(norm="none", dataset="mnist", **more):
    return Cell(dataset=dataset, model="mlp", norm=norm, **more)


def shown(cells, values=None):
    """{id: table} of a study of these cells with two seeds; `values`: test accuracies of the cells that were run."""
    records = [
        synthetic.record(Run(cell, seed), epochs_run=1, test_accuracy=value)
        for cell, accuracies in (values or {}).items()
        for seed, value in enumerate(accuracies)
    ]
    return {one.id: one for one in tables.shown(tables.planned(cells, (0, 1)), frames.build(records).runs)}


def lines(one):
    """{label of a row: its texts} of the Markdown."""
    text = formats.markdown(one.grid)
    return {
        cells[0]: cells[2:]
        for line in text.splitlines()
        if line.startswith("|")
        for cells in [[cell.strip() for cell in line.split("|")[1:-1]]]
    }


def further(found):
    return [id for id in found if id.startswith("X")]


def test_a_row_names_what_it_changes_and_stands_under_the_baseline():
    values = {mlp(): [98.0, 98.2], mlp("batch"): [98.2, 98.2], mlp(**ADAM): [97.0, 97.2], mlp(dropout=0.25): [90.0]}
    found = shown([mlp(**ADAM), mlp(dropout=0.25), mlp(), mlp("batch"), mlp("batch", **ADAM)], values)
    assert further(found) == ["X.1"]
    assert found["X.1"].state == "partial"
    rows = lines(found["X.1"])
    assert list(rows)[3:] == ["baseline", "optimizer=adam lr=0.001", "dropout=0.25"]
    assert rows["baseline"] == ["98.1 ± 0.1", "98.2 ± 0.0"]
    assert rows["optimizer=adam lr=0.001"] == ["97.1 ± 0.1", "–"]
    assert rows["dropout=0.25"] == ["90.0", ""]  # not asked for with batch norm
    content = found["X.1"].content.set_index("setting")
    assert content.loc["dropout=0.25", ["n", "seeds", "verdict"]].tolist() == [1, 2, ""]
    assert content["printed"].isna().all()


def test_another_norm_has_a_column_beside_the_thesis_s_two():
    cells = [mlp(n, **SETTINGS[s]) for s in ("relu", "lr_high", "elu") for n in ("none", "batch")]
    found = shown([*cells, mlp("layer"), mlp("layer", **SETTINGS["lr_high"])])
    assert found["X.1"].grid.columns == ("vanilla", "batch norm", "layer norm")
    assert [row.label for row in found["X.1"].grid.rows] == ["baseline", "lr=0.1"]
    assert len(found["B.1"].content) == 18


def test_what_the_thesis_has_a_place_for_is_no_further_cell():
    settings = [mlp(**fields) for fields in SETTINGS.values() if "norm_placement" not in fields]
    readings = [mlp(**READINGS[reading]) for reading in ("split_last", "kaiming_gain_1", "nesterov_torch")]
    assert further(shown([*settings, *readings])) == []
    for name in ("readings", "reduced_cnn", "practicals"):
        assert further(shown(CONFIG.study(name).trained)) == [], name


def test_the_norm_after_the_nonlinearity_has_its_row_in_the_thesis_s_study():
    """7.1.1 speaks of it, and no table has it."""
    found = shown(CONFIG.study("thesis").trained)
    assert further(found) == ["X.1"]
    rows = lines(found["X.1"])
    assert list(rows)[3:] == ["baseline", "norm\\_placement=post\\_activation"]
    assert rows["norm\\_placement=post\\_activation"] == ["", "–"] * 4


def test_a_model_the_thesis_does_not_have():
    course = [Cell(dataset="cifar10", model="resnet_course", norm="batch", lr=lr) for lr in (0.01, 0.1)]
    found = shown([*course, Cell(dataset="mnist", model="cnn", norm="none", **ADAM)])
    assert further(found) == ["X.2", "X.3"]  # X.2 is the CNN's in every study
    assert [row.label for row in found["X.3"].grid.rows] == ["baseline", "lr=0.1"]


def test_a_switch_that_no_reading_has_is_told():
    found = shown([mlp(), mlp(split="last", shuffle="once")])
    assert [row.label for row in found["X.1"].grid.rows] == ["baseline", "split=last shuffle=once"]


def test_a_size_that_all_share_is_said_once():
    small = {"width": 0.5, "epochs": 3}
    one = shown([mlp(**small), mlp(**small, **ADAM)])["X.1"]
    assert [row.label for row in one.grid.rows] == ["baseline", "optimizer=adam lr=0.001"]
    assert "All with width=0.5, epochs=3, which is not" in one.grid.caption
    two = shown([mlp(), mlp(epochs=4), mlp(epochs=5), mlp(**small, **ADAM), mlp(epochs=4, **ADAM)])["X.1"]
    assert {row.label for row in two.grid.rows} == {
        "epochs=4",
        "optimizer=adam lr=0.001 epochs=3 width=0.5", "optimizer=adam lr=0.001 epochs=4",
    }  # fmt: skip
    assert "All with" not in two.grid.caption


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    whole = CONFIG.study("extras")
    cells = tuple(cell for cell in whole.cells if cell.model == "mlp" and cell.dataset == "mnist")
    study = Study("extras", whole.question, cells, (0, 1))
    built = frames.build([synthetic.record(run, epochs_run=3) for run in study.runs()], study.runs())
    return report.write(study, built, None, DEFAULT, tmp_path_factory.mktemp("reports"))


def test_the_page_answers_the_study_of_extras(page):
    text = pages.read(page)
    shown = text[text.index('<section id="tables">') : text.index('<section id="figures">')]
    table = shown[shown.index('id="table-x1"') :]
    for row in ("schedule=exponential", "optimizer=adam lr=0.001", "lr=0.1 grad_clip=1"):
        assert f">{row}</th>" in table
    assert all(f'href="#claim-{claim}"' in table for claim in ("G18", "G19", "G26", "M23"))
    assert "#claim-M01" not in shown  # it stands below its figure
    assert (page.parent / "tables/x1.csv").is_file()


def test_only_numbers_of_the_study_are_counted_as_not_run(page):
    assert "2 printed accuracies of the thesis belong to this study. 2 of them have been run." in pages.read(page)
