"""Does a run have a valid result? The same answer at each depth, for every kind of file a run may have left."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

import synthetic
from bnstudy import lock, paths
from bnstudy.design.cell import Cell, Run
from bnstudy.errors import DataError, Unreadable
from bnstudy.results import publication, rounds, store, valid
from bnstudy.results.publication import files, rows
from bnstudy.results.record import Record, digest_of

RUN = Run(Cell(dataset="digits", model="mlp", norm="none"), 0)
OWN = synthetic.record(RUN, epochs_run=3)
OTHER_SEED = Run(RUN.cell, 1)


def published(**changes) -> rows.Published:
    """RUN as it is published; `changes` edits its row without a new digest."""
    sound = rows.publish(dataclasses.replace(OWN, best_epoch=2), "0" * 64)
    return dataclasses.replace(sound, row=sound.row | changes)


def put(results: Path, text: str) -> Path:
    path = paths.record(results, RUN.cell.key, RUN.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def signed(**changes) -> str:
    body = json.loads(OWN.to_text()) | changes
    del body["digest"]
    return json.dumps(body | {"digest": digest_of(body)}, sort_keys=True, separators=(",", ":")) + "\n"


TORN = OWN.to_text()[:-30]
NOTHING, SOUND, SPOILED = None, published(), published(test_accuracy=1.0)
OTHER_RECIPE = published(recipe=2)


def kind(found) -> str | None:
    """own, published or None, whatever the depth."""
    if found is None:
        return None
    return "own" if isinstance(found, float | valid.Digested | Record) else "published"


@pytest.mark.parametrize(
    ("own", "public", "by_stat", "by_digest", "verified"),
    [
        (NOTHING, NOTHING, None, None, None),
        (OWN.to_text(), NOTHING, "own", "own", "own"),
        (OWN.to_text(), SOUND, "own", "own", "own"),
        (TORN, NOTHING, "own", None, None),
        (TORN, SOUND, "own", "published", "published"),
        (TORN, SPOILED, "own", "published", None),
        (signed(epochs={}), SOUND, "own", "published", "published"),
        (NOTHING, SOUND, "published", "published", "published"),
        (NOTHING, SPOILED, "published", "published", None),
        (NOTHING, OTHER_RECIPE, None, None, None),
    ],
)
def test_the_own_record_else_the_published_run(tmp_path, own, public, by_stat, by_digest, verified):
    if own is not None:
        put(tmp_path, own)
    if public is not None:
        files.write(tmp_path, {(RUN.cell.key, RUN.seed): public})
    damaged: list[Run] = []
    lines: list[str] = []

    def note(run: Run, error: DataError) -> None:
        damaged.append(run)

    runs = [OTHER_SEED, RUN]
    depths = [
        valid.by_stat(runs, tmp_path),
        valid.by_digest(runs, tmp_path, {}, note),
        dict(valid.verified(runs, tmp_path, lines.append, damaged=note)),
    ]
    assert [kind(found[RUN]) for found in depths] == [by_stat, by_digest, verified]
    assert [found[OTHER_SEED] for found in depths] == [None, None, None]
    assert valid.missing(runs, tmp_path) == [OTHER_SEED, *([RUN] if by_stat is None else [])]
    assert damaged == [RUN] * (2 if own is not None and verified != "own" else 0)
    assert len(lines) == (public is SPOILED)


def test_since_a_time_only_newer_own_records_count(tmp_path):
    files.write(tmp_path, {(RUN.cell.key, RUN.seed): SOUND})
    assert [kind(f) for f in valid.by_stat([RUN], tmp_path, 0.0).values()] == [None]
    assert [f for _, f in valid.verified([RUN], tmp_path, pytest.fail, 0.0)] == [None]
    os.utime(put(tmp_path, OWN.to_text()), (1000.0, 1000.0))
    for since, counts in ((None, True), (0.0, True), (1000.0, True), (1000.5, False)):
        assert (valid.by_stat([RUN], tmp_path, since)[RUN] == 1000.0) == counts
        assert [f == OWN for _, f in valid.verified([RUN], tmp_path, pytest.fail, since)] == [counts]


def test_a_damaged_record_is_moved_aside_unless_its_run_is_locked(tmp_path):
    path, aside, lines = put(tmp_path, TORN), paths.record(tmp_path, RUN.cell.key, 0).with_name("0.json.bad"), []
    with lock.held(paths.run_lock(tmp_path, RUN.cell.key, RUN.seed), "another"):
        assert list(valid.repaired([RUN], tmp_path, lines.append)) == [(RUN, None)]
        assert (path.exists(), lines) == (True, [])
        assert list(valid.repaired([RUN], tmp_path, lines.append, locked=True)) == [(RUN, None)]
    assert (path.exists(), aside.read_text()) == (False, TORN)
    put(tmp_path, TORN)
    assert list(valid.repaired([RUN], tmp_path, lines.append)) == [(RUN, None)]
    assert not path.exists()
    assert [line.endswith("; moved aside to 0.json.bad") for line in lines] == [True, True]


def test_a_record_that_was_replaced_before_the_lock_was_taken_is_kept(tmp_path, monkeypatch):
    """Another process stores a good record between the reading and the moving."""
    path, held = put(tmp_path, TORN), lock.held

    def meanwhile(*words):
        put(tmp_path, OWN.to_text())
        return held(*words)

    monkeypatch.setattr(lock, "held", meanwhile)
    list(valid.repaired([RUN], tmp_path, pytest.fail))
    assert path.read_text() == OWN.to_text()


def test_a_record_of_a_later_version_stops_who_would_replace_it(tmp_path):
    path = put(tmp_path, signed(cell=dataclasses.asdict(RUN.cell) | {"color": "red"}))
    with pytest.raises(Unreadable, match="color"):
        list(valid.repaired([RUN], tmp_path, pytest.fail, locked=True))
    assert path.exists()
    lines: list[str] = []
    assert list(valid.verified([RUN], tmp_path, lines.append)) == [(RUN, None)]
    assert "color" in lines[0]


def test_the_results_of_a_cell_by_seed(tmp_path):
    """A published run with an own record beside it is not asked for, so it may be spoiled."""
    first, second = (dataclasses.replace(OWN, seed=seed, best_epoch=1) for seed in (1, 2))
    here = {(RUN.cell.key, r.seed): rows.publish(r, "0" * 64) for r in (first, second)}
    files.write(tmp_path, here | {(RUN.cell.key, RUN.seed): SPOILED})
    store.open_results(tmp_path)
    store.put_record(tmp_path, OWN)
    store.put_record(tmp_path, dataclasses.replace(second, best_epoch=3))
    found = valid.records_of(tmp_path, RUN.cell.key, pytest.fail)
    assert [(r.seed, r.best_epoch) for r in found] == [(0, OWN.best_epoch), (1, 1), (2, 3)]
    assert valid.records_of(tmp_path, "another-" + RUN.cell.key, pytest.fail) == []


def test_of_a_cell_with_a_damaged_record_the_rest_is_found(tmp_path):
    """The published run stands in for it, as everywhere; the other seeds are there."""
    published = dataclasses.replace(OWN, best_epoch=1)
    files.write(tmp_path, {(RUN.cell.key, OWN.seed): rows.publish(published, "0" * 64)})
    store.open_results(tmp_path)
    store.put_record(tmp_path, dataclasses.replace(OWN, seed=1, best_epoch=3))
    damaged = store.put_record(tmp_path, OWN)
    damaged.write_text('{"x":')
    said = []
    found = valid.with_origins(tmp_path, RUN.cell.key, said.append)
    assert [(origin, r.seed, r.best_epoch) for origin, r in found] == [("published", 0, 1), ("own", 1, 3)]
    (line,) = said
    assert line.startswith(str(damaged))
    assert line.endswith("; left out")


def test_the_index_is_not_read_where_every_run_has_an_own_record(tmp_path, monkeypatch):
    put(tmp_path, OWN.to_text())
    monkeypatch.setattr(publication, "index", lambda results: pytest.fail("read"))
    assert kind(valid.by_stat([RUN], tmp_path)[RUN]) == "own"
    assert [kind(found) for _, found in valid.verified([RUN], tmp_path, pytest.fail)] == ["own"]


def test_written_in_a_round(tmp_path):
    file = tmp_path / "file"
    assert rounds.written(file) is None
    file.touch()
    os.utime(file, (2000.0, 2000.0))
    assert [rounds.written(file, since) for since in (None, 0.0, 2000.0, 2000.5)] == [2000.0, 2000.0, 2000.0, None]
    assert rounds.written(file / "below") is None
