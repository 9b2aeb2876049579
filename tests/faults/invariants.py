"""I1 to I9: what holds after every fault. A test asserts those that apply; docs/reliability.md tells them in words."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bnstudy.design.cell import Run
from bnstudy.results import store
from bnstudy.results.record import Record

VOLATILE = ("attempts", "provenance")
"""Fields that may differ between two trainings of the same run; and `seconds` in the epoch columns."""


def records(results: Path) -> dict[str, str]:
    """The text of every record file, by its path below `records`."""
    return {f.relative_to(results / "records").as_posix(): f.read_text() for f in results.glob("records/*/*.json")}


def lasting(text: str) -> dict[str, Any]:
    """A record without the fields that may differ between two trainings: times, host, attempts, provenance."""
    body = {k: v for k, v in json.loads(text).items() if k not in (*VOLATILE, "digest")}
    body["epochs"] = {k: v for k, v in body["epochs"].items() if k != "seconds"}
    return body


def whole_records(results: Path) -> None:
    """I1: a record that exists is complete, its digest verifies, and it is the one its path says."""
    for path, text in records(results).items():
        record = Record.from_text(text, path)
        assert path == f"{record.cell.key}/{record.seed}.json"


def same_as_calm(results: Path, calm: Path, runs: Iterable[Run]) -> None:
    """I2: all records are there and equal the undisturbed ones, but for times, host and attempts."""
    here, there = records(results), records(calm)
    wanted = {f"{run.cell.key}/{run.seed}.json" for run in runs}
    assert here.keys() == wanted
    for path in wanted:
        assert lasting(here[path]) == lasting(there[path]), path


def unchanged(before: dict[str, str], results: Path) -> None:
    """I3: every record that stood before stands byte for byte."""
    after = records(results)
    assert {path: after.get(path) for path in before} == before


def each_once(rows: Iterable[tuple[str, int]], missing: Iterable[tuple[str, int]], runs: Iterable[Run]) -> None:
    """I4: every (cell, seed) that was asked for is counted once, as trained or as missing."""
    assert Counter([*rows, *missing]) == Counter((run.cell.key, run.seed) for run in runs)


def told_in_two_lines(process: Any, *codes: int) -> None:
    """I5: a failure has a non-zero exit status, one cause line, one line on what to do, and no traceback."""
    assert process.code in codes if codes else process.code > 0, (process.code, process.err)
    assert "Traceback" not in process.err + process.out
    lines = process.err.splitlines()
    causes = [i for i, line in enumerate(lines) if line.startswith("bnstudy: ")]
    assert causes == [len(lines) - 2], process.err
    assert re.match(r"  \S", lines[-1]), process.err


def nothing_but(folder: Path, *allowed: str) -> None:
    """I6: a folder holds nothing but the names allowed."""
    assert {entry.name for entry in folder.iterdir()} <= set(allowed)


def only_known_files(results: Path) -> None:
    """I6, inside results: records, checkpoints, locks, manifests and what was moved aside; nothing temporary."""
    known = re.compile(
        r"records/[0-9a-f]{12}/\d+\.json(\.bad)?|checkpoints/[0-9a-f]{12}-\d+\.(newest|older)|locks/[\w-]+\.lock|"
        r"packs/[0-9a-f]{12}\.json|data/\w+\.json|frames/.*|logs/.*"
    )
    files = [f.relative_to(results).as_posix() for f in results.rglob("*") if not f.is_dir()]
    unknown = [f for f in files if not known.fullmatch(f)]
    assert unknown == []


def not_executed(mark: Path) -> None:
    """I7: a payload that would make the file `mark` was not executed."""
    assert not mark.exists()


def honest_times(record: Record) -> None:
    """I8: seconds are of this run's epochs only; a run that was interrupted says so by its attempts."""
    assert all(second >= 0 for second in record.epochs["seconds"])
    firsts = [attempt["first_epoch"] for attempt in record.attempts]
    assert firsts == sorted(firsts)
    assert firsts[0] == 1
    assert all(attempt["seconds"] >= 0 for attempt in record.attempts)


def no_work(process: Any, runs: Iterable[Run]) -> None:
    """I9: a call after success trains nothing."""
    assert process.code == 0, process.err
    assert f"0 trained, {len(list(runs))} already done" in process.err


def settled(results: Path, calm: Path, runs: Iterable[Run]) -> None:
    """I1, I2, I6 and I8 together, and no checkpoint left: the state after the command has succeeded."""
    runs = list(runs)
    whole_records(results)
    same_as_calm(results, calm, runs)
    only_known_files(results)
    assert not any(store.has_checkpoints(results, run) for run in runs)
    for text in records(results).values():
        honest_times(Record.from_text(text))
