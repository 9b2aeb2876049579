"""The evidence of a claim as a table, each number with the cell it is of, and the rows that decide marked."""

import re

import pytest

import pages
import synthetic
from bnstudy import report
from bnstudy.claims.verdicts import FAILS, HOLDS, PartVerdict
from bnstudy.design.cell import Cell
from bnstudy.design.labels import SETTINGS
from bnstudy.design.study import Study
from bnstudy.report import evidence
from bnstudy.results import frames

PLACES = (("mlp", "mnist"), ("mlp", "cifar10"))
MEANS = {
    (model, "relu", dataset, norm): value
    for (model, dataset), values in zip(PLACES, ((98.0, 97.5), (49.0, 51.0)), strict=True)
    for norm, value in zip(("none", "batch"), values, strict=True)
}


def part(verdict, numbers=MEANS, **more):
    cells = {at: f"key of {' '.join(map(str, at[-2:]))}" for at in numbers}
    return PartVerdict(
        "accuracy", "Batch norm is ahead.", verdict, PLACES, {"redraws": 0.01}, numbers, cells=cells, **more
    )


def test_a_row_per_place_and_a_column_per_norm():
    found = evidence.table(part(HOLDS))
    assert found["head"] == ["where", "setting", "vanilla, %", "batch norm, %"]
    assert [row["labels"] for row in found["rows"]] == [
        ("MLP, MNIST", "ReLU baseline"),
        ("MLP, CIFAR10", "ReLU baseline"),
    ]
    assert found["rows"][0]["shown"] == [("98.0", "key of mnist none"), ("97.5", "key of mnist batch")]


def test_the_place_that_speaks_most_against_a_claim_decides():
    alone = {PLACES[0]: 0.01, PLACES[1]: 0.99}
    found = evidence.table(part(FAILS, alone=alone))
    assert found["head"][-1] == "true alone"
    assert [row["shown"][-1][0] for row in found["rows"]] == ["1 %", "99 %"]
    assert [row["decides"] for row in found["rows"]] == [True, False]
    assert not any(row["decides"] for row in evidence.table(part(HOLDS, alone=alone))["rows"])
    assert not any(row["decides"] for row in evidence.table(part(FAILS))["rows"])  # it joins or compares its places


def test_a_column_per_seed_with_the_seeds_that_speak_for_it():
    numbers = {("epochs_to", "mlp", "relu", "mnist", "batch"): [2.5, float("inf"), 3.0]}
    found = evidence.table(
        PartVerdict("curve", "", FAILS, PLACES[:1], {"0": True, "1": False, "2": True}, numbers, cells={})
    )
    assert found["head"] == ["where", "setting", "norm", "measure", "seed 0 ✓", "seed 1 ✗", "seed 2 ✓"]
    (row,) = found["rows"]
    assert row["labels"] == ("MLP, MNIST", "ReLU baseline", "batch norm", "epochs to")
    assert [text for text, _ in row["shown"]] == ["2.5", "never", "3"]


def test_a_number_that_one_seed_lacks_stands_under_no_other_seed():
    numbers = {("dead", "mlp", "relu", "mnist", "batch"): [None, 0.5]}
    found = evidence.table(PartVerdict("statistics", "", FAILS, PLACES[:1], {"0": True, "1": False}, numbers))
    assert [text for text, _ in found["rows"][0]["shown"]] == ["–", "0.5"]


def test_seconds_are_by_batch_size():
    numbers = {("mlp", 128, "mnist", norm): value for norm, value in (("none", 1.0), ("batch", 1.5))}
    found = evidence.table(PartVerdict("timing", "", HOLDS, PLACES[:1], {"redraws": 1.0}, numbers))
    assert found["head"] == ["where", "setting", "vanilla, s", "batch norm, s"]
    assert found["rows"][0]["labels"] == ("MLP, MNIST", "batch size 128")


def test_a_computed_part_has_a_row_per_number():
    found = evidence.table(PartVerdict("layer", "", HOLDS, numbers={("largest_value",): 2.5}))
    assert found["rows"] == [{"labels": ("largest value",), "shown": [("2.5", "")], "decides": False}]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    cells = [Cell(dataset="cifar10", model="mlp", norm=n, **SETTINGS["relu"]) for n in ("none", "batch")]
    study = Study("small", "Does it come out again?", tuple(cells), (0, 1, 2))
    built = frames.build([synthetic.record(r, epochs_run=3) for r in study.runs()], study.runs())
    return study, pages.read(report.write(study, built, None, {"default": 1.0}, tmp_path_factory.mktemp("reports")))


def test_on_the_page_each_number_links_to_its_cell(page):
    study, text = page
    article = text[text.index('id="claim-M01"') :].split("</article>")[0]
    assert "(7.1.1" in article  # the section of the sentence
    assert {*re.findall(r'<td><a href="cells/(\w+)\.html">[\d.]+</a>', article)} == {cell.key for cell in study.cells}
