"""Verb show: what is known of a cell."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated

import typer

from bnstudy import console, paths, small_json
from bnstudy.cli import explained, options
from bnstudy.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, ResultsOption, StudyOption
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import labels, name
from bnstudy.errors import DataError
from bnstudy.results import valid
from bnstudy.results.record import Record
from bnstudy.studies.selection import find, seed_of

MOST_CLASSES = 20
"""The accuracies of more classes are not listed one by one."""


def add_to(app: typer.Typer) -> None:
    app.command()(show)


def show(
    which: Annotated[
        str, typer.Argument(metavar="NAME[:SEED]|ID", help="A cell, or a claim, question, table or figure.")
    ],
    study: StudyOption = "thesis",
    config: ConfigOption = DEFAULT_CONFIG,
    results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is known of a cell: its records, or that there is none yet; or a claim, an open question, a table or a
    figure (M07, Q1, B.1)."""
    if explained.put(which, study, config, results, as_json):
        return
    folder = paths.results_root(results)
    word, _, seed = which.partition(":")
    number = seed_of(seed, which) if seed else None
    with console.waiting("reading the runs of the cell"):
        found, cell = valid.with_origins(folder, word, console.say, hidden=True), None
        if not found:  # a short name, or a cell without a record
            cell = find((c for s in options.studies(config).values() for c in s.cells), word)
            found = valid.with_origins(folder, cell.key, console.say, hidden=True)
    if found:
        cell = found[0][1].cell
    found = [each for each in found if number is None or each[1].seed == number]
    if as_json:
        return console.put_json([small_json.parse(record.to_text(), dict) for record in _first(found)])
    if seed and found:
        for record in _first(found):
            put_record(record, folder)
    elif found:
        _put_seeds(found)
    elif cell is not None:
        _put_cell(cell)
        which = name(cell) + (f":{seed}" if seed else "")
        console.say(f"no record yet; train it with: bnstudy train {which}{valid.without_published(folder)}")


def _first(found: Sequence[tuple[str, Record]]) -> list[Record]:
    """Return one record per seed: the own one if there are two."""
    return list({record.seed: record for _, record in reversed(found)}.values())[::-1]


def _put_seeds(found: Sequence[tuple[str, Record]]) -> None:
    """Print a cell, what the thesis prints of it, the mean of its seeds, and a row per record."""
    counted = _first(found)
    accuracies = [_test(record)["accuracy"] for record in counted]
    spread = f", standard deviation {stdev(accuracies):.2f}" if len(accuracies) > 1 else ""
    seeds = ", ".join(str(record.seed) for record in counted)
    of = f"mean of seeds {seeds}{spread}" if len(counted) > 1 else f"seed {seeds}"
    _put_cell(counted[0].cell, [("test accuracy", f"{mean(accuracies):.2f} %, {of}")])
    columns = ("seed", "origin", "outcome", "stopped by", "epochs", "best", "test accuracy", "test loss", "training",
               "engine", "machine")  # fmt: skip
    console.put_table("", columns, [_seed_row(*each) for each in found])
    published = {record.seed: record for origin, record in found if origin == "published"}
    for own in counted:
        if (other := published.get(own.seed, own)) is not own:
            console.say(f"seed {own.seed}: the own run counts; {_compared(own, other)}")
    which = name(counted[0].cell)
    console.say(f"one seed in full: bnstudy show {which}:{counted[0].seed}; verdict and claims: bnstudy why {which}")


def _compared(own: Record, published: Record) -> str:
    """Return whether two records of a run end with the same weights. A published one has the digest of these alone."""
    digests = {record.epochs["weights_digest"][-1] for record in (own, published)}
    same = len(digests) == 1 and own.epochs_run == published.epochs_run
    return "its weights are those of the published run, bit for bit" if same else "the published run has other weights"


def _seed_row(origin: str, record: Record) -> Sequence[object]:
    made_by, test = _provenance(record), _test(record)
    return (
        record.seed, origin, record.outcome, record.stopped, record.epochs_run, record.best_epoch,
        f"{test['accuracy']:.2f} %", f"{test['loss']:.4f}", f"{sum(record.epochs['seconds']):.1f} s", made_by["engine"],
        made_by["gpu"] or made_by["cpu"],
    )  # fmt: skip


def _provenance(record: Record) -> defaultdict[str, str]:
    """Return the provenance of a record; what it does not state is empty."""
    return defaultdict(str, record.provenance)


def _test(record: Record) -> dict[str, float]:
    return record.test[record.cell.tested_weights]


def _printed(cell: Cell) -> list[tuple[str, str]]:
    """Return a row with the accuracy that the thesis prints of a cell, if it does."""
    from bnstudy import printed

    setting, reading = labels(cell)
    for row in printed.accuracy().itertuples():
        if (row.model, row.dataset, row.norm, row.setting) == (cell.model, cell.dataset, cell.norm, setting):
            table = {"mlp": "B.1", "cnn": "B.2"}[cell.model]
            return [("printed", f"{row.printed:.1f} % (table {table})")] if reading == "default" else []
    return []


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
    made_by, test = _provenance(record), _test(record)
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


def _put_cell(cell: Cell, more: Sequence[tuple[str, str]] = ()) -> None:
    fields = ", ".join(f"{key}={value}" for key, value in cell.non_default().items())
    console.put_table(name(cell), ("", ""), [("key", cell.key), ("fields", fields), *_printed(cell), *more])
