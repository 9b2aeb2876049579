"""`bnstudy.load`: the frames that `aggregate` writes, made in memory; and importing bnstudy stays light."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import bnstudy
import synthetic
from bnstudy import paths
from bnstudy.design.cell import Cell, Run
from bnstudy.design.study import Study
from bnstudy.errors import UsageError
from bnstudy.results import collect, frames, store
from bnstudy.results.timings import frame as timing
from bnstudy.studies.config import load as load_config
from command_line import ROOT, call, environment

CONFIG = """\
seeds: 2
margins: {default: 1.0}
studies:
  thesis:
    question: What is measured?
    cells:
      - {dataset: digits, model: mlp, norm: [none, batch]}
"""
CELLS = [Cell(dataset="digits", model="mlp", norm=norm) for norm in ("none", "batch")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("loading")
    (made / "config.yaml").write_text(CONFIG)
    store.open_results(made / "results")
    for run in [Run(CELLS[0], 0), Run(CELLS[0], 1), Run(CELLS[1], 0)]:
        store.put_record(made / "results", synthetic.record(run, epochs_run=4))
    path = paths.record(made / "results", CELLS[0].key, 1)
    path.write_text(path.read_text().replace('"seed":1', '"seed":9'))
    return made


def load(folder: Path, **options) -> collect.Results:
    said: list[str] = []
    found = bnstudy.load(config=folder / "config.yaml", results=folder / "results", say=said.append, **options)
    assert len(said) == (not options)
    return found


def test_importing_bnstudy_is_light():
    look = "import sys, bnstudy; print(sorted({'torch', 'pandas', 'numpy', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", look], env=environment(ROOT), capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
    assert not hasattr(bnstudy, "laod")


def test_the_frames_are_those_that_aggregate_writes(folder, capsys, monkeypatch):
    found = load(folder)
    assert found.runs[["key", "seed"]].values.tolist() == [[CELLS[1].key, 0], [CELLS[0].key, 0]]
    assert len(found.missing) == 2
    words = ["--config", str(folder / "config.yaml"), "--results", str(folder / "results")]
    ended = call(capsys, "aggregate", *words)
    assert ended.code == 0
    assert "thesis: 2 runs (all own), 2 missing" in ended.err
    written = frames.get(folder / "results", "thesis")
    for kept in frames.KEPT:
        pd.testing.assert_frame_equal(getattr(found, kept), getattr(written, kept))
    pd.testing.assert_frame_equal(found.timings, timing.get(folder / "results", "thesis"))


def test_frames_are_read_until_a_result_is_newer_or_they_are_of_other_runs(tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_text(CONFIG)
    study, results = load_config(tmp_path / "config.yaml").studies["thesis"], tmp_path / "results"
    store.open_results(results)
    store.put_record(results, synthetic.record(Run(CELLS[0], 0), epochs_run=4))
    gathered, gather = [], collect.collect
    monkeypatch.setattr(collect, "collect", lambda *given: gathered.append(given) or gather(*given))

    def current(study=study) -> tuple[int, bool]:
        """How many runs are found, and whether their records were read."""
        gathered.clear()
        return len(collect.current(study, results, pytest.fail).runs), bool(gathered)

    assert current() == (1, True)
    aggregate(results, study)
    assert current() == (1, False)
    store.put_record(results, synthetic.record(Run(CELLS[0], 1), epochs_run=4))
    assert current() == (2, True)
    aggregate(results, replace(study, seeds=(0,)))
    assert current() == (2, True)
    assert current(replace(study, seeds=(0,))) == (1, False)
    aggregate(results, study)
    paths.record(results, CELLS[0].key, 0).unlink()
    assert current() == (1, True)
    aggregate(results, study)
    put_with_time(results, synthetic.record(Run(CELLS[0], 0), epochs_run=4), time.time() - 7200)
    assert current() == (2, True)
    aggregate(results, study)
    shutil.rmtree(paths.record(results, CELLS[0].key, 0).parent)
    assert current() == (0, True)


def put_with_time(results: Path, record, moment: float) -> None:
    """As a copy that keeps times: record and folder are older than the frames."""
    store.put_record(results, record)
    file = paths.record(results, record.cell.key, record.seed)
    for path in (file, file.parent):
        os.utime(path, (moment, moment))


def aggregate(results: Path, study: Study) -> None:
    built = bnstudy.load(study.name, config=results.parent / "config.yaml", results=results, seeds=list(study.seeds))
    frames.put(built, results, study.name)


def test_narrowed(folder):
    assert load(folder, where="norm=batch").runs["norm"].tolist() == ["batch"]
    assert load(folder, where=["norm=batch", "model=mlp"], seeds=1).missing.empty
    assert load(folder, seeds=[5]).missing["seed"].tolist() == [5, 5]
    assert load(folder, seeds="0,").datasets == ("digits",)


def test_published_runs_join_own_ones(tmp_path):
    found = bnstudy.load("thesis", config=ROOT / "config.yaml", results=ROOT / "results", where="model=mlp")
    assert "published" in set(found.runs["origin"])
    assert set(found.runs["key"]) >= set(found.layers["key"].cat.categories)


def test_where_there_is_no_config_the_one_of_the_package_holds(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BNSTUDY_RESULTS", str(tmp_path / "results"))
    assert bnstudy.load("demo").study == load_config(ROOT / "config.yaml").studies["demo"]
    with pytest.raises(UsageError, match=r"absent\.yaml"):
        bnstudy.load("demo", config="absent.yaml")
    (tmp_path / "config.yaml").write_text(CONFIG)
    with pytest.raises(UsageError, match="demo: no such study"):
        bnstudy.load("demo")


def test_what_is_no_study_is_refused(folder):
    with pytest.raises(UsageError, match=r"thseis: no such study.*nearest: thesis"):
        bnstudy.load("thseis", config=folder / "config.yaml")
    with pytest.raises(UsageError, match="model=cnn"):
        load(folder, where="model=cnn", seeds=1)
