"""Verbs that measure time: bench train, dag, report; and bench time, which makes tables B.3 and B.4."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bnstudy import console, paths
from bnstudy.cli import options
from bnstudy.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    DataOption,
    DeviceOption,
    JsonOption,
    ResultsOption,
    WhereOption,
)
from bnstudy.design.study import Study
from bnstudy.design.timing import Timing, shown, timings
from bnstudy.errors import Disturbed, UsageError
from bnstudy.studies import selection

app = typer.Typer(
    no_args_is_help=True, help="Measure engines, the DAG, the report; time epochs.", rich_markup_mode=None
)

DatasetOption = Annotated[str, typer.Option("--dataset", help="Whose shape and size the random pixels have.")]
WidthOption = Annotated[float, typer.Option("--width", min=0.01, help="Factor on units and feature maps.")]
RoundsOption = Annotated[int, typer.Option("--rounds", min=1)]
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Names or keys of cells, both norms.")]


@app.command()
def train(
    model: Annotated[str, typer.Option("--model", help="mlp or cnn.")] = "mlp",
    dataset: DatasetOption = "mnist",
    norm: Annotated[list[str] | None, typer.Option("--norm", help="none or batch, once each; both by default.")] = None,
    width: WidthOption = 1.0,
    device: DeviceOption = "cpu",
    rounds: RoundsOption = 5,
    as_json: JsonOption = False,
) -> None:
    """Time a step of every engine and of the usual loops, in alternated rounds."""
    from bnstudy.bench import train as bench

    rows = bench.rows(model, dataset, tuple(dict.fromkeys(norm or bench.NORMS)), width, device, rounds, console.say)
    _put(rows, as_json)


@app.command()
def convolutions(
    width: WidthOption = 1.0,
    batch: Annotated[int, typer.Option("--batch", min=2, help="Images.")] = 64,
    rounds: RoundsOption = 5,
    as_json: JsonOption = False,
) -> None:
    """Time the CNN's convolutions and their gradients, by torch and by each form of the Winograd engine."""
    from bnstudy.bench import convolutions as bench

    _put(bench.rows(width, batch, rounds, console.say), as_json)


@app.command()
def dag(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Time what a study of the thesis costs besides training: planning, scheduling, start-ups."""
    from bnstudy.bench import dag as bench

    _put(bench.rows(config, console.say), as_json)


@app.command()
def report(
    config: ConfigOption = DEFAULT_CONFIG,
    records: Annotated[int, typer.Option("--records", min=1)] = 1000,
    as_json: JsonOption = False,
) -> None:
    """Time frames, tables, figures and page from synthetic records as large as the thesis's."""
    from bnstudy.bench import report as bench

    _put(bench.rows(config, records, console.say), as_json)


def _put(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        return console.put_json(rows)
    console.put_table("", list(rows[0]), [[_short(value) for value in row.values()] for row in rows])


def _short(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value


@app.command("time")
def time_(
    names: Names = None,
    study: Annotated[str, typer.Option("--study", help="All cells of a study.")] = "timing",
    where: WhereOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    results: ResultsOption = None,
    data: DataOption = None,
    device: DeviceOption = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Time again what has a timing record.")] = False,
    job: Annotated[bool, typer.Option("--job", hidden=True)] = False,
) -> None:
    """Time epochs with and without batch norm for tables B.3 and B.4; leave the machine alone meanwhile."""
    from bnstudy.results.timings import record
    from bnstudy.training.timing import run

    folder, chosen = paths.results_root(results), _timings(names or [], study, where, config)
    try:
        made = run.time(chosen, folder, paths.data_root(data), console.say, device, fresh)
    except Disturbed as busy:
        if not job:
            raise
        console.say(f"bnstudy: {busy.cause}")  # the rest of the study goes on; `is_made` finds the timing undone
        return record.put_manifest(folder, chosen[0], [])
    console.say(f"{len(made)} timing records in {folder / 'timings'}")


def _timings(names: list[str], study: str, where: list[str] | None, config: Path) -> list[Timing]:
    """What is to be timed. Raises UsageError if the cells asked for make no pair of none and batch."""
    if names:
        studies = list(options.studies(config).values())
        timed = [cell for timing in shown(c for s in studies for c in s.cells) for cell in timing.cells.values()]
        cells = [run.cell for run in selection.named_runs(names, [*studies, Study("", "", tuple(timed), (0,))], "1")]
    else:
        cells = list(options.Narrowing(where=where, config=config).study(study).cells)
    if not (found := timings(cells)):
        raise UsageError("bench time: no two of these cells differ in the norm alone", "Name both: none and batch.")
    return found
