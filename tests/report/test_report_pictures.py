"""All figures in one list, and findings whose numbers are judged once."""

from collections import Counter

import pytest

import synthetic
from bnstudy import report
from bnstudy.design.cell import Cell
from bnstudy.design.labels import SETTINGS, THESIS_DATASETS
from bnstudy.design.study import Study
from bnstudy.errors import UsageError
from bnstudy.printed.practicals import rows as course_rows
from bnstudy.report import pictures
from bnstudy.report.findings import Findings
from bnstudy.results import frames
from bnstudy.studies.selection import fields_of
from bnstudy.tables import planned
from bnstudy.verdicts import accuracies

MARGINS = {"default": 1.0, "mnist": 0.3}


def study_of(cells, seeds=(0, 1)):
    return Study("small", "Does it come out again?", tuple(cells), seeds)


def pair(dataset="mnist", model="mlp", setting="relu", **more):
    return [Cell(dataset=dataset, model=model, norm=n, **SETTINGS[setting], **more) for n in ("none", "batch")]


def ids(cells):
    return [picture.id for picture in pictures.of_study(planned(cells, (0,)))]


def test_every_figure_is_listed_once_and_found_by_its_id():
    listed = [picture.id for picture in pictures.every()]
    assert len(set(listed)) == len(listed) == 6 + 40 + 12 + 38 + 1 + 16 + 3
    assert all(pictures.find(id).id == id for id in listed)
    with pytest.raises(UsageError, match=r"E11: no such figure \(nearest: E1\)"):
        pictures.find("E11")


def test_a_study_lists_the_figures_of_its_cells():
    thesis, courses = ids(pair()), ids([course_rows()[0].cell])
    assert thesis[0] == "7.1"
    assert "E1" in thesis
    assert courses[:7] == ["P.1", "P.2", "P.3", "P.4", "P.5", "P.6", "7.1"]
    assert "E1" not in courses
    assert "E1" not in ids(pair()[:1])


def test_a_study_lists_the_families_of_its_settings_and_shows_those_of_the_baseline():
    plan = planned([*pair(), *pair(setting="weight_decay")], (0,))
    family = [p for p in pictures.of_study(plan) if isinstance(p, pictures.FamilyPicture)]
    assert [picture.id for picture in family] == ["D.1", "A.2", "A.9", "C.2", "C.9"]
    assert [picture.id for picture in family if picture.is_on_page(plan)] == ["D.1", "A.2", "C.2"]


def test_figures_without_results_are_on_the_page_of_the_whole_thesis_alone():
    whole = [cell for model in ("mlp", "cnn") for dataset in THESIS_DATASETS for cell in pair(dataset, model)]
    for cells, shown in ((whole, True), (whole[:-2], False)):
        plan = planned(cells, (0,))
        computed = [picture for picture in pictures.of_study(plan) if isinstance(picture, pictures.ComputedPicture)]
        assert len(computed) == 19
        assert {picture.is_on_page(plan) for picture in computed} == {shown}


def test_what_was_not_run_is_not_drawn():
    study = study_of(pair())
    found = Findings.of(study, frames.build([], study.runs()), None, MARGINS)
    states = Counter(picture.state(found) for picture in pictures.every())
    assert states == {"not run": 97, "computed": 19}


def test_findings_leave_out_what_is_not_of_the_study():
    study, other = study_of(pair()), study_of(pair("cifar10"))
    built = frames.build([synthetic.record(run, epochs_run=2) for run in (*study.runs(), *other.runs())])
    found = Findings.of(study, built, None, MARGINS)
    assert set(found.frames.runs["dataset"]) == {"mnist"}
    assert set(found.numbers.loc[found.numbers["n"] > 0, "dataset"]) == {"mnist"}


def test_a_page_judges_each_printed_number_once(tmp_path, monkeypatch):
    """Tables, the tally, the effect of batch norm and readings show one and the same verdict."""
    judged, judge = Counter(), accuracies.number_verdicts

    def counting(runs, numbers, *more, **options):
        known = numbers[numbers["printed"].notna()]
        judged.update(known[accuracies.SLOT].itertuples(index=False, name=None))
        return judge(runs, numbers, *more, **options)

    monkeypatch.setattr(accuracies, "number_verdicts", counting)
    study = study_of([*pair(), *pair(**fields_of(["split=last"]))])
    built = frames.build([synthetic.record(run, epochs_run=2) for run in study.runs()], study.runs())
    text = report.write(study, built, None, MARGINS, tmp_path).read_text()
    assert 'id="effect"' in text
    assert 'id="readings"' in text
    assert judged["mlp", "mnist", "none", "relu"] == 1
    assert set(judged.values()) == {1}
