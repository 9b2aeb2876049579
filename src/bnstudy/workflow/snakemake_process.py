"""Snakemake and its jobs as one process group: start it, follow it, stop it, report why it failed.

Snakemake's output goes to results/logs/snakemake.log. The terminal shows one line per finished run and, if a job
fails, the cause that the job reported.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnstudy import console, disk, lock, paths, small_json
from bnstudy.design.cell import Run
from bnstudy.design.model_facts import facts_of
from bnstudy.design.study import Study, plan, wants_gpu
from bnstudy.errors import (
    CANNOT_BE_WRITTEN,
    FAILURES,
    INTERNAL,
    TRY_AGAIN,
    StudyError,
    TryAgain,
    UsageError,
    WriteError,
    remedy_for,
)
from bnstudy.results import rounds, store, valid
from bnstudy.results.record import Record
from bnstudy.training.output import record_line
from bnstudy.workflow.progress.status import in_training, machine
from bnstudy.workflow.progress.watch import Watch

POLL = 0.5  # seconds between two polls
OUTLOOKS = 10.0, 600.0  # seconds until a line says what is in training and how long it takes: at first, at most
MOST_FIRST = 1000  # packs to begin with; a command line has its limits
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Place:
    """The config and the folders of a study. Raises UsageError for a folder that Snakemake takes for a pattern."""

    config: Path
    results: Path
    data: Path
    reports: Path

    def __post_init__(self) -> None:
        for folder in (self.results, self.reports):
            if {"{", "}"} & set(str(folder)):
                raise UsageError(f"{folder}: Snakemake takes braces for a pattern", "Name a folder without them.")

    @property
    def logs(self) -> Path:
        return self.results / "logs"


def workflow_file(config: Path) -> Path:
    """Return the Snakefile: beside the config, else in the current folder, else the packaged one. Raises UsageError."""
    for folder in (config.resolve().parent, Path.cwd(), paths.shipped()):
        if (folder / "Snakefile").is_file():
            return folder / "Snakefile"
    raise UsageError(
        "Snakefile: not found beside the config", "Run this in a checkout, or use `bnstudy train` instead."
    )


def scheduling(processes: int, profile: Path | None) -> list[str]:
    """Return Snakemake's arguments for where and how to run jobs. Raises UsageError if there is no such profile."""
    if profile is None:
        how = ["--cores", str(processes), "--rerun-incomplete", "--keep-going", "--rerun-triggers", "mtime", "input"]
        return [*how, "--profile", "none", "--workflow-profile", "none"]  # also if the user has a profile for all work
    folder = paths.profile(profile)
    if not any(folder.glob("config*.yaml")):
        raise UsageError(f"--profile {profile}: holds no config.yaml", "Name a folder, for instance profiles/slurm.")
    return ["--workflow-profile", str(folder)]


def snakemake(
    place: Place,
    studies: Sequence[Study],
    options: dict[str, str],
    how: list[str],
    todo: Sequence[Run],
    outcomes: dict[Run, str],
    since: float | None = None,
) -> None:
    """Run the DAG up to the studies' pages. Adds the outcome of each run of `todo` to `outcomes` as its record appears.

    options   what `dag.Dag.plan` reads besides the names of the studies
    since     start of the `--fresh` round, seconds since 1970; None outside a round

    Snakemake's folder lock is off (--nolock): each record has a lock, files are written atomically, and the caller
    holds a lock on the folder that is released when its process dies. Raises TryAgain on a signal, StudyError if a job
    failed.
    """
    names = [study.name for study in studies]
    given = [f"{key}={value}" for key, value in options.items() if value]
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(workflow_file(place.config)),
               "--configfile", str(place.config), "--nolock", *how, *first_packs(place, studies),
               "--config", f"only_study={','.join(names)},", *given, "--", *names]  # fmt: skip
    failures, log = place.logs / "failures", place.logs / "snakemake.log"
    disk.write(failures, b"")
    environment = _environment(place, failures) | ({} if since is None else {rounds.SINCE: repr(since)})
    ask = signal.SIGTERM if "--cores" in how else signal.SIGINT
    with log.open("wb") as words, _group(command, environment, words, ask) as (process, asked):
        timed = "times" in options or any(study.timing for study in studies)
        status = _follow(process, place, todo, outcomes, since or 0.0, timed)
    if asked():
        raise TryAgain(f"{', '.join(names)}: interrupted, {_kept(place, todo, outcomes)}",
                       "Run the same command again to resume.")  # fmt: skip
    if status:
        raise _failure(", ".join(names), failures, log, killed=status < 0)


def first_packs(place: Place, studies: Sequence[Study]) -> list[str]:
    """Return Snakemake's arguments for the packs to begin with: narrow CNNs, whose minutes at the end would leave other
    processes idle. Full CNNs wait for their turn: on a CPU they take days, and MLPs would have no results until then.
    """
    packs = [pack for study in studies for pack in plan(study.runs())]
    narrow = [p for p in packs if facts_of((cell := p.runs[0].cell).model).wants_gpu and not wants_gpu(cell)]
    manifests = [str(paths.manifest(place.results, pack.id)) for pack in narrow[:MOST_FIRST]]
    return ["--prioritize", *manifests] if manifests else []


def _environment(place: Place, failures: Path) -> dict[str, str]:
    """Return the environment of the jobs: variables name the study's folders, the file for reporting failures,
    and a cache for Snakemake, which does not start without one, if the home folder cannot be written."""
    own = {
        "BNSTUDY_RESULTS": str(place.results),
        "BNSTUDY_DATA": str(place.data),
        "BNSTUDY_REPORTS": str(place.reports),
        FAILURES: str(failures.resolve()),
        lock.FRONT: socket.gethostname(),
    }
    try:
        (Path.home() / ".cache").mkdir(exist_ok=True)
    except OSError:
        own["XDG_CACHE_HOME"] = str((place.results / "cache").resolve())
    return os.environ | own


@contextlib.contextmanager
def _group(
    command: list[str], environment: dict[str, str], words, ask: signal.Signals
) -> Iterator[tuple[subprocess.Popen, Callable[[], bool]]]:
    """Run Snakemake and its jobs as one process group and forward our signals to it: each run stops at its next batch.

    ask   signal sent to the group: on SIGINT Snakemake also cancels its cluster jobs, on SIGTERM it waits for them
    A second signal kills the group. No process of the group outlives the `with` block.
    """
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=words, stderr=subprocess.STDOUT, process_group=0
    )
    asked: list[int] = []

    def forward(number: int, _frame: object) -> None:
        asked.append(number)
        if len(asked) == 1:
            console.say("stopping: runs in training keep their last checkpoint (repeat to stop immediately)")
        _signal_group(process.pid, ask if len(asked) == 1 else signal.SIGKILL)

    before = {s: signal.signal(s, forward) for s in STOPPING if signal.getsignal(s) is not signal.SIG_IGN}
    try:
        yield process, lambda: bool(asked)
        while _signal_group(process.pid, 0):
            time.sleep(POLL / 5)
    except BaseException:
        _signal_group(process.pid, signal.SIGTERM)
        process.wait()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _signal_group(group: int, number: int) -> bool:
    """Send a signal to the group. Return False if it has no process left."""
    try:
        os.killpg(group, number)
        return True
    except (ProcessLookupError, PermissionError):  # macOS raises PermissionError for a group of zombies
        return False


def _follow(
    process: subprocess.Popen,
    place: Place,
    todo: Sequence[Run],
    outcomes: dict[Run, str],
    since: float,
    timed: bool,
) -> int:
    """Wait for Snakemake, report each run of `todo` whose record appears, and return the exit status. Ever less often,
    report what is in training and how long the rest will take."""
    pending, watch = list(todo), Watch(place.results, machine())
    patience, looked = OUTLOOKS[0], time.monotonic()
    with console.counting(len(todo), "runs trained") as tell:
        while pending and process.returncode is None:
            if time.monotonic() - looked > patience:
                tell(len(todo) - len(pending), in_training(watch.look(todo)))
                patience, looked = min(2 * patience, OUTLOOKS[1]), time.monotonic()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLL)
            there = [run for run, seen in valid.by_stat(pending, place.results, since).items() if seen is not None]
            for run, found in valid.verified(there, place.results, lambda line: None, since):
                if isinstance(found, Record):
                    pending.remove(run)
                    outcomes[run] = found.outcome
                    tell(len(todo) - len(pending), record_line(found))
    with console.waiting(f"{'timing epochs, then ' * timed}writing tables, figures and the page"):
        return process.wait()


def _kept(place: Place, todo: Sequence[Run], outcomes: dict[Run, str]) -> str:
    """Return how much of `todo` an interruption leaves: runs done, and runs that resume from a checkpoint."""
    done = sum(run in outcomes for run in todo)
    resume = sum(store.has_checkpoints(place.results, run) for run in todo if run not in outcomes)
    return f"{done} of {len(todo)} runs done, {resume} more with a checkpoint"


def _reported(failures: Path) -> Iterator[dict[str, Any]]:
    """Yield the cause, remedy and code that each failed job reported. Skips torn lines (two machines wrote at once)."""
    lines: list[str] = []
    with contextlib.suppress(OSError, ValueError):
        lines = small_json.content(failures).decode(errors="replace").splitlines()
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            failure = small_json.parse(line, dict)
            yield {"cause": str(failure["cause"]), "remedy": str(failure["remedy"]), "code": int(failure["code"])}


def _failure(what: str, failures: Path, log: Path, killed: bool) -> StudyError:
    """Return the error that the failed jobs reported; if none did, the one in Snakemake's log."""
    failed = list(_reported(failures))
    failed.sort(key=lambda each: each["code"] == TRY_AGAIN)  # last: a job that a cluster stopped and restarted
    if failed:
        causes = list(dict.fromkeys(each["cause"] for each in failed))
        more = f" (and {len(causes) - 1} more)" if len(causes) > 1 else ""
        error = StudyError(f"{what}: {causes[0]}{more}", f"{failed[0]['remedy']} Logs: {log.parent}")
        error.exit_code = failed[0]["code"]
        return error
    words = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    if killed or any(line.startswith("Error in rule") for line in words):
        return TryAgain(
            f"{what}: a process was killed, perhaps because memory ran out",
            f"Run the same command again, perhaps with fewer --cores. Log: {log}",
        )
    last = next((line for line in reversed(words) if not line.startswith("Complete log")), "no output")
    wall = re.search(r"\[Errno (\d+)\] ([^:]+)(: .+)?", last)
    if wall and int(wall[1]) in CANNOT_BE_WRITTEN:  # Snakemake itself creates the output folders
        return WriteError(f"{what}: {wall[2]}{wall[3] or ''}", remedy_for(int(wall[1])))
    error = StudyError(f"{what}: Snakemake ended with: {last}", f"Full log: {log}")
    error.exit_code = INTERNAL
    return error
