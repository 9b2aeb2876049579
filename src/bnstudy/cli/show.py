"""Verb show: what is known of a cell."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bnstudy import console, paths, small_json
from bnstudy.cli import options
from bnstudy.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, ResultsOption
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import name
from bnstudy.errors import DataError
from bnstudy.results import valid
from bnstudy.results.record import Record
from bnstudy.studies.selection import find

MOST_CLASSES = 20
"""The accuracies of more classes are not listed one by one."""


def add_to(app: typer.Typer) -> None:
    app.command()(show)


def show(
    which: Annotated[str, typer.Argument(metavar="NAME[:SEED]", help="A name or key of a cell.")],
    config: ConfigOption = DEFAULT_CONFIG,
    results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is known of a cell: its records, or that there is none yet."""
    folder = paths.results_root(results)
    word, _, seed = which.partition(":")
    records = [r for r in valid.records_of(folder, word, console.say) if not seed or str(r.seed) == seed]
    cell = None
    if not records:  # a short name, or a cell without a record
        cell = find((c for s in options.studies(config).values() for c in s.cells), word)
        records = [r for r in valid.records_of(folder, cell.key, console.say) if not seed or str(r.seed) == seed]
    if as_json:
        return console.put_json([small_json.parse(r.to_text(), dict) for r in records])
    for record in records:
        put_record(record, folder)
    if cell is not None and not records:
        _put_cell(cell)
        which = name(cell) + (f":{seed}" if seed else "")
        console.say(f"no record yet; train it with: bnstudy train {which}{valid.without_published(folder)}")


def record_of(results: Path, run: Run) -> Record:
    """Return the record of a run, its own or the published one. Raises DataError if there is none."""
    found = {record.seed: record for record in valid.records_of(results, run.cell.key, console.say)}
    if run.seed not in found:
        remedy = f"Train it with: bnstudy train {name(run.cell)}{valid.without_published(results)}"
        raise DataError(f"{run.id}: no record", remedy)
    return found[run.seed]


def put_record(record: Record, results: Path) -> None:
    """Print the cell of a record, its outcome, and where it comes from."""
    run = record.run
    path = paths.record(results, run.cell.key, run.seed)
    where = path if path.exists() else paths.published(results, "runs")
    _put_cell(run.cell)
    made_by, test = record.provenance, record.test[run.cell.tested_weights]
    rows = [
        ("seed", record.seed), ("outcome", record.outcome), ("stopped by", record.stopped),
        ("epochs", f"{record.epochs_run}, best {record.best_epoch}"), ("test accuracy", f"{test['accuracy']:.2f} %"),
        ("test loss", f"{test['loss']:.4f}"), ("training", f"{sum(record.epochs['seconds']):.1f} s"),
        ("engine", f"{made_by['engine']}, torch {made_by['torch']}, {made_by['device']}, {made_by['cpu']}"),
        ("data", f"{made_by['data_source']}, {made_by['data_digest'][:12]}"), ("source", made_by["source_digest"]),
        ("record", where),
    ]  # fmt: skip
    if "confusion" in record.test:
        rows.insert(6, ("right by class", _by_class(record.test["confusion"])))
    if record.diverged_at:
        step = record.diverged_at.get("step")
        when = "" if step is None else f", step {step:,} of the training"
        rows.insert(2, ("diverged in", f"epoch {record.diverged_at['epoch']}{when}, {record.diverged_at['layer']}"))
    console.put_table("", ("", ""), rows)


def _by_class(confusion: Sequence[Sequence[int]]) -> str:
    """Return the accuracy of each class in percent, the true one by its index; of many classes, the extremes."""
    right = {label: 100 * row[label] / sum(row) for label, row in enumerate(confusion) if sum(row)}
    if len(right) > MOST_CLASSES:
        low, high = min(right, key=right.__getitem__), max(right, key=right.__getitem__)
        return f"{right[low]:.1f} % (class {low}) to {right[high]:.1f} % (class {high})"
    return ", ".join(f"{label}: {share:.1f} %" for label, share in right.items())


def _put_cell(cell: Cell) -> None:
    fields = ", ".join(f"{key}={value}" for key, value in cell.non_default().items())
    console.put_table(name(cell), ("", ""), [("key", cell.key), ("fields", fields)])
