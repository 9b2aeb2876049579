"""Verbs that train single runs in this process: train, try."""

import os
from pathlib import Path
from typing import Annotated

import typer

from bnstudy import console, paths
from bnstudy.cli import options, process
from bnstudy.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    DataOption,
    DeviceOption,
    EngineOption,
    EstimateOption,
    FreshOption,
    ResultsOption,
    SeedsOption,
    WhereOption,
    YesOption,
)
from bnstudy.cli.show import put_record, record_of
from bnstudy.cli.study import put_estimate
from bnstudy.design.cell import Run
from bnstudy.design.study import wants_gpu
from bnstudy.errors import UsageError
from bnstudy.results import valid
from bnstudy.studies import selection
from bnstudy.training.output import progress
from bnstudy.training.train import Report, put_manifest
from bnstudy.training.train import train as train_runs

WeightsOption = Annotated[bool, typer.Option("--weights", help="Keep final weights (safetensors) beside the records.")]
NamesArgument = Annotated[list[str] | None, typer.Argument(metavar="[NAME[:SEED]]...", help="Names or keys of cells.")]


def add_to(app: typer.Typer) -> None:
    app.command()(train)
    app.command("try")(try_)


def train(
    names: NamesArgument = None, study: Annotated[str | None, typer.Option("--study", help="All its cells.")] = None,
    cells_file: Annotated[Path | None, typer.Option("--cells", help="JSON as `bnstudy cells --json` prints.")] = None,
    where: WhereOption = None, seeds: SeedsOption = None, config: ConfigOption = DEFAULT_CONFIG,
    results: ResultsOption = None, data: DataOption = None, engine: EngineOption = "auto",
    device: DeviceOption = "auto", fresh: FreshOption = False, estimate: EstimateOption = False, yes: YesOption = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for runs in another process's hands.")] = False,
    weights: WeightsOption = False,
    manifest: Annotated[Path | None, typer.Option("--manifest", hidden=True)] = None,
) -> None:  # fmt: skip
    """Train cells in this process, without the DAG: by name, by study, or from a file."""
    process.prepare()
    runs = list(dict.fromkeys(_runs_to_train(names or [], study, cells_file, where, seeds, config)))
    folder = paths.results_root(results)
    if estimate:
        return put_estimate(runs, folder, fresh, device, 1)
    if not manifest and not yes:
        _check_long(runs, folder, device, fresh)
    report = _train(runs, folder, data, engine=engine, device=device, fresh=fresh, wait=wait, weights=weights)
    if manifest:
        return put_manifest(folder, manifest.stem, runs, report)
    for error in report.absent.values():
        console.say(f"bnstudy: {error.cause}")
    if report.absent and not (report.trained or report.done):
        raise next(iter(report.absent.values()))
    console.say(f"{len(report.trained)} trained, {valid.summary(report.done, folder)}, records in {folder}")


def _train(runs: list[Run], folder: Path, data: Path | None, weights: bool, **how) -> Report:
    if data is not None:
        os.environ["BNSTUDY_DATA"] = str(data)  # networks look there for the weights that they start from
    with progress(runs) as (on_epoch, say):
        report = train_runs(
            runs, folder, paths.data_root(data), say=say, on_epoch=on_epoch, weights=weights, **how
        )  # fmt: skip
    if weights and any(not paths.weights(folder, run.cell.key, run.seed).exists() for run in report.done):
        console.say("weights of runs already done are not kept; --fresh --weights trains them again")
    return report


def _runs_to_train(
    names: list[str], study: str | None, file: Path | None, where: list[str] | None, seeds: str | None, config: Path
) -> list[Run]:
    """What `train` is asked for: a file needs no config; a study may be narrowed to names. Raises UsageError."""
    if sum((bool(names), study is not None, file is not None)) != 1:
        raise UsageError(
            "train: name cells, or give --study, or --cells: one of them",
            "For instance: bnstudy train --study demo --where model=mlp; names are listed by `bnstudy cells`.",
        )
    if file is not None:
        return selection.runs_in(file, where, seeds)
    if study is not None:
        chosen = options.study(config, study, where, seeds)
        if chosen.timing:
            raise UsageError(
                f"{study}: times epochs instead of training", f"bnstudy run --study {study}, or bnstudy bench time."
            )
        return chosen.runs()
    runs = selection.named_runs(names, options.studies(config).values(), seeds)
    return selection.meeting(runs, where)


def _check_long(runs: list[Run], results: Path, device: str, fresh: bool) -> None:
    """Ask for --yes before a start of more than a day; only where a full-size CNN is among the runs."""
    from bnstudy.workflow import run_study

    todo = runs if fresh else valid.missing(runs, results)
    if any(wants_gpu(run.cell) for run in todo):
        run_study.check_start(todo, device, 1, yes=False)


def try_(
    values: Annotated[list[str], typer.Argument(metavar="key=value...", help="Fields of one cell, or setting=NAME.")],
    seeds: SeedsOption = "1", results: ResultsOption = None, data: DataOption = None,
    engine: EngineOption = "auto", device: DeviceOption = "auto", fresh: FreshOption = False, yes: YesOption = False,
    weights: WeightsOption = False,
) -> None:  # fmt: skip
    """Train one cell that no study needs to hold, and show it."""
    process.prepare()
    cell = selection.cell_of(values)
    runs = [Run(cell, seed) for seed in selection.parse_seeds(seeds)]
    folder = paths.results_root(results)
    if not yes:
        _check_long(runs, folder, device, fresh)
    report = _train(runs, folder, data, engine=engine, device=device, fresh=fresh, weights=weights)
    for error in report.absent.values():
        raise error
    for run in runs:
        put_record(record_of(folder, run), folder)
