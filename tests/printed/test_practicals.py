"""The rows of the course reports and the study `practicals`: 42 rows, 41 cells, none of them in the tables."""

from collections import Counter
from pathlib import Path

import pytest

from bnstudy.design.fields import FIELDS
from bnstudy.design.labels import SETTINGS, labels
from bnstudy.printed.practicals import COURSE, cells, rows
from bnstudy.studies.config import load
from bnstudy.studies.selection import cell_of

CONFIG = Path(__file__).parents[2] / "config.yaml"
BY_ID = {row.id: row for row in rows()}


def test_42_rows_are_the_41_cells_of_the_study():
    study = load(CONFIG).study("practicals")
    assert len(rows()) == len(BY_ID) == 42
    assert len(study.cells) == len(cells()) == 41
    assert set(cells()) == set(study.cells)
    shared = [key for key, n in Counter(row.cell.key for row in rows()).items() if n > 1]
    assert shared == [BY_ID["K10"].cell.key] == [BY_ID["L6"].cell.key]


def test_each_report_has_its_rows():
    assert Counter(row.report for row in rows()) == {"Knigge": 9, "Lindt": 21, "Soons": 12}
    grid = [(row.cell.hidden, row.cell.steps, row.cell.batch_size) for row in rows() if row.id.startswith("L3.")]
    assert len(set(grid)) == len(grid) == 18
    silent = {row.id for row in rows() if row.printed is None}
    assert silent == {"K2", "K3a", "K3b", "K4", "K5", "K6"}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_a_cell_has_what_its_row_states(row):
    assert not row.stated.keys() & row.assumed.keys()
    for field, value in (row.stated | row.assumed).items():
        held = getattr(row.cell, field)
        own = {"numpy_mlp": (100,)}.get(row.cell.model)
        assert held == value or (field == "hidden" and (tuple(value) == held or (held == () and tuple(value) == own)))
    for field, value in COURSE.items():
        assert getattr(row.cell, field) == row.assumed.get(field, value)


@pytest.mark.parametrize(
    ("id", "printed", "words"),
    [
        ("K1", 46.0, "model=numpy_mlp norm=none activation=leaky_relu negative_slope=0.02 lr=0.002 batch_size=200 "
         "init=normal init_std=0.0001 optimizer=sgd steps=1500"),
        ("K7", 53.0, "model=mlp norm=none activation=leaky_relu negative_slope=0.02 lr=0.002 batch_size=200 "
         "eval_every=500 init=torch_default optimizer=adam steps=50000 hidden=900-500-350-150-50"),
        ("L3.15", 47.7, "model=mlp norm=none lr=0.00002 batch_size=1000 hidden=1024-512-256-128 init=torch_default "
         "optimizer=adam steps=2000"),
        ("S2.7", 54.0, "model=mlp norm=layer norm_placement=pre_linear gamma_init=ones activation=elu lr=0.001 "
         "batch_size=128 hidden=1024-512-256-64 init=torch_default optimizer=adam steps=2000"),
        ("L6", 82.0, "model=vgg_course norm=batch gamma_init=ones lr=0.0001 batch_size=32 init=torch_default "
         "optimizer=adam steps=5000 eval_every=500"),
    ],
)  # fmt: skip
def test_rows_as_the_reports_have_them(id, printed, words):
    course = "dataset=cifar10 validation_fraction=0 standardization=mean_image schedule=constant"
    assert (BY_ID[id].printed, BY_ID[id].cell) == (printed, cell_of(f"{course} {words}".split()))


def test_no_cell_of_theirs_can_enter_the_tables_of_the_thesis():
    assert {labels(cell)[0] for cell in cells()} == {"adhoc"}
    assert "adhoc" not in SETTINGS


def test_the_rows_name_fields_and_sections():
    for row in rows():
        assert row.section
        assert row.printed is not None or row.words
        assert (row.stated | row.assumed).keys() <= FIELDS.keys()
