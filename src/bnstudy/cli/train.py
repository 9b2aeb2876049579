"""Verbs that train single runs in this process: train, try."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bnstudy import console, paths
from bnstudy.cli import options
from bnstudy.cli.options import DataOption, EstimateOption, Narrowing, ResultsOption, SeedsOption, Training
from bnstudy.cli.show import put_record, record_of
from bnstudy.design.cell import Run
from bnstudy.design.study import wants_gpu
from bnstudy.errors import TryAgain, UsageError
from bnstudy.results import valid
from bnstudy.studies import selection
from bnstudy.training.output import progress
from bnstudy.training.train import Report, put_manifest
from bnstudy.training.train import train as train_runs

NamesArgument = Annotated[list[str] | None, typer.Argument(metavar="[NAME[:SEED]]...", help="Names or keys of cells.")]


def add_to(app: typer.Typer) -> None:
    app.command()(options.grouped(train))
    app.command("try")(options.grouped(try_))


def train(
    *,
    names: NamesArgument = None,
    study: Annotated[str | None, typer.Option("--study", help="All its cells.")] = None,
    cells_file: Annotated[Path | None, typer.Option("--cells", help="JSON as `bnstudy cells --json` prints.")] = None,
    narrowing: Narrowing,
    results: ResultsOption = None,
    data: DataOption = None,
    training: Training,
    estimate: EstimateOption = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for runs that another process trains.")] = False,
    manifest: Annotated[Path | None, typer.Option("--manifest", hidden=True)] = None,
) -> None:
    """Train cells in this process, without the DAG: by name, by study, or from a file."""
    runs = list(dict.fromkeys(_runs_to_train(names or [], study, cells_file, narrowing)))
    folder = paths.results_root(results)
    if estimate:
        from bnstudy.workflow import outlook

        return outlook.put(outlook.glance(runs, folder, training.fresh), folder, training.device, 1)
    report = _train(runs, folder, data, training, wait=wait, ask=not manifest)
    if manifest:
        return put_manifest(folder, manifest.stem, runs, report)
    if report.absent and not (report.trained or report.done):
        raise next(iter(report.absent.values()))
    for error in report.absent.values():
        console.say(f"bnstudy: {error.cause}")
    console.say(f"{len(report.trained)} trained, {valid.summary(report.done, folder)}, records in {folder}")


def _train(
    runs: list[Run], folder: Path, data: Path | None, how: Training, wait: bool = False, ask: bool = True
) -> Report:
    if ask and not how.yes:
        _check_long(runs, folder, how)
    if data is not None:
        os.environ["BNSTUDY_DATA"] = str(data)  # networks look there for the weights that they start from
    with progress(runs) as (on_epoch, say), _begins_anew(how.fresh):
        report = train_runs(
            runs,
            folder,
            paths.data_root(data),
            engine=how.engine,
            device=how.device,
            fresh=how.fresh,
            wait=wait,
            weights=how.weights,
            say=say,
            on_epoch=on_epoch,
        )
    if how.weights and any(not paths.weights(folder, run.cell.key, run.seed).exists() for run in report.done):
        console.say("weights of runs already done are not kept; --fresh --weights trains them again")
    return report


@contextmanager
def _begins_anew(fresh: bool) -> Iterator[None]:
    """With --fresh, say that the same command does not go on where it stopped, as it does without."""
    try:
        yield
    except TryAgain as error:
        remedy = "What is trained is kept. The same command trains all of it again; leave out what is done."
        raise TryAgain(error.cause, remedy if fresh else error.remedy) from error


def _runs_to_train(names: list[str], study: str | None, file: Path | None, narrowing: Narrowing) -> list[Run]:
    """What `train` is asked for: a file needs no config; a study may be narrowed to names. Raises UsageError."""
    if sum((bool(names), study is not None, file is not None)) != 1:
        raise UsageError(
            "train: name cells, or give --study, or --cells: one of them",
            "For instance: bnstudy train --study demo --where model=mlp; names are listed by `bnstudy cells`.",
        )
    if file is not None:
        return selection.runs_in(file, narrowing.where, narrowing.seeds)
    if study is not None:
        chosen = narrowing.study(study)
        if chosen.timing:
            raise UsageError(
                f"{study}: times epochs instead of training", f"bnstudy run --study {study}, or bnstudy bench time."
            )
        options.announce([chosen])
        return chosen.runs()
    runs = selection.named_runs(names, narrowing.studies().values(), narrowing.seeds)
    return selection.meeting(runs, narrowing.where)


def _check_long(runs: list[Run], results: Path, how: Training) -> None:
    """Ask for --yes before a start of more than a day; only where a full-size CNN is among the runs."""
    from bnstudy.workflow import outlook, run_study

    work = outlook.glance(runs, results, how.fresh)
    if any(wants_gpu(run.cell) for run in work.to_train):
        run_study.check_start(work, results, how.device, 1, yes=False)


def try_(
    values: Annotated[list[str], typer.Argument(metavar="key=value...", help="Fields of one cell, or setting=NAME.")],
    *,
    seeds: SeedsOption = "1",
    results: ResultsOption = None,
    data: DataOption = None,
    training: Training,
) -> None:
    """Train one cell that no study needs to hold, and show it."""
    cell = selection.cell_of(values)
    runs = [Run(cell, seed) for seed in selection.parse_seeds(seeds)]
    folder = paths.results_root(results)
    report = _train(runs, folder, data, training)
    for error in report.absent.values():
        raise error
    for run in runs:
        put_record(record_of(folder, run), folder)
