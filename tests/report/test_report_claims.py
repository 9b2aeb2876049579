"""Claims on the page: counts, places, links, filters without scripts, and the file beside it."""

import csv
import dataclasses
import re

import pytest

import pages
import synthetic
from bnstudy import report
from bnstudy.design.cell import Cell, make_cell
from bnstudy.design.labels import READINGS, SETTINGS, labels
from bnstudy.design.study import Study
from bnstudy.report import claims
from bnstudy.results import frames
from bnstudy.tables import formats, planned

MARGINS = {"default": 1.0}


def study_of(dataset, settings=("relu", "lr_high"), **more):
    cells = [
        Cell(dataset=dataset, model="mlp", norm=n, **SETTINGS[s], **more) for s in settings for n in ("none", "batch")
    ]
    return Study("small", "Does it come out again?", tuple(cells), (0, 1, 2))


def page_of(study, folder):
    """Batch norm two points ahead at the baseline; at the high rate vanilla is broken, and batch norm ten points lower,
    so that a main claim (G10) fails."""
    level = {("none", 0.01): 48.0, ("batch", 0.01): 50.0, ("none", 0.1): 48.0, ("batch", 0.1): 40.0}
    records = [
        synthetic.record(r, epochs_run=3, test_accuracy=level[r.cell.norm, r.cell.lr] + 0.1 * r.seed)
        for r in study.runs()
    ]
    built = frames.build(records, study.runs())
    return report.write(study, built, None, MARGINS, folder), built


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    study = study_of("cifar10")
    page, built = page_of(study, tmp_path_factory.mktemp("reports"))
    return study, page, built


def test_every_claim_is_on_the_page_and_in_the_file_with_one_verdict(written):
    _, page, _ = written
    found = dict(re.findall(r'<article class="claim w-([\w-]+) [^>]* id="claim-(\w+)"', pages.read(page)))
    with page.with_name("claims.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 121
    assert len(re.findall('<article class="claim ', pages.read(page))) == 121
    assert set(found) == {row["verdict"].replace(" ", "-") for row in rows}
    tally = dict(re.findall(r'<li class="w-([\w-]+)"><strong>(\d+)</strong>', pages.read(page)))
    assert {v: int(n) for v, n in tally.items()} == {
        v.replace(" ", "-"): sum(row["verdict"] == v for row in rows) for v in claims.VERDICTS
    }


def test_known_effects_get_their_verdicts(written):
    _, page, _ = written
    with page.with_name("claims.csv").open() as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert (rows["M01"]["verdict"], rows["M01"]["state"]) == ("holds", "partial")  # the baseline: ahead by two
    assert "MNIST" in rows["M01"]["left_out"]
    assert rows["K01"]["verdict"] == "not run"
    assert rows["M01"]["printed"] == "yes"


def test_places_count_claims_asked_of_one_data_set_alone(written):
    study, _, built = written
    found = claims.of_study(planned(study.cells, study.seeds), built, None)
    (place,) = found["places"]
    assert place["title"] == "MLP, CIFAR10"
    assert place["counts"]["holds"] >= 2
    whole = found["counts"]
    assert place["counts"]["holds"] <= whole["holds"]


def test_each_filter_has_its_rule_and_needs_no_script(written):
    text = pages.read(written[1])
    ids = re.findall(r'id="(only-[\w-]+)"', text)
    assert len(ids) == 5 + 3 + 2 + 3
    for one in ids:
        assert f"#claims:has(#{one}:checked)" in text


def test_links_of_claims_lead_to_figures_and_tables_of_the_page(written):
    text = pages.read(written[1])
    article = text[text.index('id="claim-M01"') :].split("</article>")[0]
    assert re.findall(r'href="#([\w-]+)"', article) == ["fig_7_1", "table-b1"]


def test_a_figure_says_how_its_claims_are_judged(written):
    text = pages.read(written[1])
    figure = text[text.index('<figure id="fig_7_1"') :].split("</figure>")[0]
    assert '<li class="w-holds"><a href="#claim-M01">M01</a><strong>holds</strong>: ReLU: batch norm reaches' in figure
    found = dict(re.findall(r'<article class="claim w-([\w-]+) [^>]* id="claim-M01"()', text))
    assert list(found) == ["holds"]
    assert "K01" not in figure  # of another figure


@pytest.mark.parametrize(("model", "told"), [("cnn", ". Not judged on CNN: MNIST."), ("mlp", ""), ("", "")])
def test_beside_a_figure_of_another_model_a_claim_says_what_it_was_not_judged_on(model, told):
    claim = {"id": "G03", "verdict": "holds", "title": "It is faster", "left": "CNN: MNIST", "judged_on": {"mlp"}}
    macros = formats.templates("bnstudy.report").get_template("macros.html.j2").module
    (said,) = re.findall(r"<strong>holds</strong>: (.*)</li>", macros.shows([claim], model))
    assert said == "It is faster" + told


def test_main_claims_that_fail_are_named_first(written):
    text = pages.read(written[1])
    first = text[text.index("Main claims that fail") : text.index('id="tables"')].split("</ul>")[0]
    with written[1].with_name("claims.csv").open() as file:
        failing = [r["id"] for r in csv.DictReader(file) if (r["verdict"], r["priority"]) == ("fails", "1")]
    assert failing
    assert re.findall(r'href="#claim-(\w+)"', first) == failing


def test_a_study_of_other_data_has_no_claims(tmp_path):
    page, _ = page_of(study_of("digits"), tmp_path)
    assert 'id="claims"' not in pages.read(page)


def test_reduced_cells_are_judged_as_such_and_said_to_be(tmp_path):
    page, _ = page_of(study_of("cifar10", width=0.25), tmp_path)
    assert "reduced protocol, which is not the thesis" in pages.read(page)


def test_runs_outside_the_study_are_not_judged(written, tmp_path):
    study, _, built = written
    less = dataclasses.replace(study, cells=study.cells[:1])
    page = report.write(less, built, None, MARGINS, tmp_path)
    with page.with_name("claims.csv").open() as file:
        found = {row["id"]: row["verdict"] for row in csv.DictReader(file)}
    assert found["M01"] == "not run"


@pytest.mark.slow
def test_the_section_of_readings_names_the_closest(tmp_path):
    settings = {"dataset": "cifar10", "model": "mlp"}
    cells = [make_cell({**settings, "norm": n}, READINGS[r]) for n in ("none", "batch") for r in ("default", "code")]
    study = Study("small", "Which one?", tuple(cells), (0, 1, 2))
    level = {("default", "none"): 45.0, ("code", "none"): 50.5, ("default", "batch"): 50.0, ("code", "batch"): 51.5}
    records = [
        synthetic.record(r, epochs_run=2, test_accuracy=level[labels(r.cell)[1], r.cell.norm] + 0.05 * r.seed)
        for r in study.runs()
    ]
    text = pages.read(report.write(study, frames.build(records, study.runs()), None, MARGINS, tmp_path))
    assert "Closer to the printed numbers than the default: code (" in text
    assert '<td class="r-closer">closer</td>' in text
    assert 'class="num">2, 0</td></tr>' in text  # within the margin: both, none
    numbers = text[text.index("Numbers that the default does not reproduce") :]
    found = re.findall(r"<th scope=.row.>MLP, (.*?)</th>.*?<td><strong>(.*?)</strong></td>", numbers)
    assert found == [
        ("CIFAR10, vanilla, ReLU baseline", "code 50.6"),
        ("CIFAR10, batch norm, ReLU baseline", "code 51.6"),
    ]
    without = pages.read(page_of(study_of("cifar10"), tmp_path)[0])
    assert 'id="readings"' not in without


def test_no_reading_is_nearer_to_a_constant_guess(tmp_path):
    """Vanilla at the high rate: 10.0 is printed, the default gives 10, the author's program 30 in one seed of three."""
    settings = {"dataset": "cifar10", "model": "mlp", "norm": "none"}
    cells = [
        make_cell({**settings, **SETTINGS[s]}, READINGS[r]) for s in ("relu", "lr_high") for r in ("default", "code")
    ]
    study = Study("small", "Which one?", tuple(cells), (0, 1, 2))
    records = [
        synthetic.record(r, epochs_run=2, test_accuracy=49.0 if r.cell.lr < 0.1 else 10.0 + 20 * (not r.seed))
        for r in study.runs()
    ]
    text = pages.read(report.write(study, frames.build(records, study.runs()), None, MARGINS, tmp_path))
    row = ("1", "3", "0.00", "0", "0.60")  # one number, of 49.6, three seeds, all of 49.0 by either: never nearer
    assert "".join(f'<td class="num">{number}</td>' for number in row) in text
    assert "learning rate 0.1</th>" not in text[text.index('id="readings"') : text.index('id="verdicts"')]


def test_claims_shown_nowhere_stand_with_the_model_they_were_judged_on():
    def claim(id, model, kind="accuracy", figures=()):
        return {"id": id, "judged_on": {model} if model else set(), "parts": [{"kind": kind}], "figures": figures}

    found = [
        claim("G18", "mlp"), claim("G19", "cnn"), claim("M23", ""), claim("M01", "mlp", figures=("7.1",)),
        claim("G20", "mlp", kind="statistics"),
    ]  # fmt: skip
    assert [c["id"] for c in report.claims.shown_nowhere(found, "mlp")] == ["G18"]
