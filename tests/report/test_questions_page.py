"""The section of the open questions, on made-up records: all, part and nothing of a question run."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

import synthetic
from bnstudy import report
from bnstudy.claims import questions as claims
from bnstudy.cli import explained
from bnstudy.design.cell import Run
from bnstudy.design.study import Study
from bnstudy.questions import cells as asked
from bnstudy.report import questions
from bnstudy.report.findings import Findings
from bnstudy.results import frames

SEEDS = (0, 1)
ASKED = ("Q05", "Q06", "Q08", "Q12")
CELLS = {id: asked.cells(id)["cifar10"] for id in ASKED}
DEFAULT = {"default": 1.0}
STUDY = Study("open", "What comes of them?", tuple(dict.fromkeys(c for own in CELLS.values() for c in own)), SEEDS)
LONG = next(cell for cell in CELLS["Q08"] if cell.epochs == 300)


@pytest.fixture(scope="module")
def built():
    """All of Q05, of Q06 what Q05 has too, of Q08 all but the long run, of Q12 nothing."""
    ran = [cell for id in ("Q05", "Q08") for cell in CELLS[id] if cell is not LONG]
    runs = [Run(cell, seed) for cell in dict.fromkeys(ran) for seed in SEEDS]
    records = [synthetic.record(run, epochs_run=3) for run in runs]
    for record in records:
        record.attempts[0]["start"] = f"2026-1{record.seed + 1}-30T12:00:00Z"
    return frames.build(records, STUDY.runs())


@pytest.fixture(scope="module")
def page(built, tmp_path_factory) -> str:
    return report.write(STUDY, built, None, DEFAULT, tmp_path_factory.mktemp("reports")).read_text()


def section(page: str, id: str) -> str:
    """The text of a question's part of the page."""
    found = re.search(rf'<h3 id="question-{id}".*?(?=<h3 id="question|</section>)', page, re.S)
    assert found
    return re.sub(r"\s+([.,])?", lambda space: space[1] or " ", re.sub("<[^>]+>", " ", found[0]))


def test_the_first_screen_answers_with_what_came_of_the_statements(page):
    head = page[: page.index("<nav")]
    assert "Of 4 questions that the thesis leaves open 3 have runs." in head
    assert "written before these runs" in head


def test_a_question_that_was_run_shows_answer_verdict_figure_values_and_dates(page):
    text = section(page, "Q05")
    assert "On CIFAR10 batch norm reaches" in text
    assert "Written 2026-11-29" in text
    assert "Its 20 runs were trained from 2026-11-30 to 2026-12-30." in text
    assert "were known" not in text
    assert "Figure Q.5." in text
    assert "leaky ReLU" in text
    assert "runs are missing" not in text
    assert 'src="figures/fig_Q_5.svg"' in page
    assert "partial" not in text.split("What is asked")[0].split("Evidence")[0]


@pytest.mark.parametrize(
    ("mean", "std", "shown"),
    [(98.13, 0.0577, "98.1 ± 0.1"), (0.00123, 0.0000456, "0.00123 ± 4.56e-05"), (3.0, np.nan, "3")],
)
def test_a_deviation_has_the_digits_of_its_mean(mean, std, shown):
    row = SimpleNamespace(mean=mean, std=std, key="0" * 12, broken=False)
    assert questions._value(row)[0] == shown


def test_a_question_run_in_part_names_what_was_not_run(page):
    text = section(page, "Q08")
    assert "partial" in text
    assert "2 runs are missing." in text
    assert "CIFAR10, N(0, 1), 300 epochs: N(0, 1), 300" in text
    assert "not run" in text
    assert "CIFAR10, normalized layers: last, first, every second" in section(page, "Q06")


def test_a_question_without_runs_has_no_answer(page):
    text = section(page, "Q12")
    assert "No answer yet: none of its 12 cells has been run." in text
    assert "24 runs are missing." in text
    assert "Figure Q.12" not in text


def test_statements_are_listed_as_claims_and_links_lead_somewhere(page, built):
    (row,) = claims.rows(built, {"Q05": ("cifar10",)})
    assert row["id"] == "Q05"
    assert f" {row['verdict']} " in section(page, "Q05")
    assert json.dumps(row)
    assert row["answer"][0].startswith("On CIFAR10")
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert targets <= set(re.findall(r'id="([^"]+)"', page))


def test_runs_from_before_the_question_was_written_are_counted_apart(built):
    before = questions.trained(built.runs, "2026-12-01")
    assert before == {"runs": len(built.runs), "before": len(built.runs) // 2, "started": ("2026-11-30", "2026-12-30")}
    assert questions.trained(built.runs.assign(started=""), "2026-12-01")["started"] is None


def test_a_cell_names_the_questions_that_are_judged_on_it(built):
    found = Findings.of(STUDY, built, None, DEFAULT)
    tanh = next(cell for cell in CELLS["Q05"] if cell.activation == "tanh" and cell.norm == "batch")
    assert "Q05" in {claim["id"] for claim in explained.of_cell(tanh.key, found)["claims"]}
