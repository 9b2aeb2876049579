"""The front page: the answer of all studies reported, from their summaries alone."""

import dataclasses
import html
import json
import re

import pandas as pd
import pytest

import pages
import synthetic
from bnstudy import paths, report
from bnstudy.design.cell import Cell
from bnstudy.design.labels import SETTINGS
from bnstudy.design.study import Study
from bnstudy.design.timing import TIMING_COLUMNS
from bnstudy.report import answer, front, run_lists, summary
from bnstudy.results import frames
from bnstudy.verdicts import effects

MARGINS = {"default": 1.0, "mnist": 0.3}


def study_of(name, dataset="mnist", settings=("relu", "lr_high", "elu"), seeds=(0, 1, 2), **more):
    cells = [
        Cell(dataset=dataset, model="mlp", norm=n, **SETTINGS[s], **more) for s in settings for n in ("none", "batch")
    ]
    return Study(name, f"What does {name} give?", tuple(cells), seeds)


def made(study, root, keep=lambda run: True):
    """The front page after a study's report; `keep`: the runs that have a record."""
    records = [synthetic.record(run, epochs_run=3) for run in study.runs() if keep(run)]
    report.write(study, frames.build(records, study.runs()), None, MARGINS, root)
    return pages.read(paths.front(root))


def words(text):
    text = re.sub(r"<(script|style).*?</\1>", " ", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def alone(root):
    return made(study_of("first"), root)


def answer_of(text):
    return words(text.split('<div class="answer">')[1].split("</div>")[0])


def test_one_study_has_a_front_page_with_its_answer(alone):
    said = answer_of(alone)
    assert re.findall("<h2>(What .* gains)</h2>", alone) == ["What batch norm gains"]
    assert "The MLP learns with batch norm but not without it given learning rate 0.1 (on MNIST)" in said
    assert "Of 144 printed accuracies of the thesis 6 were run" in said
    assert re.search(r"where both learn, batch norm changes test accuracy by [+−]\d+\.\d ± \d+\.\d on MNIST", said)
    assert "Not tested: 138 printed accuracies" in said
    assert "Fabian Schilling" in alone


def test_every_printed_number_has_an_entry_with_a_sign(alone):
    entries = re.findall(r'<td class="v-([\w-]+) s\d" title="([^"]*)">(.*?)</td>', alone)
    assert len(entries) == 144
    assert sum(verdict == "not-run" for verdict, _, _ in entries) == 138
    signs = {verdict: re.search(r"<b>(.)</b>", inner)[1] for verdict, _, inner in entries}
    assert len(set(signs.values())) == len(signs) > 1
    for verdict, title, inner in entries:
        if verdict == "not-run":
            assert title.endswith(f"not run: {front.UNASKED}")
        else:
            key = re.search(r'href="first/cells/(\w+).html"', inner)[1]
            assert any(cell.key == key for cell in study_of("first").cells)


def test_a_number_names_printed_and_ours(alone, root):
    values = json.loads((root / "first" / summary.NAME).read_text())
    for number in values["numbers"]:
        (title,) = re.findall(rf'title="([^"]*)"><a href="first/cells/{number["key"]}.html"', alone)
        assert f"printed {number['printed']:.1f}, ours " in title
        assert title.endswith(number["verdict"])


def test_links_of_the_front_page_are_there(alone, root):
    for address in re.findall(r'(?:href|src|srcset)="([^"#][^"]*)"', alone):
        if address != "data:,":
            file, _, part = address.partition("#")
            assert (root / file).is_file(), address
            assert not part or f'id="{part}"' in pages.read(root / file), address


def test_a_second_study_adds_what_the_first_lacks(tmp_path):
    half = lambda run: run.cell.activation == "relu"  # noqa: E731
    before = made(study_of("first"), tmp_path, half)
    after = made(study_of("second", settings=("elu", "dropout")), tmp_path)
    assert before.count('href="first/cells/') == 4
    assert after.count('href="first/cells/') == 4
    assert after.count('href="second/cells/') == 4
    assert after.index(">What does first give?<") > 0
    assert after.index(">What does second give?<") > 0


def counted(text):
    """(tested, that differ) in the sentence on the number of tests, and those that differ in the answer."""
    tested, differ = re.search(
        r"Of the (\d+) numbers that were tested, .* Of the (\d+) that differ", words(text)
    ).groups()
    return int(tested), int(differ), int(re.search(r"(\d+) differs?\b", answer_of(text)).group(1))


def test_the_number_of_tests_is_that_of_all_studies(tmp_path):
    tested, differ, said = counted(made(study_of("first"), tmp_path))
    assert differ == said
    more, differ, said = counted(made(study_of("second", dataset="cifar10"), tmp_path))
    assert differ == said
    assert more > tested


def test_the_verdict_that_counts_is_by_the_full_protocol_on_most_places():
    def claim(verdict, *places):
        return {"id": "G01", "title": "", "priority": 1, "verdict": verdict, "places": places}

    def study(name, one, protocol=""):
        return {"study": name, "seeds": 3, "protocol": protocol, "claims": [one]}

    small = study("small", claim("fails", "cnn mnist", "cnn svhn", "cnn cifar10"), "width 0.25")
    one, two = study("one", claim("holds", "mlp mnist")), study("two", claim("fails", "mlp mnist", "mlp cifar10"))
    (found,) = front.merged_claims([small, one, two])
    assert (found["verdict"], found["study"], found["on"]) == ("fails", "two", "MLP: MNIST, CIFAR10")
    assert found["verdicts"] == {"small": "fails", "one": "holds", "two": "fails"}
    (reduced,) = front.merged_claims([small])
    assert (reduced["verdict"], reduced["study"]) == ("not run", "")


def test_a_study_of_ones_own_speaks_of_no_replication(tmp_path):
    study = study_of("own", dataset="digits")
    text = made(study, tmp_path)
    for page in (text, pages.read(paths.report(tmp_path, "own"))):
        assert "replicat" not in page.lower()
        assert "Schilling" not in page
        assert "claim" not in words(page.split("<main>")[1])
    assert "thesis" not in text
    assert "The MLP learns with batch norm but not without it given learning rate 0.1 (on Digits)" in answer_of(text)


def test_a_study_of_ones_own_lists_its_own_norms(tmp_path):
    cells = [Cell(dataset="digits", model="mlp", norm=n, **SETTINGS["relu"]) for n in ("none", "batch", "layer")]
    text = made(Study("own", "Which norm?", tuple(cells), (0, 1, 2)), tmp_path)
    said = answer_of(text)
    assert re.search(r"batch norm, which changes test accuracy by [+−][\d.]+ ± [\d.]+ on Digits", said)
    assert re.search(r"layer norm, which changes test accuracy by [+−][\d.]+ ± [\d.]+ on Digits", said)
    assert re.findall("<h2>(What .* gains)</h2>", text) == ["What each norm gains"]
    page = words(pages.read(paths.report(tmp_path, "own")))
    assert "Batch norm, layer norm against vanilla" in page
    assert "MLP, Digits, layer norm" in page


def test_a_study_of_one_field_is_answered_by_it(tmp_path):
    cells = [
        Cell(dataset="digits", model="mlp", norm=n, batch_size=size) for n in ("batch", "layer") for size in (8, 128)
    ]
    study = Study("sizes", "Does batch norm suffer from small batches?", tuple(cells), (0,))
    (said,) = json.loads((made_in(study, tmp_path / "all") / summary.NAME).read_text())["answer"]
    assert re.fullmatch(
        r"Test accuracy is with batch norm [\d.]+ and [\d.]+ % \(batch size 8 and 128\) and "
        r"with layer norm [\d.]+ and [\d.]+ % \(batch size 8 and 128\)\.", said,
    )  # fmt: skip
    large = made_in(study, tmp_path / "large", lambda run: run.cell.batch_size == 128)
    (said,) = json.loads((large / summary.NAME).read_text())["answer"]
    assert said == "No answer yet: 2 of 4 networks have been run, all with batch size 128."


def made_in(study, root, keep=lambda run: True):
    """The folder of a study's page."""
    made(study, root, keep)
    return paths.report(root, study.name).parent


def test_studies_have_titles():
    assert [answer.titled(name) for name in ("thesis", "reduced_cnn", "norms_by_batch_size")] == [
        "Thesis", "Reduced CNN", "Norms by batch size",
    ]  # fmt: skip


def test_a_torn_summary_is_left_out(tmp_path):
    made(study_of("first"), tmp_path)
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / summary.NAME).write_text('{"format": 2, "study": "torn"')
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / summary.NAME).write_text('{"format": 0, "study": "other"}')
    assert [values["study"] for values in summary.every(tmp_path)] == ["first"]


def test_gains_are_means_over_settings_where_both_learn():
    study = study_of("first", settings=("relu", "lr_high", "elu"))
    built = frames.build([synthetic.record(run, epochs_run=3) for run in study.runs()], study.runs())
    (row,) = effects.gains(built.runs).to_dict("records")
    means = built.runs.groupby(["setting", "norm"])["test_accuracy"].mean().unstack()
    learned = means.loc[["relu", "elu"]]
    assert row["gain"] == pytest.approx((learned["batch"] - learned["none"]).mean())
    assert (row["pairs"], row["learn"], row["only_normed"], row["only_none"]) == (3, 2, ["lr_high"], [])
    assert row["fewest"] == row["most"] == built.runs["seed"].nunique()


@pytest.mark.slow
def test_the_interval_of_a_gain_holds_the_true_one_in_95_percent():
    """Simulated: 6 settings of 3 seeds whose batch norm gains exactly 1 point; splits add 0.12 s²."""
    import numpy as np

    stream = np.random.default_rng(7)
    rows = [
        {"key": f"{setting}{norm}", "seed": seed, "model": "mlp", "dataset": "mnist", "reading": "default",
         "setting": setting, "norm": norm, "outcome": "finished", "broken": False, "width": 1.0, "train_size": None,
         "epochs": 100}
        for setting in "abcdef" for norm in ("none", "batch") for seed in range(3)
    ]  # fmt: skip
    frame, inside = pd.DataFrame(rows), 0
    cells = pd.factorize(frame["key"])[0]
    for _ in range(300):
        split = stream.normal(0, np.sqrt(0.12) * 0.4, cells.max() + 1)[cells]
        truth = 90 + (frame["norm"] == "batch") + split + stream.normal(0, 0.4, len(frame))
        (row,) = effects.gains(frame.assign(test_accuracy=truth)).to_dict("records")
        inside += abs(row["gain"] - 1) <= row["h"]
    assert 0.91 <= inside / 300 <= 0.985


def test_one_seed_has_no_interval():
    study = study_of("first", seeds=(0,))
    built = frames.build([synthetic.record(run, epochs_run=3) for run in study.runs()], study.runs())
    pairs = run_lists.pairs(built.runs)
    assert [row["interval"] for row in pairs] == [""]
    assert "(points; one seed, so no interval)" in answer.of_gains(pairs)[0]


def test_sentences_agree_in_number():
    counts = {"reproduced": 1, "differs": 1, "undecided": 2, "broken as published": 1, "not run": 0}
    (said,) = answer.of_verdicts(counts, 0, {})
    assert "1 is reproduced, 1 is of networks" in said
    assert "1 differs (0 still do" in said
    assert said.endswith("2 are undecided.")
    assert answer.of_untested(0, 0, []) == []


def test_the_front_page_corrects_for_the_tests_of_all_studies(tmp_path):
    """Two studies of two numbers each, all far from print: four still differ, two on each study's own page."""
    for name, dataset in (("first", "mnist"), ("second", "cifar10")):
        study = study_of(name, dataset, settings=("relu",))
        far = [synthetic.record(run, epochs_run=3, test_accuracy=70 + 0.05 * run.seed) for run in study.runs()]
        report.write(study, frames.build(far, study.runs()), None, MARGINS, tmp_path)
        assert "2 differ (2 still do after correction" in words(pages.read(paths.report(tmp_path, name)))
    assert "4 differ (4 still do after correction" in answer_of(pages.read(paths.front(tmp_path)))


@pytest.mark.parametrize(
    ("unsure", "said"),
    [
        (True, "; so no gain is shown on MNIST."),
        (False, "(points; mean over settings of 2 to 3 seeds each, 95 % interval)."),
    ],
)
def test_a_gain_whose_interval_holds_zero_is_not_shown(unsure, said):
    row = {"model": "CNN", "dataset": "MNIST", "reading": "", "norm": "batch norm", "learn": 3, "gain": "+0.2",
           "fewest": 2, "most": 3, "interval": "± 0.5", "unsure": unsure, "blind": False, "only_normed": [],
           "only_none": [], "neither": []}  # fmt: skip
    assert answer.of_gains([row])[0].endswith(said)


def test_a_gain_whose_interval_says_nothing_is_not_given():
    """Two seeds, of which one of the vanilla networks learns nothing: 45 points, give or take 572."""
    study = study_of("first", seeds=(0, 1))
    built = frames.build([synthetic.record(run, epochs_run=3) for run in study.runs()], study.runs())
    stays = (built.runs["seed"] == 0) & (built.runs["norm"] == "none")
    (row,) = run_lists.pairs(built.runs.assign(test_accuracy=(90.0 + built.runs["seed"]).where(~stays, 10.0)))
    assert (row["blind"], row["interval"]) == (True, "± over 100")
    (said,) = answer.of_gains([row])
    assert said.endswith("the gain on MNIST cannot be told from so few seeds, which differ too much.")
    assert row["gain"] not in said


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_zero_inside_the_interval_is_found(shift):
    """Three seeds each; batch norm is `shift` points ahead, with a spread of about one."""
    study = study_of("first", seeds=(0, 1, 2))
    built = frames.build([synthetic.record(run, epochs_run=3) for run in study.runs()], study.runs())
    noise = (built.runs["seed"].astype(float) - 1) * (1 - 2 * (built.runs["norm"] == "batch"))
    runs = built.runs.assign(test_accuracy=90 + noise + shift * 3 * (built.runs["norm"] == "batch"))
    assert [row["unsure"] for row in run_lists.pairs(runs)] == [shift == 0]


def test_the_margins_of_the_heat_map_are_given():
    numbers = [{"dataset": d, "margin": m, "verdict": v} for d, m, v in (
        ("mnist", 0.3, "differs"), ("cifar10", 1.0, "reproduced"), ("cifar100", 1.0, "differs"),
        ("svhn", 2.0, "not run"),
    )]  # fmt: skip
    assert front._margins(numbers) == " (1 point, 0.3 on MNIST)"
    assert front._margins(numbers[3:]) == ""


def test_networks_that_never_learn_have_no_gain():
    row = {"model": "MLP", "dataset": "MNIST", "reading": "", "norm": "batch norm", "learn": 0,
           "gain": "–", "interval": "", "only_normed": [], "only_none": [], "neither": ["ReLU baseline"]}  # fmt: skip
    assert answer.of_gains([row]) == ["The MLP learns in no setting."]
    assert answer.of_gains([row | {"only_none": ["ELU"]}]) == [
        "The MLP learns without batch norm but not with it given ELU (on MNIST)."
    ]


def test_a_study_of_times_has_no_field_to_be_answered_by():
    from bnstudy.tables import planned

    assert answer.of_one_field(planned((), (0,)), frames.build([]).runs) == []


def test_claims_on_seconds_are_counted_as_on_other_hardware():
    counts = {"holds": 2, "fails": 1, "undecided": 0, "other hardware": 1, "not run": 4}
    assert answer.counted(counts) == "2 hold, 1 fails, 1 is on other hardware and 4 are not run"


def test_a_study_of_timing_counts_timings_and_no_trainings(tmp_path):
    study = dataclasses.replace(study_of("timed", settings=("relu",)), timing=True)
    row = dict.fromkeys(TIMING_COLUMNS, 1.0) | {
        "model": "mlp", "dataset": "mnist", "batch_size": 64, "engine": "reference", "device": "cpu",
        "kind": "with_validation", "pixels": "float32", "epochs": 10, "timed_images": 100,
    }  # fmt: skip
    timings = pd.DataFrame([row | {"norm": norm} for norm in ("none", "batch")])
    page = report.write(study, frames.build([], study.runs()), timings, MARGINS, tmp_path)
    own, front_page = words(pages.read(page)), words(pages.read(paths.front(tmp_path)))
    assert "Timings recorded 2 " in own
    assert "Trainings recorded" not in own
    assert "Timed: 2 timings" in front_page
    assert "0 of 0" not in front_page
