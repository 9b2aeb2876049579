"""Verbs that report progress and change nothing: status, why."""

import os
import socket
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bnstudy import console, paths
from bnstudy.cli import explained, options
from bnstudy.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    DataOption,
    JsonOption,
    Narrowing,
    ResultsOption,
    SeedsOption,
    StudyOption,
)
from bnstudy.cli.report import findings
from bnstudy.design.cell import Run
from bnstudy.design.labels import name
from bnstudy.design.study import Study
from bnstudy.errors import UsageError
from bnstudy.results import valid
from bnstudy.studies import selection
from bnstudy.workflow.progress import status as progress

AGAIN = 2.0  # seconds between two looks of `status --watch`
SHOWN = 18  # runs in training that are listed; a pack of MLPs has so many
COUNTS = ("runs", "done", "diverged", "running", "waiting")  # the table fits into 80 columns
COLUMNS = ("study", "model", *COUNTS, "work left")
IN_TRAINING = ("in training", "seed", "epoch", "process")


def add_to(app: typer.Typer) -> None:
    app.command()(options.grouped(status))
    app.command()(why)


def status(
    *,
    study: Annotated[str | None, typer.Option("--study", help="One study of the config [all].")] = None,
    narrowing: Narrowing,
    results: ResultsOption = None,
    watch: Annotated[bool, typer.Option("--watch", help="On a terminal, look again every two seconds.")] = False,
    estimate: Annotated[bool, typer.Option("--estimate", help="Count what was never measured here, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show how far the studies are: done, running, waiting, diverged, and how long the rest will take."""
    if watch and as_json:
        raise UsageError("status: --watch and --json", "Take one of them.")
    folder, chosen = paths.results_root(results), narrowing.those(None if study is None else [study])
    options.announce(chosen)
    look = progress.Look(chosen, folder, _count if estimate else None)
    if watch and not as_json and sys.stdout.isatty():
        return console.live(lambda: (_tables(now := look()), _words(now, folder)), AGAIN)
    with console.waiting(f"looking at {sum(len(one.trained) * len(one.seeds) for one in chosen):,} runs"):
        now = look()
    if as_json:
        return console.put_json(now.rows)
    for number, (columns, rows) in enumerate(_tables(now)):
        console.put("\n" * bool(number))
        console.put_table("", columns, rows)
    console.put("".join(f"{line}\n" for line in _words(now, folder)))


def _count(states: progress.States) -> dict[Any, float]:
    from bnstudy.training.devices import choose_device

    return progress.count(states, choose_device("auto", console.say))


def _tables(now: progress.Now) -> list[console.Content]:
    """The studies, and what is in training if something is."""
    running = sorted(now.total["in_training"], key=lambda run: run["epoch"] is None)
    shown = [_training_row(run) for run in running[:SHOWN]]
    if len(running) > SHOWN:
        shown.append([f"and {len(running) - SHOWN} more", "", "", ""])
    return [(COLUMNS, _lines(now)), *([(IN_TRAINING, shown)] if shown else [])]


def _lines(now: progress.Now) -> list[list[Any]]:
    rows = [*now.rows, now.total] if len(now.rows) > 1 else now.rows
    return [[row["study"], row["model"], *(row[count] for count in COUNTS), _left(row)] for row in rows]


def _left(row: progress.Row) -> str:
    if row["hours_left"] is None:
        return "?" if row["running"] + row["waiting"] else ""
    if not row["running"] + row["waiting"]:
        return ""
    return ("> " if row["unmeasured"] or row.get("timings") else "") + console.hours(row["hours_left"])


def _words(now: progress.Now, folder: Path) -> list[str]:
    """Return the lines below the tables."""
    lines = [] if folder.exists() else [f"no results yet in {folder.resolve()}"]
    if now.total["published"]:
        lines.append(f"{now.total['published']} of those done are published ones")
    if now.total["damaged"]:
        lines.append(f"{now.total['damaged']} records do not verify; `bnstudy why NAME` says which ones and why")
    if now.total["running"] + now.total["waiting"]:
        lines += _outlook(now)
    return ["", *lines] if lines else []


def _training_row(run: progress.Row) -> list[Any]:
    epoch = "" if run["epoch"] is None else f"{run['epoch']} of {run['epochs']}"
    where = "" if run["host"] in (None, socket.gethostname()) else f" on {run['host']}"
    return [run["name"], run["seed"], epoch, f"{run['pid']}{where}"]


def _outlook(now: progress.Now) -> list[str]:
    """When it will be done, as far as durations were measured here. Lines of at most 80 columns."""
    working = progress.at_work(now.rows)
    processes = working or os.cpu_count() or 1
    who = f"{processes} process{'es' if processes > 1 else ''} {'at work' if working else 'of this machine'}"
    uncounted = []
    if now.total["unmeasured"]:
        uncounted.append(f"  {now.total['unmeasured']} runs of a kind never measured here (--estimate counts them)")
    if now.total["timings"]:
        uncounted.append(f"  {now.total['timings']} timings (bnstudy run --times --estimate counts them)")
    if now.total["hours_left"] is None:
        return ["no telling how long:", *uncounted]
    left = f"about {console.hours(now.total['hours_left'] / processes)} left for {who}"
    return [f"{left}, without", *uncounted] if uncounted else [left]


def why(
    which: Annotated[
        str, typer.Argument(metavar="NAME[:SEED]|ID", help="A cell, or a claim, question, table or figure.")
    ],
    seeds: SeedsOption = None,
    study: StudyOption = "thesis",
    config: ConfigOption = DEFAULT_CONFIG,
    results: ResultsOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain a cell: its printed number with the verdict, the claims it enters, and whether its runs would be trained
    again and why. Of a claim, question, table or figure (M07, Q1, B.1):
    as `show`."""
    from bnstudy.workflow.progress.why import explain

    if explained.put(which, study, config, results, as_json):
        return
    folder, studies = paths.results_root(results), list(options.studies(config).values())
    runs = _runs_of(which, seeds, folder, studies)
    with console.waiting("looking at the runs of the cell"):
        rows = explain(runs, studies, folder, paths.data_root(data), console.say)
    first = rows[0]
    holder = next(iter(first["studies"]), None)
    said = explained.of_cell(first["key"], findings(holder, config, results)) if holder else {}
    if as_json:
        return console.put_json([row | said for row in rows])
    fields = ", ".join(f"{field}={value}" for field, value in first["fields"].items())
    held = ", ".join(f"{study} (seeds {', '.join(map(str, of))})" for study, of in first["studies"].items())
    there = first["data"]
    state = f"{there['state']}, {there['digest'][:12]}" if there["digest"] else there["state"]
    console.put_table(
        first["name"], ("", ""),
        [("key", first["key"]), ("fields", fields), ("setting", first["setting"]), ("reading", first["reading"]),
         ("studies", held or "none"), ("data", state)],
    )  # fmt: skip
    shown = [(row["seed"], row["state"], "yes" if row["trains"] else "no", row["because"]) for row in rows]
    console.put_table("", ("seed", "state", "trains", "because"), shown)
    if said:
        explained.put_of_cell(said)


def _runs_of(word: str, seeds: str | None, results: Path, studies: list[Study]) -> list[Run]:
    """The runs of a cell of the config or, as `bnstudy try` makes them, of records alone. Raises UsageError."""
    which = word.partition(":")[0]
    in_study = any(which in (cell.key, name(cell)) for study in studies for cell in study.cells)
    records = [] if in_study else valid.records_of(results, which, console.say)
    tried = [Study("", "", (records[0].cell,), tuple(record.seed for record in records))] if records else []
    return selection.named_runs([word], [*studies, *tried], seeds)
