"""`bnstudy run`: the DAG by Snakemake, with an honest look before the start and a summary after the end."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bnstudy import console, datasets, lock, paths, store
from bnstudy.cell import Run
from bnstudy.errors import DataError, StudyError, UsageError
from bnstudy.record import Record
from bnstudy.study import Study

HOPELESS_HOURS = 24.0


def check_start(runs: Sequence[Run], device: str, processes: int, yes: bool) -> None:
    """Say how long the runs will take; refuse a start of more than a day without `yes`. Raises UsageError."""
    from bnstudy.engine import choose_device
    from bnstudy.estimate import estimate

    device = choose_device(device, console.say)
    rows = estimate(runs, device, processes if device == "cpu" else 1)
    total = sum(row.typical_hours for row in rows)
    where = f"{processes} processes on the CPU" if device == "cpu" else device
    console.say(
        f"{len(runs)} runs to train, about {console.hours(total)} on {where} (bnstudy run --estimate says more)"
    )
    if total > HOPELESS_HOURS and not yes:
        slow = max(rows, key=lambda row: row.typical_hours)
        remedy = "Add --yes to start all the same, or take a part: --where model=mlp, or make replicate WHERE=model=mlp"
        raise UsageError(
            f"{slow.model} on {slow.dataset} alone would take about {console.hours(slow.typical_hours)} here, all of it "
            f"{console.hours(total)}",
            remedy + (" (no GPU was found)." if device == "cpu" else "."),
        )


def missing(study: Study, results: Path) -> list[Run]:
    """The runs of a study without a record file. A stat per run."""
    return [run for run in study.runs() if not paths.record(results, run.cell.key, run.seed).exists()]


def workflow_file(config: Path) -> Path:
    """The Snakefile: beside the config, else in the checkout this package stands in. Raises UsageError."""
    for folder in (config.resolve().parent, Path.cwd(), Path(__file__).resolve().parents[2]):
        if (folder / "Snakefile").is_file():
            return folder / "Snakefile"
    raise UsageError(
        "Snakefile: not found beside the config", "Run this in a checkout, or use `bnstudy train` instead."
    )


def snakemake(config: Path, study: str, options: dict[str, str], cores: str, extra: Sequence[str] = ()) -> None:
    """Run the DAG up to the study's page. Raises StudyError if a job failed.

    Every record is locked by itself and every file appears whole, so Snakemake's own folder lock is replaced
    by ours, which dies with its owner.
    """
    given = [f"{key}={value}" for key, value in options.items() if value]
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(workflow_file(config)), "--configfile", str(config),
               "--cores", cores, "--nolock", "--rerun-incomplete", "--keep-going", "--rerun-triggers", "mtime", "input",
               "--quiet", "rules", "host", "reason", *extra]  # fmt: skip
    command += ["--config", f"only_study={study}", *given, "--", study]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    with lock.held(paths.lock(paths.results_root(), "run"), f"{paths.results_root()}"):
        status = subprocess.run(command, env=environment, check=False).returncode
    if status:
        logs = paths.results_root() / "logs"
        error = StudyError(f"{study}: a job failed{_last_words(logs)}", f"See {logs}, then run the same command again.")
        error.exit_code = 75 if status < 0 or status > 128 else 1
        raise error


def _last_words(logs: Path) -> str:
    """The cause line of the newest log that ends in one."""
    newest = sorted(logs.glob("*/*.log"), key=lambda f: f.stat().st_mtime, reverse=True)[:20]
    for file in newest:
        lines = [line for line in file.read_text(errors="replace").splitlines() if line.startswith("bnstudy: ")]
        if lines:
            return f" ({file.name}: {lines[-1].removeprefix('bnstudy: ')})"
    return ""


def summary(study: Study, results: Path, reports: Path) -> None:
    """What there is now. Raises DataError if the study has no record because all its data sets are absent."""
    found = [outcome for _, outcome in store.get_records(results, study.runs())]
    records = [r for r in found if isinstance(r, Record)]
    absent = sorted({run.cell.dataset for run in missing(study, results)} & _absent(results))
    for name in absent:
        console.say(f"{datasets.REGISTRY[name].title}: not run, its data are absent (bnstudy data fetch {name})")
    if not records:
        raise DataError(f"{study.name}: nothing could be trained", "Bring in data: bnstudy data fetch|import NAME.")
    diverged = sum(record.outcome == "diverged" for record in records)
    console.say(f"{study.name}: {len(records)} of {len(found)} runs trained, {diverged} of them diverged")
    console.say(f"report: {paths.report(reports, study.name).resolve()}")


def _absent(results: Path) -> set[str]:
    notes = {name: paths.data_state(results, name) for name in datasets.REGISTRY}
    return {name for name, note in notes.items() if note.exists() and json.loads(note.read_text())["state"] == "absent"}
