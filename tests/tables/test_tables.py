"""Tables by their data: what stands in B.1 to B.4, in which table a cell lands, and the four formats."""

import io
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

import synthetic
from bnstudy import printed, tables
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import SETTINGS, THESIS_DATASETS
from bnstudy.results import frames
from bnstudy.tables import formats
from bnstudy.tables.layout import with_spread
from bnstudy.verdicts.accuracies import half_up, signed

THESIS_ROWS = ["sigmoid", "relu", "elu", "lr_high", "lr_low", "init_high", "init_low", "dropout", "weight_decay"]


def runs_of(accuracies):
    """The frame `runs` of {Cell: accuracies of its seeds}; None there is a run that diverged and answers one class."""
    records = [
        synthetic.record(Run(cell, seed), epochs_run=1, fate="learns" if value else "diverges", test_accuracy=value)
        for cell, values in accuracies.items()
        for seed, value in enumerate(values)
    ]
    return frames.build(records).runs


def mlp(norm="none", setting="relu", dataset="mnist", **more):
    return Cell(dataset=dataset, model="mlp", norm=norm, **SETTINGS[setting], **more)


def by_id(found):
    return {one.id: one for one in found}


def number(shown, setting, norm, dataset="mnist"):
    c = shown.content
    return c[(c["setting"] == setting) & (c["norm"] == norm) & (c["dataset"] == dataset)].iloc[0]


@pytest.fixture(scope="module")
def mnist():
    cells = {mlp(): [97.9, 98.0, 98.1], mlp("batch"): [98.2, 98.2, 98.2], mlp(setting="lr_high"): [None, None, None]}
    plan = [*cells, mlp("batch", "lr_high")]
    return by_id(tables.shown(tables.planned(plan, (0, 1, 2)), runs_of(cells)))


def test_numbers_stand_in_their_places(mnist):
    b1 = mnist["B.1"]
    assert list(dict.fromkeys(b1.content["setting"])) == THESIS_ROWS
    relu = number(b1, "relu", "none")
    assert relu["mean"] == pytest.approx(98.0)
    assert relu["std"] == pytest.approx(0.1)
    assert (relu["printed"], relu["n"], relu["seeds"], relu["verdict"]) == (98.0, 3, 3, "reproduced")
    assert number(b1, "lr_high", "none")["verdict"] == "broken as published"
    assert number(b1, "lr_high", "none")["diverged"] == 3
    missing = number(b1, "lr_high", "batch")
    assert (missing["verdict"], missing["n"], missing["seeds"]) == ("not run", 0, 3)
    assert np.isnan(missing["mean"])
    assert (b1.state, mnist["B.2"].state, mnist["B.2"].planned) == ("partial", "not run", False)


def test_shares_of_images_round_as_the_thesis_rounds_them():
    assert [half_up(100 * n / 10_000) for n in (1135, 980, 9635, 9634)] == ["11.4", "9.8", "96.4", "96.3"]
    assert [signed(points) for points in (0.25, -0.04, -1.06, 0.0)] == ["+0.3", "0.0", "−1.1", "0.0"]


def test_csv_keeps_every_number_in_full_precision(mnist):
    back = pd.read_csv(io.StringIO(formats.csv(mnist["B.1"].content)), keep_default_na=False, na_values=[""])
    pd.testing.assert_frame_equal(back[["printed", "mean", "h"]], mnist["B.1"].content[["printed", "mean", "h"]])
    assert len(back) == 18


def test_what_a_reader_sees(mnist):
    text = formats.markdown(mnist["B.1"].grid)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    at = next(i for i, line in enumerate(lines) if line[0] == "ReLU")
    assert lines[at] == ["ReLU", "printed", "98.0", "98.2"]
    assert lines[at + 1] == ["", "ours", "98.0 ± 0.1", "98.2 ± 0.0"]
    assert lines[at + 2] == ["", "difference", "0.0 reproduced", "0.0 reproduced"]
    at = next(i for i, line in enumerate(lines) if line[0] == "high, 0.1")
    assert lines[at + 1] == ["", "ours", "10.0 ± 0.0 †‡", "–"]
    assert "MNIST 3 of 3" in text
    assert "not run (1 of 4 numbers)" in text
    assert not any(line[0] == "dropout" for line in lines)
    assert "Rows that this study does not ask for are left out." in text


def test_a_table_that_no_cell_enters_lists_all_printed_numbers(mnist):
    text = formats.markdown(mnist["B.2"].grid)
    assert "dropout" in text
    assert "left out" not in text


def test_one_broken_seed_of_three_is_no_broken_cell():
    cells = {mlp(): [None, 98.0, 98.0]}
    row = number(by_id(tables.shown(tables.planned(cells, (0, 1, 2)), runs_of(cells)))["B.1"], "relu", "none")
    assert (row["broken"], row["broken_seeds"], row["diverged"], row["n"]) == (False, 1, 1, 3)
    assert row["mean"] == pytest.approx((10 + 2 * 98) / 3)


def test_reduced_cells_have_tables_of_their_own():
    small = {mlp(width=0.5): [97.0, 97.1], mlp("batch", width=0.5): [97.5, 97.6]}
    tiny = {mlp(width=0.25, epochs=5): [90.0, 91.0]}
    found = by_id(tables.shown(tables.planned([*small, *tiny], (0, 1)), runs_of(small | tiny)))
    reduced = [f"{table} reduced {i}" for table in ("B.1", "V.1") for i in (1, 2)]
    assert list(found) == ["B.1", *reduced[:2], "B.2", "B.3", "B.4", *reduced[2:]]
    assert found["B.1"].state == "not run"
    own = {one.id: number(one, "relu", "none") for one in found.values() if one.id.startswith("B.1 reduced")}
    assert sorted(row["mean"] for row in own.values()) == [pytest.approx(90.5), pytest.approx(97.05)]
    for one in own.values():
        assert np.isnan(one["printed"])
        assert one["verdict"] == ""
    assert {"b1", "b1_reduced_1", "b1_reduced_2", "b2", "b3", "b4"} < {one.stem for one in found.values()}
    assert set(found["B.1 reduced 1"].content["setting"]) == {"relu"}


def test_data_the_thesis_does_not_have_keeps_the_shape():
    cells = {mlp(dataset="digits"): [95.0, 95.5], mlp("batch", dataset="digits"): [96.0, 96.0]}
    b1 = by_id(tables.shown(tables.planned(cells, (0, 1)), runs_of(cells)))["B.1"]
    assert list(dict.fromkeys(b1.content["setting"])) == THESIS_ROWS
    assert b1.content["printed"].isna().all()
    assert number(b1, "relu", "none", "digits")["verdict"] == ""
    assert "printed" not in formats.markdown(b1.grid).split("**Activation**")[1]
    assert "The thesis has no numbers for this data" in b1.grid.caption


def test_cells_outside_the_plan_do_not_count():
    inside, outside = {mlp(): [98.0, 98.0]}, {mlp("batch"): [98.0, 98.0]}
    found = by_id(tables.shown(tables.planned(inside, (0, 1)), runs_of(inside | outside)))
    assert number(found["B.1"], "relu", "batch")["verdict"] == "not run"


def timed(model="mlp", size=64, dataset="mnist", none=2.0, batch=2.5, **more):
    common = {"model": model, "dataset": dataset, "batch_size": size, "engine": "reference", "device": "cpu",
              "kind": "with_validation", "iqr": 0.1, "ratio": batch / none, "ratio_low": 1.2, "ratio_high": 1.3,
              "pixels": "random", **more}  # fmt: skip
    return [common | {"norm": "none", "median_seconds": none}, common | {"norm": "batch", "median_seconds": batch}]


def test_seconds_beside_the_printed_ones():
    rows = [
        r for d, f in zip(THESIS_DATASETS, (1, 2, 3, 4), strict=True) for r in timed(dataset=d, none=f, batch=f * 1.25)
    ]
    rows += timed(none=9, batch=99, kind="training") + timed(none=1, batch=1.5, engine="packed")
    found = by_id(tables.shown(tables.planned([], (0,)), runs_of({}), pd.DataFrame(rows)))
    b3 = found["B.3"].content.set_index(["batch_size", "dataset", "norm"])
    seconds = printed.seconds().set_index(["model", "batch_size", "dataset", "norm"])["printed"]
    assert b3.loc[(64, "svhn", "batch"), "own"] == 2.5
    assert b3.loc[(64, "svhn", "batch"), "printed"] == seconds["mlp", 64, "svhn", "batch"]
    assert b3.loc[(64, "all", "batch"), "own"] == pytest.approx(25.0)
    assert b3.loc[(64, "all", "batch"), "printed"] == 27
    assert np.isnan(b3.loc[(32, "all", "batch"), "own"])
    assert (found["B.3"].state, found["B.4"].state) == ("partial", "not run")
    assert "Random pixels" in " ".join(found["B.3"].grid.notes)
    assert found["B.3 packed cpu"].content["engine"].dropna().unique().tolist() == ["packed"]


def test_each_machine_has_a_table_and_the_one_that_timed_most_the_plain_one():
    """A laptop's MNIST beside a server's four data sets would make a mean overhead of two machines."""
    server = [r for d in THESIS_DATASETS for r in timed(dataset=d, none=2, batch=2.5, hardware="server")]
    laptop = timed(none=1, batch=1.5, hardware="laptop") + timed(size=32, none=2, batch=3, hardware="laptop")
    gpu = timed(none=0.1, batch=0.2, device="cuda:0", hardware="gpu")
    found = by_id(tables.shown(tables.planned([], (0,)), runs_of({}), pd.DataFrame(laptop + gpu + server)))
    of = {id: set(one.content["hardware"].dropna()) for id, one in found.items() if id.startswith("B.3")}
    assert of == {"B.3": {"server"}, "B.3 reference cpu": {"laptop"}, "B.3 reference cuda0": {"gpu"}}
    assert "reference on cpu, server" in " ".join(found["B.3"].grid.notes)
    again = timed(none=1, batch=1.5, hardware="another")
    more = by_id(tables.shown(tables.planned([], (0,)), runs_of({}), pd.DataFrame(laptop + again + server)))
    assert set(more["B.3 reference cpu 2"].content["hardware"].dropna()) == {"another"}
    assert more["B.3 reference cpu 2"].stem == "b3_reference_cpu_2"


def test_means_over_different_images_are_said_to_be():
    cells = {mlp(): [98.0, 98.2]}
    plan, runs = tables.planned(cells, (0, 1)), runs_of(cells)
    assert "different images" not in by_id(tables.shown(plan, runs))["B.1"].grid.caption
    mixed = by_id(tables.shown(plan, runs.assign(data_digest=["a", "b"])))["B.1"]
    assert "Means over runs on different images: MNIST." in mixed.grid.caption


def test_a_mean_overhead_stands_beside_the_printed_one_of_the_same_data_sets_only():
    rows = [r for d in THESIS_DATASETS[2:] for r in timed(dataset=d, none=2, batch=2.5)]
    found = by_id(tables.shown(tables.planned([], (0,)), runs_of({}), pd.DataFrame(rows)))
    last = next(row for row in found["B.3"].grid.rows if row.label == "64").entries[-1]
    assert (last.printed, last.own, last.difference) == ("", "25.0", "")


@pytest.mark.parametrize(
    ("seconds", "half", "text"),
    [
        (0.0512, 0.0019, "0.0512 ± 0.0019"),
        (0.66, 0.019, "0.66 ± 0.02"),
        (1.468, 0.0069, "1.47 ± 0.01"),
        (47.31, 0.2, "47.3 ± 0.2"),
        (153.4, 2, "153 ± 2"),
    ],
)
def test_a_time_and_its_spread_have_the_same_decimals(seconds, half, text):
    assert with_spread(seconds, half) == text


def test_printed_times_have_the_decimals_of_the_thesis():
    found = by_id(tables.shown(tables.planned([], (0,)), runs_of({})))
    texts = {id: [entry.printed for entry in found[id].grid.rows[0].entries] for id in ("B.3", "B.4")}
    assert texts["B.3"] == ["2.6", "3.1", "3.7", "4.4", "2.5", "3.0", "2.5", "3.1", "20"]
    assert (texts["B.4"][0], texts["B.4"][-1]) == ("141", "19.7")
    assert found["B.4"].grid.rows[1].entries[-1].printed == "19.0"


def test_no_timings_are_not_run():
    found = by_id(tables.shown(tables.planned([], (0,)), runs_of({})))
    assert [one.state for one in found.values()] == ["not run"] * 4
    assert [one.row["id"] for one in found.values()] == ["B.1", "B.2", "B.3", "B.4"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    plan = [
        Cell(dataset=d, model=m, norm=n, **SETTINGS[s])
        for d in THESIS_DATASETS for m in ("mlp", "cnn") for n in ("none", "batch") for s in THESIS_ROWS
    ]  # fmt: skip
    records = [synthetic.record(Run(c, s), epochs_run=1) for c in plan if c.model == "mlp" for s in range(2)]
    timings = pd.DataFrame([r for d in THESIS_DATASETS for r in timed(dataset=d)])
    folder = tmp_path_factory.mktemp("tables")
    tables.write(tables.shown(tables.planned(plan, (0, 1)), frames.build(records).runs, timings), folder)
    return folder


def test_every_format_is_written(written):
    stems = [*(f"b{i}" for i in range(1, 5)), "v1", "v2", "t1", "m1"]
    assert {p.name for p in written.iterdir()} == {f"{stem}.{e}" for stem in stems for e in tables.FORMATS}


def test_latex_is_balanced_and_rectangular(written):
    for path in sorted(written.glob("*.tex")):
        text = path.read_text()
        assert text.isascii()
        assert re.findall(r"\\begin\{(\w+)\}", text) == re.findall(r"\\end\{(\w+)\}", text)[::-1]
        columns = len(re.search(r"\\begin\{tabular\}\{(\w+)\}", text)[1])  # pyright: ignore[reportOptionalSubscript]
        for line in text.split(r"\toprule")[1].split(r"\bottomrule")[0].splitlines():
            if line.endswith(r"\\"):
                spans = sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", line))
                assert len(re.findall(r"(?<!\\)&", line)) + 1 + spans == columns, line


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here; the structure is checked above")
def test_latex_compiles(written, tmp_path):
    body = "".join(rf"\input{{{path}}}" for path in sorted(written.glob("*.tex")))
    main = r"\documentclass[a4paper]{article}\usepackage[margin=2cm]{geometry}\usepackage{booktabs}\begin{document}"
    (tmp_path / "main.tex").write_text(main + body + r"\end{document}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull \\hbox" not in done.stdout


HOSTILE = r"<script>alert(1)</script> =cmd|'/c' {{ 7*7 }} 50% a_b \input{x} $x$ & | #"


def test_texts_are_escaped_in_every_format(mnist):
    import dataclasses

    grid = dataclasses.replace(
        mnist["B.1"].grid, title=HOSTILE, caption=HOSTILE, notes=(HOSTILE,), columns=(HOSTILE,) * 2
    )
    assert "<script>" not in formats.html(grid)
    assert "{{ 7*7 }}" in formats.html(grid)  # text, not evaluated
    assert "<script>" not in formats.markdown(grid)
    assert {
        line.count("|") - line.count(r"\|") for line in formats.markdown(grid).splitlines() if line.startswith("|")
    } == {5}
    latex = formats.latex(grid)
    assert r"\input" not in latex
    assert "50%" not in latex
    assert "$x$" not in latex
