"""Files that are read, changed in thousands of ways by their structure and bit by bit, in this process.

A file that the program wrote gives the same result or is refused by name; a file of a user is taken or refused by name.
Nothing crashes. `BNSTUDY_FUZZ=7` draws other changes.
"""

import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bnstudy import datasets, extend, lock
from bnstudy.design.cell import Run
from bnstudy.design.study import Study
from bnstudy.errors import BAD_DATA, USAGE, StudyError
from bnstudy.figures import writer
from bnstudy.results import digests, frames, rounds, store, valid
from bnstudy.results.publication import merge, timings
from bnstudy.results.publication.rows import Published
from bnstudy.results.timings import record as timing_record
from bnstudy.studies import config, selection
from bnstudy.workflow import dag, snakemake_process
from bnstudy.workflow.progress.watch import Watch
from datasets.conftest import arrays, small_sets, user_file  # noqa: F401 - fixtures
from faults import mutations, small, tally
from faults.mutations import Mutation
from results.publication.test_publication import COMMIT, trained
from studies.test_config import SMALL
from training.timing.test_timing import body

SEED = int(os.environ.get("BNSTUDY_FUZZ", "0"))
FEW, MANY = 12, 260  # changes per reader: by default, and in `make test-faults`
RUNS = [Run(small.cell(norm=norm), seed) for norm in ("none", "batch") for seed in (0, 1)]
STUDY = Study("tiny", "Why so?", tuple(dict.fromkeys(run.cell for run in RUNS)), (0, 1))


@dataclass(frozen=True)
class Reader:
    """Something that reads a file.

    read     reads it in a folder; the value is compared with that of the file as it was
    ways     how the file is changed
    code     exit code of a refusal
    lost     what may be read instead, as if the file were absent
    any      True if anything may be read, as from a user's file
    signs    True if the file's digest is stated anew after each change, as another version would: published runs,
             which have a digest each, may then be left out
    """

    path: str
    read: Callable[[Path], Any]
    ways: tuple[Mutation, ...]
    code: int = BAD_DATA
    lost: tuple[Any, ...] = ()
    any: bool = False
    signs: bool = False


def silent(_: str) -> None:
    pass


def record(folder: Path) -> Any:
    found = store.get_record(folder, RUNS[0])
    return found and found.to_text()


def published(folder: Path) -> frozenset[tuple[str, str]]:
    """The published runs that verify, with their digests."""
    found = valid.verified(RUNS, folder, silent)
    return frozenset((run.id, result.digest) for run, result in found if isinstance(result, Published))


def frames_of(folder: Path) -> Any:
    found = frames.get(folder, "tiny")
    return [getattr(found, kept).to_csv() for kept in frames.KEPT]


def imported(folder: Path) -> Any:
    return datasets.import_npz("mnist", folder / "mine.npz", folder / "data")["state"]


def extension(folder: Path) -> Any:
    before = {kind: dict(registry) for kind, registry in extend._registries().items()}
    try:
        extend._folder(folder / "mine")
        return {kind: sorted(registry) for kind, registry in extend._registries().items()}
    finally:
        for module in [name for name in sys.modules if name.startswith("bnstudy_extension_")]:
            del sys.modules[module]
        for kind, registry in extend._registries().items():
            registry.clear()
            registry.update(before[kind])


def lock_file(folder: Path) -> Any:
    path = folder / "locks" / "a.lock"
    assert lock.owner(path).isprintable()
    return lock.holder(path)


def noted(folder: Path) -> Any:
    return datasets.noted(folder), dag._present(folder / "data" / "toy.json")


def cells(folder: Path) -> Any:
    return len(selection.runs_in(folder / "cells.json", None, None))


def progress(folder: Path) -> Any:
    return sorted((run.id, state.phase) for run, state in Watch(folder, ("", 1)).look(RUNS).items())


NAMES = (
    "record", "digested", "checkpoint", "glance", "timing", "frames", "frames signed", "frame digests", "published",
    "published layers", "published signed", "published layers signed", "published digests", "published timings", "data",
    "note", "lock", "round", "failures", "figure note", "cells", "config", "import", "extension",
)  # fmt: skip


def readers(folder: Path) -> dict[str, Reader]:
    """Write a file of each kind into a folder; what reads them."""
    by_kind = (mutations.of_json, mutations.of_parquet, mutations.of_npz, mutations.of_lines)
    json_, parquet, npz, lines = ((each, mutations.raw) for each in by_kind)
    run = RUNS[0]
    at = f"{run.cell.key}-{run.seed}"
    own = f"records/{run.cell.key}/{run.seed}.json"
    checkpoint = f"checkpoints/{at}.newest"
    payload = (mutations.of_checkpoint, mutations.raw)
    wide = {"published": "published/runs.parquet", "published layers": "published/layers.parquet"}
    found = {
        "record": Reader(own, record, json_),
        "digested": Reader(own, progress, json_, any=True),
        "checkpoint": Reader(checkpoint, lambda f: list(store.get_checkpoints(f, run, {"a": 1})), payload, lost=([],)),
        "glance": Reader(checkpoint, lambda f: len(store.glance(f, run)), payload),
        "timing": Reader(f"timings/{body([(1.0, 1.9)] * 6)['key']}.json",
                         lambda f: timing_record.get(next(f.glob("timings/*.json"))), json_),
        "frames": Reader("frames/tiny/runs.parquet", frames_of, parquet),
        "frames signed": Reader("frames/tiny/runs.parquet", frames_of, parquet, any=True, signs=True),
        "frame digests": Reader("frames/tiny/digests.json", frames_of, json_),
        **{name: Reader(path, published, parquet) for name, path in wide.items()},
        **{f"{name} signed": Reader(path, published, parquet, signs=True) for name, path in wide.items()},
        "published digests": Reader("published/digests.json", published, json_),
        "published timings": Reader("published/timings.parquet", lambda f: timings.texts(f), parquet),
        "data": Reader("data/mnist.npz", lambda f: datasets.load("mnist", f / "data").digest, npz),
        "note": Reader("data/toy.json", noted, json_, any=True),
        "lock": Reader("locks/a.lock", lock_file, json_, lost=(None,), any=True),
        "round": Reader("fresh/tiny.json", lambda f: rounds.under_way(f, [STUDY]) is not None, json_, lost=(False,)),
        "failures": Reader("failures", lambda f: list(snakemake_process._reported(f / "failures")), lines, any=True),
        "figure note": Reader("note.json", lambda f: writer._noted(f / "note.json"), json_, any=True),
        "cells": Reader("cells.json", cells, json_, USAGE, any=True),
        "config": Reader("small.yaml", lambda f: len(config.load(f / "small.yaml").studies), lines, USAGE, any=True),
        "import": Reader("mine.npz", imported, npz, any=True),
        "extension": Reader("mine/one.py", extension, lines, USAGE, any=True),
    }  # fmt: skip
    assert tuple(found) == NAMES
    return found


EXTENSION = """\
from bnstudy.extend import labels, norms, torch

def build(size, eps):
    return torch.nn.Identity()

norms.REGISTRY["mine"] = build
labels.SETTINGS["quick"] = {"lr": 0.05}
for name in ("a", "b"):
    labels.SETTINGS[name] = {"dropout": 0.3}
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A folder with a file of each kind, as the program or a user writes it."""
    folder = tmp_path_factory.mktemp("written")
    made = [trained(run) for run in RUNS]
    for each in made:
        store.put_record(folder, each)
    timing_record.put(folder, body([(1.0, 1.9)] * 6, provenance=body([(1.0, 1.9)])["provenance"] | COMMIT))
    merge.merge(folder, RUNS, say=silent)
    merge.merge_timings(folder, merge.own_timings(folder), say=silent)
    frames.put(frames.build(made), folder, "tiny")
    store.put_checkpoint(folder, RUNS[0], {"a": 1}, b"payload" * 30, {"epoch": 3, "epoch_seconds": 1.5})
    with lock.held(folder / "locks" / "a.lock", "a"):
        pass
    rounds.begin(folder, [STUDY])
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "toy.json").write_text('{"state": "absent", "reason": "no network"}')
    (folder / "failures").write_text('{"cause": "a", "remedy": "b", "code": 65}\n' * 2)
    (folder / "note.json").write_text('{"fig.svg": "abc"}')
    small.put(folder / "cells.json")
    (folder / "small.yaml").write_text(SMALL)
    (folder / "mine").mkdir()
    (folder / "mine" / "one.py").write_text(EXTENSION)
    return folder


@pytest.fixture
def place(written, tmp_path, small_sets, user_file, monkeypatch) -> Path:  # noqa: F811
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a change within a second would not be seen
    monkeypatch.setattr("bnstudy.results.provenance.digest_at", lambda commit: None)
    folder = tmp_path / "place"
    shutil.copytree(written, folder)
    shutil.copy(user_file(base=arrays()), folder / "mine.npz")
    datasets.import_npz("mnist", folder / "mine.npz", folder / "data")
    return folder


def outcome(reader: Reader, folder: Path) -> Any:
    """What is read, or the error that refuses it."""
    try:
        return reader.read(folder)
    except StudyError as error:
        return error


def check(reader: Reader, before: Any, now: Any, path: Path) -> str:
    """Return how the change ended. Fails unless that is one of the right ways."""
    if isinstance(now, StudyError):
        assert now.exit_code == reader.code, now
        assert path.stem in now.cause or path.parent.name in now.cause, now
        assert now.remedy
        return "refused"
    if now == before:
        return "same"
    left_out = isinstance(before, frozenset) and now < before and reader.signs  # each run has a digest
    assert reader.any or left_out or now in reader.lost, f"another result: {str(now)[:300]}"
    return "other"


SAMPLE = [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.faults)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("changes", SAMPLE)
def test_a_changed_file_is_refused_by_name_or_changes_nothing(place, name, changes):
    reader = readers(place)[name]
    path, rng = place / reader.path, Random(f"{SEED} {name}")
    content = path.read_bytes()
    if name.startswith("published"):
        shutil.rmtree(place / "records")
    before = reader.read(place)
    ends: dict[str, int] = {}
    for number in range(changes):
        changed = rng.choice(reader.ways)(content, rng)
        path.write_bytes(changed)
        if reader.signs:
            sign(path)
        began = time.process_time()
        try:
            end = check(reader, before, outcome(reader, place), path)
        except BaseException as error:
            kept = place.parent / f"{number}-{path.name}"
            kept.write_bytes(changed)
            raise AssertionError(f"{name}, change {number}, kept as {kept}") from error
        assert time.process_time() - began < 20
        ends[end] = ends.get(end, 0) + 1
        tally.count("mutated files")
    path.write_bytes(content)
    if reader.signs:
        sign(path)
    assert outcome(reader, place) == before
    assert ends.get("refused", 0) + ends.get("other", 0) > changes // 4 or name in ("glance", "digested"), ends


KINDS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "link to itself": lambda path: path.symlink_to(path),
    "link to nothing": lambda path: path.symlink_to("/nowhere"),
    "empty": Path.touch,
}


def too_late(*_: object) -> None:
    raise AssertionError("hangs")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_refused_or_taken_for_absent_at_once(place, kind):
    before, limits = signal.signal(signal.SIGALRM, too_late), resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, limits[1]))  # /dev/zero has no end
    for name, reader in readers(place).items():
        path = place / reader.path
        aside = path.rename(path.with_name("aside"))
        KINDS[kind](path)
        signal.alarm(20)
        end = outcome(reader, place)
        signal.alarm(0)
        if isinstance(end, StudyError):
            assert end.exit_code == reader.code, (name, end)
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        aside.rename(path)
        tally.count("files that are none")
    signal.signal(signal.SIGALRM, before)
    resource.setrlimit(resource.RLIMIT_AS, limits)


def sign(path: Path) -> None:
    """State the digest of a file as it is now, as a later version might have written it."""
    digests.put(path.parent, {path.name: path.read_bytes()}, digests.stated(path.parent, "-"))
