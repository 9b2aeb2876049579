"""The main job end to end, on the toy data set, by the project's own Snakefile."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from bnstudy.errors import UsageError
from bnstudy.results import inventory, provenance, rounds
from bnstudy.results.store import get_record
from bnstudy.studies.config import load
from bnstudy.studies.config.blocks import RULES
from bnstudy.workflow import run_study
from bnstudy.workflow.dag import Dag, device, looks_only
from bnstudy.workflow.outlook import Work
from bnstudy.workflow.snakemake_process import Place, _failure, first_packs
from command_line import ROOT, Ended, environment, process, two_lines

pytestmark = pytest.mark.timeout(3600)  # a step of the story takes minutes on a busy machine

CONFIG = """\
seeds: 1
margins: {default: 1.0}
studies:
  tiny:
    question: Does the whole chain run?
    cells:
      - {dataset: toy, model: mlp, norm: [none, batch], width: 0.05, epochs: 2}
      - {dataset: toy, model: cnn, norm: batch, width: 0.03125, epochs: 1}
  mixed:
    question: Does the rest run where a data set is absent?
    cells:
      - {dataset: [toy, mnist], model: mlp, norm: none, width: 0.05, epochs: 2}
  gone:
    question: And if there is nothing but the absent data set?
    cells:
      - {dataset: mnist, model: mlp, norm: none, width: 0.05, epochs: 2}
  long:
    question: Does it stop when it is told to?
    cells:
      - {dataset: toy, model: mlp, norm: none, width: 0.05, epochs: 100000, stop_patience: 0}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("dag")
    (made / "small.yaml").write_text(CONFIG)
    return made


def bnstudy(folder: Path, study: str, *words: str) -> Ended:
    return process(folder, "bnstudy", "run", "--config", "small.yaml", "--study", study, *words)


def snakemake(folder: Path, target: str, *words: str) -> Ended:
    return process(
        folder, "snakemake", target, *words, "--snakefile", str(ROOT / "Snakefile"), "--configfile", "small.yaml"
    )


@dataclass(frozen=True)
class Step:
    """What a command said; each record afterwards: `key/seed` -> (time of writing, digest of the file); and the seeds
    in the frames of `tiny`."""

    ended: Ended
    records: dict[str, tuple[int, str]]
    seeds: set[int]

    def changed(self, before: "Step") -> set[str]:
        return {name for name, state in self.records.items() if before.records.get(name) != state}


def step(folder: Path, ended: Ended) -> Step:
    assert ended.code == 0, ended.out + ended.err
    files = {f"{f.parent.name}/{f.stem}": f for f in (folder / "results" / "records").glob("*/*.json")}
    records = {n: (f.stat().st_mtime_ns, hashlib.sha256(f.read_bytes()).hexdigest()) for n, f in files.items()}
    frame = pd.read_parquet(folder / "results" / "frames" / "tiny" / "runs.parquet")
    return Step(ended, records, set(frame["seed"]))


def runs(study: str, folder: Path) -> dict[str, str]:
    """`model-norm` -> key of the cells of a study."""
    return {f"{c.model}-{c.norm}": c.key for c in load(folder / "small.yaml").study(study).cells}


def record_file(folder: Path, key: str, seed: int) -> Path:
    return folder / "results" / "records" / key / f"{seed}.json"


def trained(folder: Path, key: str, seed: int):
    study = load(folder / "small.yaml").study("tiny")
    run = next(r for r in study.runs() if r.cell.key == key)._replace(seed=seed)
    record = get_record(folder / "results", run)
    assert record is not None
    return repr((record.epochs["weights_digest"], record.test, record.layers))


@pytest.fixture(scope="module")
def first(folder) -> Step:
    return step(folder, bnstudy(folder, "tiny"))


@pytest.fixture(scope="module")
def again(folder, first) -> Step:
    return step(folder, bnstudy(folder, "tiny"))


@pytest.fixture(scope="module")
def kept(folder, first):
    """What the three runs gave when they were trained first."""
    return {key: trained(folder, key, 0) for key in runs("tiny", folder).values()}


@pytest.fixture(scope="module")
def deleted(folder, again, kept) -> Step:
    """By plain Snakemake, after one record has gone."""
    record_file(folder, runs("tiny", folder)["cnn-batch"], 0).unlink()
    return step(folder, snakemake(folder, "tiny"))


@pytest.fixture(scope="module")
def more_seeds(folder, deleted) -> Step:
    """By `bnstudy run` with a second seed, after the record of the first has been altered."""
    altered = record_file(folder, runs("tiny", folder)["mlp-batch"], 0)
    altered.write_text(altered.read_text().replace('"best_epoch":', '"best_epoch":1', 1))
    return step(folder, bnstudy(folder, "tiny", "--seeds", "2", "--where", "model=mlp", "norm=batch"))


@pytest.fixture(scope="module")
def mixed(folder, more_seeds) -> Step:
    return step(folder, bnstudy(folder, "mixed"))


def test_one_command_trains_everything_and_writes_the_page(folder, first):
    assert first.records.keys() == {f"{key}/0" for key in runs("tiny", folder).values()}
    page = folder / "reports" / "tiny" / "index.html"
    for key in runs("tiny", folder).values():
        assert key in page.read_text()
    assert (page.parent / "tables" / "b1_reduced.csv").stat().st_size > 0
    assert list(page.parent.glob("figures/*.svg"))
    assert first.ended.err.splitlines()[-2:] == [f"report: {page}", f"front page: {page.parents[1] / 'index.html'}"]


def test_what_is_said_is_short_and_ours(first):
    lines = first.ended.err.splitlines()
    trained = [line for line in lines if re.fullmatch(r"\d of 3  toy-\S+ seed 0: [\d.]+ % after \d epochs?", line)]
    assert [line.partition("  ")[0] for line in trained] == ["1 of 3", "2 of 3", "3 of 3"]
    outlook = r"\d of 3  (no run is in training at the moment|in training: .+)"
    others = [line for line in lines if line not in trained and not re.fullmatch(outlook, line)]
    assert [line.partition(",")[0].partition(" ...")[0].partition(":")[0] for line in others] == [
        *["estimating how long it takes"] * ("estimating how long it takes ..." in lines), "3 runs to train",
        "writing tables", "tiny", "report", "front page",
    ]  # fmt: skip
    assert "tiny: 3 of 3 runs trained, 3 of them now; 0 diverged" in others
    assert first.ended.out == ""


def test_records_manifests_and_notes_agree(folder, first):
    manifests = [json.loads(f.read_text()) for f in (folder / "results" / "packs").glob("*.json")]
    listed = {f"{row['key']}/{row['seed']}": row["digest"] for m in manifests for row in m["runs"]}
    for name in first.records:
        record = json.loads((folder / "results" / "records" / f"{name}.json").read_text())
        assert listed[name] == record["digest"]
    assert json.loads((folder / "results" / "data" / "toy.json").read_text())["state"] == "present"


def test_a_second_call_trains_nothing_and_says_so(first, again):
    assert again.records == first.records
    assert "tiny: 3 of 3 runs trained, nothing was left to train; 0 diverged" in again.ended.err
    assert again.ended.cpu_seconds < first.ended.cpu_seconds / 2


def test_a_deleted_record_is_trained_alone_by_plain_snakemake(folder, again, deleted, kept):
    key = runs("tiny", folder)["cnn-batch"]
    assert deleted.changed(again) == {f"{key}/0"}
    assert trained(folder, key, 0) == kept[key]


def test_a_second_seed_and_a_damaged_record_are_trained_and_nothing_else(folder, deleted, more_seeds, kept):
    key = runs("tiny", folder)["mlp-batch"]
    assert more_seeds.changed(deleted) == {f"{key}/0", f"{key}/1"}
    assert trained(folder, key, 0) == kept[key]
    assert len(list(record_file(folder, key, 0).parent.glob("0.json.*"))) == 1
    assert f"records/{key}/0.json: digest is" in more_seeds.ended.err
    assert "moved aside to 0.json.bad" in more_seeds.ended.err
    assert "tiny: 2 of 2 runs trained, 2 of them now" in more_seeds.ended.err


def test_frames_have_the_seeds_that_were_asked_for(deleted, more_seeds):
    assert [deleted.seeds, more_seeds.seeds] == [{0}, {0, 1}]


@pytest.fixture(scope="module")
def fresh(folder, mixed) -> Step:
    """By `bnstudy run --fresh`, as it goes on after it was interrupted with one run done."""
    rounds.begin(folder / "results", [load(folder / "small.yaml").study("tiny")])
    (done,) = (record_file(folder, runs("tiny", folder)["mlp-batch"], 0),)
    os.utime(done)
    return step(folder, bnstudy(folder, "tiny", "--fresh", "--cores", "1"))


@pytest.mark.slow
def test_fresh_trains_all_once_more_and_goes_on_with_what_it_had_begun(folder, more_seeds, fresh, kept):
    known = runs("tiny", folder)
    times = {name for name, state in fresh.records.items() if state[0] != more_seeds.records[name][0]}
    assert times == {f"{key}/0" for key in known.values()}
    assert "3 runs: 1 already done (--fresh trains them again)" in fresh.ended.err
    assert re.search(r"^1 of 2  toy-cnn-", fresh.ended.err, re.MULTILINE)  # what takes longest begins
    assert "tiny: 3 of 3 runs trained, 2 of them now" in fresh.ended.err
    for key in known.values():
        assert trained(folder, key, 0) == kept[key]
    assert f"resuming the round begun {time.strftime('%Y-%m-%d')}" in fresh.ended.err
    assert not list((folder / "results" / "fresh").iterdir())


@pytest.mark.slow
def test_a_page_is_made_anew_when_the_config_changes(folder, fresh, tmp_path):
    """Margins and questions stand on it."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert "Nothing to be done" in snakemake(copy, "tiny", "--dry-run").out
    (copy / "small.yaml").write_text(CONFIG.replace("default: 1.0", "default: 0.2"))
    assert {*re.findall(r"^(\w+) +1$", snakemake(copy, "tiny", "--dry-run").out, re.M)} == {"report", "tiny"}


def test_an_absent_data_set_leaves_the_rest(folder, more_seeds, mixed):
    assert mixed.records == more_seeds.records  # the study shares its other cell with `tiny`: trained once
    assert "MNIST: not run, its data are absent (bnstudy data fetch mnist, or import)" in mixed.ended.err
    assert "mixed: 1 of 2 runs trained" in mixed.ended.err
    missing = pd.read_parquet(folder / "results" / "frames" / "mixed" / "missing.parquet")
    assert list(missing["dataset"]) == ["mnist"]
    assert "official files are unavailable" in missing["reason"][0]
    assert "official files are unavailable" in (folder / "reports" / "mixed" / "index.html").read_text()


@pytest.mark.slow
def test_nothing_but_absent_data_is_exit_65(folder, mixed):
    ended = bnstudy(folder, "gone")
    assert ended.code == 65
    assert two_lines(ended)
    assert "nothing could be trained" in ended.err


def test_a_failing_job_gives_its_own_cause_and_exit_code(folder, tmp_path):
    (tmp_path / "small.yaml").write_text(CONFIG)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mnist.npz").write_bytes(b"no array file")
    ended = bnstudy(tmp_path, "gone")
    assert ended.code == 65
    assert two_lines(ended)
    assert "mnist.npz" in ended.err.splitlines()[-2]


def test_a_signal_stops_every_process_and_is_exit_75(tmp_path, capsys):
    (tmp_path / "small.yaml").write_text(CONFIG)
    command = [sys.executable, "-m", "bnstudy", "run", "--config", "small.yaml", "--study", "long"]
    words = tmp_path / "words"
    with words.open("wb") as file:
        running = subprocess.Popen(command, cwd=tmp_path, env=environment(tmp_path), stderr=file)
    deadline = time.monotonic() + 500
    while not re.search("0 of 1  in training: 1 run in 1 process, the furthest at epoch [1-9]", words.read_text()):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.2)
    children = descendants(running.pid)
    assert len(children) >= 2  # Snakemake and a training
    running.send_signal(signal.SIGTERM)
    assert running.wait(300) == 75
    err = words.read_text()
    assert "long: interrupted, 0 of 1 runs done, 1 more with a checkpoint" in err
    assert "Traceback" not in err
    assert [pid for pid in children if alive(pid)] == []
    left = load(tmp_path / "small.yaml").study("long").runs()
    run_study.check_start(Work(left, left), tmp_path / "results", "cpu", 1, yes=True)
    assert "1 runs to train (1 from a checkpoint), about" in capsys.readouterr().err


def descendants(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = dict(tuple(map(int, line.split())) for line in listed.splitlines())
    found, new = [], [pid]
    while new:
        new = [child for child, parent in parents.items() if parent in new]
        found += new
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return not state.strip().startswith("Z") and bool(state.strip())


def test_a_wrong_config_is_exit_2_without_traceback(tmp_path):
    (tmp_path / "small.yaml").write_text(CONFIG.replace("epochs: 2", "epoch: 2", 1))
    ended = bnstudy(tmp_path, "tiny")
    assert ended.code == 2
    assert "nearest: epochs" in ended.err
    assert two_lines(ended)
    assert not (tmp_path / "results").exists()


# planning


def test_planning_the_dag_imports_none_of_the_heavy_packages(tmp_path):
    code = (
        "import sys; from bnstudy.workflow.dag import Dag; Dag.plan('config.yaml', {}).clear_gaps(); "
        "print([m for m in ('torch', 'pandas', 'matplotlib', 'torchvision', 'scipy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(Path(os.devnull)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_a_dry_run_of_the_thesis(tmp_path):
    demo, ended = (dry_run(tmp_path, study) for study in ("demo", "thesis"))
    assert ended.code == 0, ended.err
    stats = dict(re.findall(r"^(\w+) +(\d+)$", ended.out + ended.err, re.MULTILINE))
    mlp, cnn = 4 * -(-29 * 3 // 18), 4 * -(-28 * 3 // 6)  # per data set: 29 and 28 cells, 3 seeds, 18 and 6 runs a pack
    assert (stats["train"], stats["data"], stats["aggregate"]) == (str(mlp + cnn), "4", "1")
    assert ended.cpu_seconds < 3 * demo.cpu_seconds  # about 1.2 times: a job costs little beside the start


def dry_run(folder: Path, study: str) -> Ended:
    return process(folder, "snakemake", study, "-n", "--cores", "1", "--snakefile", str(ROOT / "Snakefile"),
                   "--configfile", str(ROOT / "config.yaml"))  # fmt: skip


def test_a_scheduler_killed_as_a_data_set_was_noted_still_trains(tmp_path):
    """Snakemake holds the note for incomplete then, and runs its job again; all that follows must run, too."""
    (tmp_path / "small.yaml").write_text(CONFIG)
    shutil.copy(ROOT / "Snakefile", tmp_path)
    shutil.copytree(ROOT / "workflow", tmp_path / "workflow")
    rule = tmp_path / "workflow" / "rules" / "data.smk"
    right = rule.read_text()
    rule.write_text(right.replace("2>&1", "2>&1; kill -9 $PPID"))
    words = ("snakemake", "tiny", "--cores", "1", "--configfile", "small.yaml", "--rerun-incomplete", "--nolock")
    assert process(tmp_path, *words).code == -signal.SIGKILL
    assert (tmp_path / "results" / "data" / "toy.json").exists()
    rule.write_text(right)
    planned = process(tmp_path, *words, "-n").out
    assert re.search(r"^data +1$", planned, re.MULTILINE)
    assert re.search(r"^train +[1-9]", planned, re.MULTILINE)


def test_the_snakefile_lints(tmp_path):
    done = subprocess.run(
        [sys.executable, "workflow/lint.py"],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "snakemake --lint: clean\n"), done.stdout + done.stderr


def plan(folder: Path, **options: str) -> Dag:
    return Dag.plan(folder / "small.yaml", options)


def test_only_the_named_study_is_narrowed(folder):
    whole, part = plan(folder), plan(folder, only_study="tiny", only_where="model=mlp norm=batch", only_seeds="3,")
    assert [len(whole.studies[s].runs()) for s in ("tiny", "mixed")] == [3, 2]
    assert [(r.cell.norm, r.seed) for r in part.studies["tiny"].runs()] == [("batch", 3)]
    assert part.studies["mixed"] == whole.studies["mixed"]


def test_packs_of_full_convolutions_want_a_gpu_and_on_a_cluster_nothing_else(folder):
    thesis = Dag.plan(ROOT / "config.yaml", {})
    wanted = {}
    for pack in thesis.packs["thesis"]:
        wanted.setdefault(pack.runs[0].cell.model, set()).add(thesis.gpus(SimpleNamespace(pack=pack.id)))
    assert wanted == {"mlp": {0}, "cnn": {1}}
    timed = {t.none.model: thesis.gpus(SimpleNamespace(timing=t.id)) for t in thesis.timings["timing"]}
    assert timed == {"mlp": 0, "cnn": 1}
    tiny = Dag.plan(folder / "small.yaml", {})
    assert {tiny.gpus(SimpleNamespace(pack=pack.id)) for pack in tiny.packs["tiny"]} == {0}  # a narrow CNN
    assert [device({"gpu": count}, elsewhere) for elsewhere in (False, True) for count in (0, 1)] == [
        "auto", "auto", "cpu", "cuda"
    ]  # fmt: skip


def test_narrow_convolutional_networks_begin_and_full_ones_wait(folder):
    place = Place(folder / "small.yaml", folder / "results", folder / "data", folder / "reports")
    (pack,) = [p for p in plan(folder).packs["tiny"] if p.runs[0].cell.model == "cnn"]
    studies = [load(folder / "small.yaml").study(name) for name in ("tiny", "mixed")]
    assert first_packs(place, studies) == ["--prioritize", str(folder / "results" / "packs" / f"{pack.id}.json")]
    assert first_packs(place, [load(ROOT / "config.yaml").study("thesis")]) == []


def test_every_run_is_in_one_pack_and_packs_are_named_by_their_runs(folder):
    one, two = plan(folder), plan(folder)
    assert one.packs == two.packs
    for name, study in one.studies.items():
        planned = [run for pack in one.packs[name] for run in pack.runs]
        assert sorted(map(str, planned)) == sorted(map(str, study.runs()))
    ids = {p.id for packs in plan(folder, only_study="tiny", only_seeds="2").packs.values() for p in packs}
    assert not ids & {p.id for p in one.packs["tiny"]}


def state_of(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("words", "dry", "looks"),
    [("tiny --cores 1", False, False), ("tiny", True, True), ("--summary", False, True), ("tiny -D", False, True),
     ("--rulegraph=mermaid-js", False, True), ("--list-target-rules", False, True), ("--touch", False, False),
     ("--keep-going --list-untracked", False, True)],
)  # fmt: skip
def test_a_command_that_only_shows_something_is_known(monkeypatch, words, dry, looks):
    monkeypatch.setattr(sys, "argv", ["snakemake", *words.split()])
    assert looks_only(SimpleNamespace(output_settings=SimpleNamespace(dryrun=dry))) is looks


def test_gaps_are_cleared_by_stat_alone_and_reported_without_a_change(tmp_path, monkeypatch, capsys):
    (tmp_path / "small.yaml").write_text(CONFIG)
    monkeypatch.setenv("BNSTUDY_RESULTS", str(tmp_path / "results"))
    dag = plan(tmp_path)
    whole, gap = dag.packs["tiny"]
    for run in whole.runs:
        file = record_file(tmp_path, run.cell.key, run.seed)
        file.parent.mkdir(parents=True)
        file.touch()
    for pack in (whole, gap):
        (tmp_path / "results" / "packs").mkdir(parents=True, exist_ok=True)
        (tmp_path / "results" / "packs" / f"{pack.id}.json").write_text("not read")
    notes = tmp_path / "results" / "data"
    notes.mkdir()
    (notes / "mnist.json").write_text('{"state": "absent"}')
    (notes / "toy.json").write_text('{"state": "present"}')
    before = state_of(tmp_path)
    dag.report_gaps()
    told = capsys.readouterr().err
    assert state_of(tmp_path) == before
    assert [line.partition(":")[0] for line in told.splitlines()] == [
        str(tmp_path / "results" / "packs" / f"{gap.id}.json"), str(notes / "mnist.json"),
    ]  # fmt: skip
    dag.clear_gaps()
    assert [f.stem for f in (tmp_path / "results" / "packs").iterdir()] == [whole.id]
    assert [f.name for f in notes.iterdir()] == ["toy.json"]
    assert (notes / "toy.json").stat().st_mtime <= (tmp_path / "results" / "packs" / f"{whole.id}.json").stat().st_mtime


def test_frames_of_other_runs_are_built_anew(tmp_path, monkeypatch):
    """As after `bnstudy aggregate --seeds 1`, a copy of records that keeps their times, or an update."""
    (tmp_path / "small.yaml").write_text(CONFIG)
    results = tmp_path / "results"
    monkeypatch.setenv("BNSTUDY_RESULTS", str(results))
    dag = plan(tmp_path, only_study="tiny,", only_where="model=mlp")  # the frames hold the other cells too
    runs = plan(tmp_path).studies["tiny"].runs()
    frames = [results / "frames" / "tiny" / name for name in ("digests.json", "runs.parquet")]

    def stand(inventory_of) -> bool:
        for file in frames:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        inventory.put(inventory_of, results, "tiny")
        plan(tmp_path).clear_gaps()
        assert all(file.exists() for file in frames)
        dag.clear_gaps()
        return all(file.exists() for file in frames)

    assert stand(inventory.of(runs, results))
    assert not stand(inventory.of(runs[:1], results))
    assert not stand(inventory.of(runs, results) | {"code": "of an older version"})
    before = inventory.of(runs, results)
    record_file(tmp_path, runs[0].cell.key, runs[0].seed).parent.mkdir(parents=True)
    record_file(tmp_path, runs[0].cell.key, runs[0].seed).touch()
    assert not stand(before)


def test_an_inventory_notices_a_change_of_code_and_of_a_template(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    files = [tmp_path / "page.py", tmp_path / "report" / "page.html.j2", tmp_path / "report" / "page.css"]
    files[1].parent.mkdir()
    for file in files:
        file.write_text("one")

    def code() -> str:
        inventory._code.cache_clear()
        return inventory.of([], tmp_path)["code"]

    first = code()
    (tmp_path / "page.pyc").write_text("compiled")
    assert code() == first
    seen = {first}
    for file in files:
        file.write_text("two")
        seen.add(code())
    assert len(seen) == 1 + len(files)
    inventory._code.cache_clear()


def test_no_name_of_a_study_is_taken_for_a_number(tmp_path):
    (tmp_path / "small.yaml").write_text(CONFIG.replace("tiny:", "infinity:"))
    assert plan(tmp_path, only_study="infinity,", only_seeds="3").studies["infinity"].seeds == (0, 1, 2)


def test_a_round_of_fresh_concerns_its_study_alone(tmp_path, monkeypatch):
    (tmp_path / "small.yaml").write_text(CONFIG)
    monkeypatch.setenv("BNSTUDY_RESULTS", str(tmp_path / "results"))
    dag = plan(tmp_path, only_study="tiny")
    manifests = {name: [tmp_path / "results" / "packs" / f"{p.id}.json" for p in dag.packs[name]] for name in dag.packs}
    for name in ("tiny", "long"):
        for pack, manifest in zip(dag.packs[name], manifests[name], strict=True):
            for run in pack.runs:
                record_file(tmp_path, run.cell.key, run.seed).parent.mkdir(parents=True, exist_ok=True)
                record_file(tmp_path, run.cell.key, run.seed).touch()
            manifest.parent.mkdir(parents=True, exist_ok=True)
            manifest.touch()
    dag.clear_gaps()
    assert all(each.exists() for name in ("tiny", "long") for each in manifests[name])
    monkeypatch.setenv(rounds.SINCE, repr(time.time() + 1))
    dag.clear_gaps()
    assert [[each.exists() for each in manifests[name]] for name in ("tiny", "long")] == [[False, False], [True]]


@pytest.mark.parametrize(("age", "stands"), [(-60, True), (60, False), (1e9, True)])
def test_a_record_newer_than_its_manifest_makes_the_page_anew(tmp_path, monkeypatch, age, stands):
    """As after `bnstudy train --fresh`; but not one of a day to come."""
    (tmp_path / "small.yaml").write_text(CONFIG)
    monkeypatch.setenv("BNSTUDY_RESULTS", str(tmp_path / "results"))
    dag = plan(tmp_path)
    (pack,) = dag.packs["long"]
    manifest, made = tmp_path / "results" / "packs" / f"{pack.id}.json", time.time() - 3600
    record = record_file(tmp_path, pack.runs[0].cell.key, 0)
    for path, moment in ((manifest, made), (record, made + age)):
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (moment, moment))
    dag.clear_gaps()
    assert manifest.exists() == stands


def test_a_config_of_the_future_makes_no_page_old(tmp_path):
    (tmp_path / "small.yaml").write_text(CONFIG)
    assert plan(tmp_path).config_of_page(None) == [str(tmp_path / "small.yaml")]
    os.utime(tmp_path / "small.yaml", (4e9, 4e9))
    assert plan(tmp_path).config_of_page(None) == []


def test_what_was_begun_by_other_sources_is_no_round_to_go_on_with(tmp_path, monkeypatch):
    (tmp_path / "small.yaml").write_text(CONFIG)
    study, results = [load(tmp_path / "small.yaml").study("tiny")], tmp_path / "results"
    assert rounds.under_way(results, study) is None
    began = rounds.begin(results, study)
    assert rounds.under_way(results, study) == began > 0
    monkeypatch.setattr("bnstudy.results.provenance.source_digest", lambda: "other")
    assert rounds.under_way(results, study) is None
    rounds.end(results, study)
    rounds.end(results, study)


def test_a_refused_start_begins_no_round(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("bnstudy.training.estimate.matmul_rate", lambda device: 1e6)
    (tmp_path / "small.yaml").write_text(CONFIG)
    study = [load(tmp_path / "small.yaml").study("long")]
    place = Place(tmp_path / "small.yaml", tmp_path / "results", tmp_path / "data", tmp_path / "reports")
    with pytest.raises(UsageError, match="would take about"):
        run_study.run(place, study, {}, 1, yes=False, fresh=True)
    assert rounds.under_way(place.results, study) is None


def test_the_rules_are_the_names_that_no_study_may_have():
    files = (ROOT / "workflow" / "rules").glob("*.smk")
    assert {name for file in files for name in re.findall(r"^rule (\w+):", file.read_text(), re.M)} == set(RULES)


def test_a_torn_line_of_what_jobs_said_hides_no_cause(tmp_path):
    said = tmp_path / "failures"
    said.write_text('{"code": 65, "cause": "the ca{"code": 65, "cause": "no data", "remedy": "Fetch."}\n'
                    '{"code": 65, "cause": "no data", "remedy": "Fetch."}\n')  # fmt: skip
    assert _failure("tiny", said, tmp_path / "log", killed=False).cause == "tiny: no data"


@pytest.mark.slow
def test_single_cells_are_a_target_of_snakemake(tmp_path):
    """Without a rule per cell: the name is a config value."""
    (tmp_path / "small.yaml").write_text(CONFIG)
    key = next(cell.key for cell in load(tmp_path / "small.yaml").study("tiny").cells if cell.norm == "batch")
    name = f"toy-mlp-batch-relu-{key}"
    ended = snakemake(tmp_path, "cell", "--cores", "1", "--config", f"cell={name}:1")
    assert ended.code == 0, ended.err
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.glob("results/records/*/*.json")] == [
        f"results/records/{key}/1.json"
    ]
    assert "Nothing to be done" in snakemake(tmp_path, "cell", "--cores", "1", "--config", f"cell={name}:1").err
    assert "no such cell" in snakemake(tmp_path, "cell", "-n", "--config", "cell=toy-mlp-batch-rela").out
    assert "cell: none is named" in snakemake(tmp_path, "cell", "-n").out


def test_a_plain_snakemake_is_for_demo_or_the_first_study(folder):
    assert plan(folder).default == "tiny"
    assert Dag.plan(ROOT / "config.yaml", {}).default == "demo"
