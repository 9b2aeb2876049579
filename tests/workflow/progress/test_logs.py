"""What stands in a log when nobody looks: one line per event, no control characters, no bars."""

import re
import sys
from pathlib import Path

import pytest

from bnstudy import console
from command_line import process
from faults.small import cell, put

EPOCH = r"toy-mlp-\S+ seed \d epoch \d/2: loss [\d.]+ validation [\d.]+ % lr [\d.e-]+ [\d.]+ s"
END = r"toy-mlp-\S+ seed \d: [\d.]+ % after 2 epochs"
LAST = r"4 trained, 0 already done, records in \S+"


@pytest.mark.parametrize("term", ["dumb", "xterm-256color"])
def test_training_into_a_log(tmp_path: Path, term):
    file = put(tmp_path / "cells.json", [cell(epochs=2), cell(norm="batch", epochs=2)], seeds=[0, 1])
    ended = process(tmp_path, "bnstudy", "train", "--cells", str(file), TERM=term, COLUMNS="40", FORCE_COLOR="")
    assert ended.code == 0
    assert ended.out == ""
    lines = ended.err.splitlines()
    assert [sum(bool(re.fullmatch(kind, line)) for line in lines) for kind in (EPOCH, END, LAST)] == [8, 4, 1]
    assert len(lines) == 13
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", ended.err)


def test_a_study_into_a_log(capsys):
    assert not sys.stderr.isatty()
    with console.counting(2, "runs trained") as tell:
        tell(1, "a run: 90.00 % after 3 epochs")
        tell(2, "another: 91.00 % after 4 epochs")
    told = capsys.readouterr()
    assert told.err == "1 of 2  a run: 90.00 % after 3 epochs\n2 of 2  another: 91.00 % after 4 epochs\n"
    assert told.out == ""
