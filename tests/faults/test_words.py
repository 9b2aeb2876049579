"""Names of cells, and texts in records, that want to be something else: refused in two lines, or inert."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice

import pytest

from bnstudy.design.study import Study
from bnstudy.errors import USAGE
from bnstudy.results import frames
from bnstudy.results.record import Record
from faults import invariants, small, tally
from synthetic import record

NAMES = [
    "../x", "/etc/passwd", "a\x00b", "$(touch executed)", "`touch executed`", ";touch executed", "x" * 300, "a\nb",
    "0123456789AB", "toy-mlp-none-relu-000000000000", "nul", "..", "~", "*", "{0.__class__}", "NAME:-1", "e\u0301", "",
    "-rf", "--rf",
]  # fmt: skip


CONFIG = """
seeds: 1
margins: {default: 1.0}
studies: {a: {question: Why, cells: [{dataset: toy, model: mlp, norm: none}]}}
"""


@pytest.mark.parametrize("name", [n for n in NAMES if "\x00" not in n], ids=lambda n: ascii(n[:12]))
@pytest.mark.parametrize("verb", ["train", "show"])
def test_names_that_are_none(server, tmp_path, verb, name):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    process = server.run(verb, "--config", config, "--results", tmp_path / "results", "--", name, cwd=tmp_path)
    invariants.told_in_two_lines(process, USAGE)
    invariants.nothing_but(tmp_path, "config.yaml")


@pytest.mark.parametrize("key", ["../../x", "a\x00b", "-rf", "0" * 13, "x" * 300])
def test_keys_in_a_file_of_cells(server, tmp_path, key):
    file = small.put(tmp_path / "cells.json", small.CELLS[:1])
    row = json.loads(file.read_text())[0] | {"key": key, "name": key}
    file.write_text(json.dumps([row]))
    process = server.run("train", "--cells", file, "--results", tmp_path / "results")
    invariants.told_in_two_lines(process, USAGE)
    row = row | {"key": small.CELLS[0].key, "dataset": key}
    file.write_text(json.dumps([row]))
    process = server.run("train", "--cells", file, "--results", tmp_path / "results")
    invariants.told_in_two_lines(process, USAGE)
    invariants.nothing_but(tmp_path, "cells.json")


@pytest.mark.parametrize("word", ["-rf", "--rf", "--no-such-option"])
def test_words_that_look_like_options(server, tmp_path, word):
    process = server.run("train", word, cwd=tmp_path)
    assert process.code == USAGE
    assert "Traceback" not in process.err
    invariants.nothing_but(tmp_path)


PAYLOADS = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 31337*3 }}", "{% include '/etc/passwd' %}",
    "=cmd|'/c calc'!A1", "+1+1", "-2+3", "@SUM(A1)", "!!python/object/apply:os.system [ls]", "a,b\n\"c\";d", "nan",
    "\x1b[31m",
]  # fmt: skip


PROVENANCE = (
    "cpu", "os", "torch", "device", "data_source", "commit", "gpu", "driver", "instruction_set", "engine", "threads",
)  # fmt: skip
SHIFTS = [pytest.param(n, marks=pytest.mark.faults if n % 6 else ()) for n in range(len(PAYLOADS))]


@pytest.mark.parametrize("shift", SHIFTS)
def test_texts_are_inert_in_page_and_tables(tmp_path, shift):
    """Another payload in each text that a record or a config can hold; each payload stands in each text in the end."""
    from bnstudy import report as page

    payloads = islice(cycle(PAYLOADS), shift, None)
    study = Study("adhoc", next(payloads), (small.CELLS[0],), (0,))
    made = hostile(record(study.runs()[0]), payloads)
    built = frames.build([made], study.runs())
    frames.put(built, tmp_path, "adhoc")
    kept = frames.get(tmp_path, "adhoc")
    assert kept.runs["cpu"][0] == made.provenance["cpu"]
    written = page.write(study, kept, None, {"default": 1.0}, tmp_path / "reports", formats=("svg",))
    text = written.read_text()
    for sign in ("<script>alert(1)", "<img src=x", "94011", "root:"):
        assert sign not in text
    for file in tmp_path.rglob("*.csv"):
        assert_no_formula(file.read_text())
    tally.count("hostile texts", len(made.provenance) + 7)


def hostile(made: Record, payloads: Iterator[str]) -> Record:
    """The record with the next payload in each of its texts; signed, as whoever can sign may write any text."""
    texts = {name: next(payloads) for name in PROVENANCE}
    attempt = {"host": next(payloads), "start": next(payloads), "seconds": 1.0, "first_epoch": 1}
    made = replace(
        made, outcome="diverged", diverged_at={"epoch": 1, "layer": next(payloads)}, stopped=next(payloads),
        provenance=made.provenance | texts, attempts=[attempt],
        layers=made.layers | {"names": [next(payloads), *made.layers["names"][1:]]},
    )  # fmt: skip
    return Record.from_text(made.to_text())


def assert_no_formula(text: str) -> None:
    """No cell of a table is a formula to a spreadsheet; numbers may be negative."""
    import csv
    import io

    for row in csv.reader(io.StringIO(text)):
        for cell in row:
            if cell[:1] in ("=", "+", "-", "@"):
                float(cell)
