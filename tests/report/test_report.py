"""The page: complete beside its files, inert whatever stands in a text, the same bytes for the same records."""

import base64
import dataclasses
import hashlib
import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

import pages
import synthetic
from bnstudy import report
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import SETTINGS, name
from bnstudy.design.study import Study
from bnstudy.design.timing import TIMING_COLUMNS
from bnstudy.results import frames
from bnstudy.studies import selection
from bnstudy.studies.selection import cell_of
from command_line import left_over

MARGINS = {"default": 1.0, "mnist": 0.3}
HOSTILE = """<script>alert(1)</script><img src=x onerror=alert(2)> "'=cmd|'/c calc'!A1 {{ 7*7 }} {% raw %} http://evil.test/"""


def study_of(cells, seeds=(0, 1, 2), question="Does it come out again?"):
    return Study("small", question, tuple(cells), seeds)


def cells_of(dataset="mnist", settings=("relu", "lr_high"), **more):
    return [
        Cell(dataset=dataset, model="mlp", norm=n, **SETTINGS[s], **more) for s in settings for n in ("none", "batch")
    ]


def frames_of(study, runs=None, **changes):
    return frames.build(
        [synthetic.record(r, epochs_run=3, **changes) for r in (study.runs() if runs is None else runs)], study.runs()
    )


class Page(HTMLParser):
    """Collects tags, the addresses they refer to, and ids."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.ids, self.handlers = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for key, value in attrs:
            if key in ("src", "href", "srcset", "data", "action", "poster"):
                self.addresses.append(value)
            if key == "id":
                self.ids.append(value)
            if key.startswith("on"):
                self.handlers.append(value)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    study = study_of(cells_of())
    path = report.write(study, frames_of(study), None, MARGINS, tmp_path_factory.mktemp("reports"))
    return study, path


def test_every_file_the_page_refers_to_is_there(written):
    _, path = written
    page = Page(pages.read(path))
    assert path.parts[-2:] == ("small", "index.html")
    for address in page.addresses:
        if address.startswith("#"):
            assert address[1:] in page.ids
        elif address != "data:,":
            assert not re.match(r"\w+:|//|/", address), address
            assert (path.parent / address).is_file(), address
    assert sum(a.endswith(".svg") for a in page.addresses) >= 6
    assert len(page.ids) == len(set(page.ids))


def test_no_request_can_leave_the_folder(written):
    for file in (written[1], *written[1].parent.rglob("*/*.html")):
        if file.parent.name != "tables":
            text = file.read_text()
            assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import", text)
            assert Page(text).tags.count("script") == 1
            script = text.split("<script>")[1].split("</script>")[0]
            digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            assert "default-src 'none'; img-src 'self' file: data:; style-src 'unsafe-inline'; script-src" in text
            assert f"'sha256-{digest}'" in text


def test_verdicts_come_first_and_are_right(written):
    text = pages.read(written[1])
    assert text.index('id="verdicts"') < text.index('id="tables"') < text.index('id="figures"')
    tally = dict(re.findall(r'<li class="v-([\w-]+)"><strong>(\d+)</strong>', text))
    assert sum(map(int, tally.values())) == 4  # the numbers of its cells
    assert tally["not-run"] == "0"
    assert tally["broken-as-published"] == "1"


def test_every_cell_has_its_commands(written):
    study, path = written
    text = pages.read(path)
    for cell in study.cells:
        assert f"bnstudy train {name(cell)}<" in text
    fragile = pages.read(path.parent / "cells" / f"{study.cells[2].key}.html")
    assert "bnstudy try dataset=mnist model=mlp norm=none lr=0.1<" in fragile


def test_a_number_of_a_table_leads_to_its_runs(written):
    study, path = written
    text = pages.read(path)
    table = text[text.index('id="table-b1"') :].split("</article>")[0]
    for cell in study.cells:
        assert f'href="cells/{cell.key}.html"' in table
        row = text[text.index(f'<tr id="cell-{cell.key}">') :].split("</tr>")[0]
        assert f'href="cells/{cell.key}.html"' in row
        assert name(cell) in row
    assert "href=" not in (path.parent / "tables" / "b1.html").read_text()  # from there it would lead nowhere


def test_numbers_that_differ_are_named_first(tmp_path):
    study = study_of(cells_of(settings=("relu", "dropout")))
    records = [
        synthetic.record(r, epochs_run=3, test_accuracy=90.0 + 0.1 * r.seed)
        for r in study.runs()
        if r.cell.norm == "none"
    ]
    text = pages.read(report.write(study, frames.build(records, study.runs()), None, MARGINS, tmp_path))
    said = text.split('<table class="plain differing">')[1].split("</table>")[0]
    row = r'>(MLP, MNIST, vanilla, [^<]+)</th><td class="num">([\d.]+)</td><td class="num"><a [^>]+>([\d.]+)'
    assert re.findall(row, said) == [
        ("MLP, MNIST, vanilla, ReLU baseline", "98.0", "90.1"),
        ("MLP, MNIST, vanilla, dropout 0.5", "96.8", "90.1"),
    ]


def test_commands_make_the_same_cell():
    for setting in SETTINGS:
        if setting == "relu_norm_after":
            continue
        (cell, *_) = cells_of("digits", (setting,), width=0.125, norm_momentum=0.1)
        words = report.run_lists.try_command(report.tables.planned([cell], (0,)).to_dict("records")[0]).split()[2:]
        given = dict(word.split("=", 1) for word in words)
        kinds = {k: type(getattr(cell, k)) for k in given}
        assert Cell(**{k: kinds[k](v) for k, v in given.items()}) == cell


def test_commands_keep_every_digit_and_whole_numbers_whole():
    cells = cells_of("digits", ("relu",), lr=0.01234567) + cells_of("digits", ("elu",), steps=1000000, eval_every=1000)
    plan = report.tables.planned(cells, (0,)).to_dict("records")
    told = [report.run_lists.try_command(row).split(maxsplit=2)[2] for row in plan]
    assert told[0] == "dataset=digits model=mlp norm=none lr=0.01234567"
    assert [cell_of(words.split()) for words in told] == cells


def test_same_records_same_bytes(written, tmp_path):
    study, path = written
    again = report.write(study, frames_of(study), None, MARGINS, tmp_path)
    for file in sorted(p for p in path.parent.rglob("*") if p.is_file()):
        assert (again.parent / file.relative_to(path.parent)).read_bytes() == file.read_bytes(), file.name


def timings_of(*datasets):
    rows = [
        dict.fromkeys(TIMING_COLUMNS, 1.0)
        | {"model": "mlp", "dataset": d, "norm": n, "batch_size": 64, "engine": "reference", "device": "cpu",
           "kind": "with_validation", "pixels": "float32", "epochs": 10, "timed_images": 100}
        for d in datasets for n in ("none", "batch")
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.slow
def test_a_narrowed_page_is_that_of_a_study_with_no_more(tmp_path):
    study = study_of([*cells_of(), *cells_of("cifar10")])
    narrow = selection.narrow(study, "dataset=mnist setting=relu", "2,")
    built = frames_of(study, study.runs()[1:])  # one outside the part is missing
    path = report.write(narrow, built, timings_of("mnist", "cifar10"), MARGINS, tmp_path / "narrowed")
    alone = report.write(narrow, frames_of(narrow), timings_of("mnist"), MARGINS, tmp_path / "alone")
    for file in sorted(p for p in path.parent.rglob("*") if p.is_file()):
        assert (alone.parent / file.relative_to(path.parent)).read_bytes() == file.read_bytes(), file.name
    assert "CIFAR10" not in (path.parent / "tables" / "b3.md").read_text()


def test_hostile_texts_are_inert(tmp_path):
    study = study_of(cells_of(settings=("relu",)), (0, 1), question=HOSTILE)
    fields = (
        "data_digest",
        "data_source",
        "source_digest",
        "engine",
        "device",
        "torch",
        "cpu",
        "gpu",
        "commit",
        "os",
        "python",
    )
    records = [
        synthetic.record(
            r, epochs_run=2, provenance=dict.fromkeys(fields, HOSTILE), fate="diverges", outcome="diverged",
            diverged_at={"epoch": 2, "layer": HOSTILE}, attempts=[{"start": HOSTILE, "host": HOSTILE, "seconds": 1.0}],
        )
        for r in study.runs()
    ]  # fmt: skip
    built = frames.build(records[:-1], study.runs(), reasons={study.runs()[-1]: HOSTILE})
    path = report.write(study, built, None, {"default": 1.0, HOSTILE: 2.0}, tmp_path)
    for text in (pages.read(path), pages.read(path.parent / "cells" / f"{study.cells[0].key}.html")):
        page = Page(text)
        assert not page.handlers
        assert page.tags.count("script") == 1  # ours
        assert "x" not in page.addresses
        assert "{{ 7*7 }}" in text
        assert "&lt;script&gt;alert(1)" in text
        assert not any("evil.test" in a for a in page.addresses)


def test_a_third_missing_is_told_and_not_averaged(tmp_path):
    study = study_of(cells_of())
    runs = study.runs()
    kept = [r for i, r in enumerate(runs) if i % 3]
    gone = Run(study.cells[0], 0)
    assert gone not in kept
    built = frames_of(study, kept)
    text = pages.read(report.write(study, built, None, MARGINS, tmp_path))
    assert f"{len(runs) - len(kept)} of {len(runs)} runs have no record" in text
    assert "2 of 3 seeds run" in text
    two = built.runs[built.runs["key"] == study.cells[0].key]["test_accuracy"]
    assert f"{two.mean():.2f} ± {two.std():.2f}" in text


def test_the_commands_on_the_page_are_understood(tmp_path):
    study = study_of(cells_of())
    text = html.unescape(pages.read(report.write(study, frames_of(study), None, MARGINS, tmp_path)))
    lines = {re.sub(r"<[^>]+>", "", line) for line in re.findall(r"<code>(bnstudy .*?)</code>", text)}
    assert {"bnstudy run --study small", "bnstudy report --study small"} <= lines
    assert {line: left for line in lines if (left := left_over(line))} == {}
    assert left_over("bnstudy run small") == ["small"]


def test_nothing_trained_at_all(tmp_path):
    study = study_of(cells_of())
    text = pages.read(report.write(study, frames_of(study, []), None, MARGINS, tmp_path))
    assert "No figure has data yet" in text
    assert "Nothing has been trained yet" in text


def test_a_study_of_other_data_claims_no_verdict(tmp_path):
    study = study_of(cells_of("digits"))
    text = pages.read(report.write(study, frames_of(study), None, MARGINS, tmp_path))
    assert 'class="tally"' not in text
    assert ">Results<" in text


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("imported", "not compared with the official files"),
        ("embedded", None),
        ("official", None),
        ("elsewhere", "not known to be"),
    ],
)
def test_the_origin_of_the_data_is_told(tmp_path, source, said):
    study = study_of(cells_of("mnist", ("dropout",)), (0, 1))
    origin = {"data_source": source, "data_digest": "ab" * 32, "engine": "reference", "commit": "c0ffee", "dirty": True}
    text = pages.read(report.write(study, frames_of(study, provenance=origin), None, MARGINS, tmp_path))
    warned = re.findall(r'<p class="warning">(.*?)</p>', text)
    assert [said in w for w in warned] == ([True] if said else [])
    assert "ab" * 32 in text
    assert "c0ffee with local changes" in text


def test_imported_images_that_are_missing_are_counted(tmp_path):
    study = study_of(cells_of("mnist", ("relu",)), (0,))
    record = [synthetic.record(r, epochs_run=2, provenance={"data_source": "imported"}) for r in study.runs()]
    built = frames.build(record, study.runs())
    some = dataclasses.replace(built, runs=built.runs.assign(test_images=9_977))
    text = pages.read(report.write(study, some, None, MARGINS, tmp_path / "some"))
    assert "MNIST (9,977 of 10,000 test images):" in text
    every = dataclasses.replace(built, runs=built.runs.assign(test_images=10_000))
    assert "test images):" not in pages.read(report.write(study, every, None, MARGINS, tmp_path / "every"))


@pytest.mark.slow
def test_the_page_tells_own_records_from_published_ones(tmp_path):
    study = study_of(cells_of("mnist", ("relu", "elu")), (0, 1))
    made = [synthetic.record(run, epochs_run=3) for run in study.runs()]
    text = pages.read(report.write(study, frames.build(made[:3], published=made[3:]), None, MARGINS, tmp_path))
    assert "3 trained here, 5 published with this software" in text
    assert [text.count(f"<small>{said}</small>") for said in ("own", "1 own, 1 published", "published")] == [1, 1, 2]
    alone = pages.read(report.write(study, frames.build(made), None, MARGINS, tmp_path / "own"))
    assert "results/published" not in alone


def test_mixed_data_are_told():
    study = study_of(cells_of("mnist", ("relu",)), (0, 1))
    built = frames_of(study)
    runs = built.runs.assign(data_digest=["a", "b", "a", "b"])
    told = report.run_lists.data(dataclasses.replace(built, runs=runs).runs)
    assert told[0]["mixed"]
    assert told[0]["digests"] == ["a", "b"]


def test_seeds_of_several_engines_or_processors_are_named():
    built = frames_of(study_of(cells_of("mnist", ("relu",)), (0, 1, 2)))
    alike = built.runs.assign(engine="packed", cpu="AMD EPYC", gpu="")
    assert report.run_lists.mixed(alike) == []
    other = alike.assign(cpu=["AMD EPYC", "AMD EPYC", "Intel Xeon"] * 2, gpu=["", "", ""] * 2)
    other.loc[other["norm"] == "none", "cpu"] = "AMD EPYC"
    (cell,) = report.run_lists.mixed(other)
    assert "batch norm" in cell["what"]
    assert cell["kinds"] == ["2 by packed on AMD EPYC", "1 by packed on Intel Xeon"]


def test_pairs_compare_cells_of_one_size():
    cells = [c for w in (0.5, 0.25) for c in cells_of(settings=("relu", "lr_high", "dropout"), width=w)]
    (row,) = report.run_lists.pairs(frames_of(study_of(cells)).runs)
    assert (row["pairs"], row["higher"], row["learn"]) == (6, 6, 4)
    assert (row["only_normed"], row["only_none"], row["neither"]) == (["learning rate 0.1"] * 2, [], [])
    assert row["reading"] == "reduced"


def css():
    folder = Path(report.__file__).parent
    return "".join((folder / sheet).read_text() for sheet in ("base.css", "page.css", "cell.css"))


def schemes():
    """Light and dark: name -> (red, green, blue) of each colour that the page's styles name."""
    light, dark = (
        dict(re.findall(r"--(\w+): #(\w{6})", part)) for part in css().split("prefers-color-scheme: dark")[:2]
    )
    return [{k: [int(v[i : i + 2], 16) / 255 for i in (0, 2, 4)] for k, v in s.items()} for s in (light, dark)]


def contrast(a, b):
    """Of two colours, as WCAG 2 computes it."""

    def luminance(color):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", schemes(), ids=["light", "dark"])
def test_texts_and_marks_stand_out(scheme):
    """WCAG AA: 4.5 for text, 3 for marks; verdicts also on the tint of their own cell of a table."""
    for ground in (scheme["paper"], scheme["ground"]):
        for one in ("ink", "soft", "faint", "link", "good", "bad", "open", "broke"):
            assert contrast(scheme[one], ground) >= 4.5, one
        assert contrast(scheme["none"], ground) >= 3
    for one in ("good", "bad", "open", "broke"):
        tint = [0.09 * v + 0.91 * p for v, p in zip(scheme[one], scheme["paper"], strict=True)]
        assert contrast(scheme[one], tint) >= 4.5, one
        assert contrast(scheme["soft"], tint) >= 4.5, one


def test_faint_colours_are_no_text():
    """`--none` is for bars and edges; a verdict in words takes `--word` where that is set."""
    assert "color: var(--v)" not in re.sub(r"\.shows strong \{[^}]*\}", "", css())
    assert not re.search(r"[ ;{]color: var\(--none\)", css())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (2.34, "2.3 s"),
        (59.96, "1 min 0 s"),
        (245, "4 min 5 s"),
        (3 * 3600 + 725, "3 h 12 min"),
        (187200, "2 d 4 h"),
    ],
)
def test_durations(seconds, text):
    assert report.run_lists.duration(seconds) == text
