"""The command line: verbs only. What they do stands in the modules they name."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from bnstudy import __version__, console, paths, selection, training
from bnstudy.cell import Cell, Run
from bnstudy.errors import INTERNAL, DataError, StudyError, UsageError, nearest
from bnstudy.labels import name
from bnstudy.record import Record
from bnstudy.study import Study, describe, find

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None)
data_app = typer.Typer(no_args_is_help=True, help="Fetch, import or check data sets.", rich_markup_mode=None)
app.add_typer(data_app, name="data")

StudyOption = Annotated[str, typer.Option("--study", help="A study of the config.")]
WhereOption = Annotated[
    list[str] | None, typer.Option("--where", help="key=value ...: only cells that meet all of these.")
]
SeedsOption = Annotated[str | None, typer.Option("--seeds", help="A count (3 is 0, 1, 2) or a list (0,4,5).")]
ConfigOption = Annotated[Path, typer.Option("--config", help="The studies.")]
ResultsOption = Annotated[
    Path | None, typer.Option("--results", help="Folder of records [BNSTUDY_RESULTS or ./results].")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder of data sets [BNSTUDY_DATA or the cache folder].")
]
ReportsOption = Annotated[
    Path | None, typer.Option("--reports", help="Folder of reports [BNSTUDY_REPORTS or ./reports].")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON list on stdout.")]
EngineOption = Annotated[str, typer.Option("--engine", help="auto, packed or reference.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu or cuda[:n].")]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Train again even where a record stands.")]
FormatsOption = Annotated[str, typer.Option("--formats", help="svg, pdf, png; several by commas.")]
DEFAULT_CONFIG = Path("config.yaml")


def _studies(config: Path) -> dict[str, Study]:
    from bnstudy.config import load

    return load(config).studies


def _study(config: Path, study: str, where: list[str] | None = None, seeds: str | None = None) -> Study:
    studies = _studies(config)
    if study not in studies:
        raise UsageError(f"--study {study}: no such study{nearest(study, studies)}", f"Studies: {', '.join(studies)}.")
    return selection.narrow(studies[study], where, seeds)


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Replicates The Effect of Batch Normalization on Deep Convolutional Neural Networks (KTH, 2016)."""
    if version:
        print(__version__)


@app.command()
def cells(
    study: StudyOption = "thesis", where: WhereOption = None, seeds: SeedsOption = None,
    config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """List the cells of a study."""
    chosen = _study(config, study, where, seeds)
    rows = [describe(cell, chosen.seeds) for cell in chosen.cells]
    if as_json:
        return console.put_json(rows)
    shown = ("name", "key", "reading")
    console.put_table(
        f"{study}: {len(rows)} cells, seeds {list(chosen.seeds)}", shown, [[r[c] for c in shown] for r in rows]
    )


@app.command()
def run(
    study: StudyOption = "thesis", where: WhereOption = None, seeds: SeedsOption = None,
    config: ConfigOption = DEFAULT_CONFIG, results: ResultsOption = None, data: DataOption = None,
    reports: ReportsOption = None, cores: Annotated[str, typer.Option("--cores", help="Processes at a time.")] = "all",
    estimate: Annotated[bool, typer.Option("--estimate", help="Only say how long it would take.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Start even if it takes days.")] = False,
    fresh: FreshOption = False,
) -> None:  # fmt: skip
    """Train what is missing of a study and write its report, through the DAG."""
    from bnstudy import running

    _export_folders(results, data, reports)
    chosen = _study(config, study, where, seeds)
    todo = chosen.runs() if fresh else running.missing(chosen, paths.results_root())
    if estimate:
        return _print_estimate(todo, "auto", _processes(cores))
    if todo:
        running.check_start(todo, "auto", _processes(cores), yes)
    if fresh:
        training.forget(todo, paths.results_root())
    running.snakemake(config, study, {"only_where": " ".join(where or []), "only_seeds": seeds or ""}, cores)
    running.summary(chosen, paths.results_root(), paths.reports_root())


def _processes(cores: str) -> int:
    if cores != "all" and not (cores.isdigit() and int(cores) > 0):
        raise UsageError(f"--cores {cores}: not a number of processes", "Write all, or a number from 1.")
    return (os.cpu_count() or 1) if cores == "all" else int(cores)


def _export_folders(results: Path | None, data: Path | None, reports: Path | None) -> None:
    """Hand the folders to the jobs: they read the same environment variables."""
    for variable, value in (("BNSTUDY_RESULTS", results), ("BNSTUDY_DATA", data), ("BNSTUDY_REPORTS", reports)):
        if value is not None:
            os.environ[variable] = str(value)


def _print_estimate(runs: list[Run], device: str, processes: int) -> None:
    from bnstudy.engine import choose_device
    from bnstudy.estimate import estimate

    device = choose_device(device, console.say)
    rows = estimate(runs, device, processes if device == "cpu" else 1)
    table = [[r.model, r.dataset, r.runs, console.hours(r.typical_hours), console.hours(r.hours)] for r in rows]
    table.append(
        ["all", "", len(runs), *(console.hours(sum(getattr(r, f) for r in rows)) for f in ("typical_hours", "hours"))]
    )
    where = f"{processes} processes on the CPU" if device == "cpu" else f"one process on {device}"
    console.put_table(f"to train, with {where}", ("model", "data set", "runs", "with early stops", "all epochs"), table)


@app.command()
def train(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME[:SEED]]...", help="Names or keys of cells.")] = None,
    study: Annotated[str | None, typer.Option("--study", help="All cells of a study.")] = None,
    cells_file: Annotated[Path | None, typer.Option("--cells", help="JSON as `bnstudy cells --json` prints it.")] = None,
    where: WhereOption = None, seeds: SeedsOption = None, config: ConfigOption = DEFAULT_CONFIG,
    results: ResultsOption = None, data: DataOption = None, engine: EngineOption = "auto", device: DeviceOption = "auto",
    fresh: FreshOption = False, estimate: Annotated[bool, typer.Option("--estimate", help="Only say how long.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Start even if it takes days.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for runs in another process's hands.")] = False,
    manifest: Annotated[Path | None, typer.Option("--manifest", hidden=True)] = None,
) -> None:  # fmt: skip
    """Train cells in this process, without the DAG: by name, by study, or from a file."""
    training.environment()
    runs = _runs_to_train(names or [], study, cells_file, where, seeds, config)
    folder = paths.results_root(results)
    if estimate:
        return _print_estimate(runs, device, 1)
    if not manifest and not yes:
        _check_long(runs, folder, device, fresh)
    with console.progress(runs) as (on_epoch, say):
        report = training.train(
            runs,
            folder,
            paths.data_root(data),
            engine=engine,
            device=device,
            fresh=fresh,
            wait=wait,
            say=say,
            on_epoch=on_epoch,
        )
    if manifest:
        training.put_manifest(folder, manifest.stem, runs, report)
        return
    for error in report.absent.values():
        console.say(f"bnstudy: {error.cause}")
    if report.absent and not (report.trained or report.stood):
        raise next(iter(report.absent.values()))
    console.say(f"{len(report.trained)} trained, {len(report.stood)} stood already, records in {folder}")


def _runs_to_train(
    names: list[str], study: str | None, file: Path | None, where: list[str] | None, seeds: str | None, config: Path
) -> list[Run]:
    """What `train` is asked for: a file needs no config; a study may be narrowed to names. Raises UsageError."""
    if file is not None:
        return selection.runs_in(file, where, seeds)
    if study is not None:
        chosen = _study(config, study, where, seeds).runs()
        return [r for r in chosen if not names or any(selection.is_named(r, word) for word in names)]
    if not names:
        raise UsageError("train: no cells given", "Name cells (see `bnstudy cells`), or give --study or --cells.")
    return selection.named_runs(names, _studies(config).values(), seeds)


def _check_long(runs: list[Run], results: Path, device: str, fresh: bool) -> None:
    """Ask for --yes before a start of more than a day; only where a full-size CNN is among the runs."""
    from bnstudy import running

    todo = [r for r in runs if fresh or not paths.record(results, r.cell.key, r.seed).exists()]
    if any(r.cell.model != "mlp" and r.cell.width == 1 for r in todo):
        running.check_start(todo, device, 1, yes=False)


@app.command("try")
def try_(
    values: Annotated[list[str], typer.Argument(metavar="key=value...", help="Fields of one cell, or setting=NAME.")],
    seeds: SeedsOption = "1", results: ResultsOption = None, data: DataOption = None,
    engine: EngineOption = "auto", device: DeviceOption = "auto", fresh: FreshOption = False,
) -> None:  # fmt: skip
    """Train one cell that no study needs to hold, and show it."""
    training.environment()
    cell = selection.cell_of(values)
    runs = [Run(cell, seed) for seed in selection.parse_seeds(seeds)]
    folder = paths.results_root(results)
    with console.progress(runs) as (on_epoch, say):
        report = training.train(
            runs, folder, paths.data_root(data), engine=engine, device=device, fresh=fresh, say=say, on_epoch=on_epoch
        )
    for error in report.absent.values():
        raise error
    for r in runs:
        _show(folder, r)


@app.command()
def show(
    which: Annotated[str, typer.Argument(metavar="NAME[:SEED]", help="A name or key of a cell.")],
    config: ConfigOption = DEFAULT_CONFIG, results: ResultsOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Show what is known of a cell: its records, or that there is none yet."""
    from bnstudy.store import find_records

    folder = paths.results_root(results)
    key, _, seed = which.partition(":")
    records = [r for r in find_records(folder, key.rpartition("-")[2]) if not seed or str(r.seed) == seed]
    if as_json:
        return console.put_json([json.loads(r.to_text()) for r in records])
    if records:
        for record in records:
            _show(folder, Run(record.cell, record.seed))
        return None
    cell = find((c for s in _studies(config).values() for c in s.cells), key)
    _show_cell(cell)
    console.say(f"no record yet; train it with: bnstudy train {name(cell)}")


def _show(results: Path, run: Run) -> None:
    from bnstudy import store

    record = store.get_record(results, run)
    if record is None:
        raise DataError(f"{run.id}: no record", f"Train it with: bnstudy train {name(run.cell)}")
    _show_cell(run.cell)
    origin, test = record.provenance, record.test[run.cell.tested_weights]
    rows = [
        ("seed", record.seed), ("outcome", record.outcome), ("stopped by", record.stopped),
        ("epochs", f"{record.epochs_run}, best {record.best_epoch}"), ("test accuracy", f"{test['accuracy']:.2f} %"),
        ("test loss", f"{test['loss']:.4f}"), ("training", f"{sum(record.epochs['seconds']):.1f} s"),
        ("engine", f"{origin['engine']}, torch {origin['torch']}, {origin['device']}, {origin['cpu']}"),
        ("data", f"{origin['data_source']}, {origin['data_digest'][:12]}"), ("source", origin["source_digest"]),
        ("record", paths.record(results, run.cell.key, run.seed)),
    ]  # fmt: skip
    if record.diverged_at:
        rows.insert(2, ("diverged in", f"epoch {record.diverged_at['epoch']}, {record.diverged_at['layer']}"))
    console.put_table("", ("", ""), rows)


def _show_cell(cell: Cell) -> None:
    fields = ", ".join(f"{key}={value}" for key, value in cell.non_default().items())
    console.put_table(name(cell), ("", ""), [("key", cell.key), ("fields", fields)])


@app.command()
def aggregate(
    study: StudyOption = "thesis", where: WhereOption = None, seeds: SeedsOption = None,
    config: ConfigOption = DEFAULT_CONFIG, results: ResultsOption = None,
) -> None:  # fmt: skip
    """Records of a study into tidy frames (Parquet, CSV)."""
    from bnstudy import frames

    folder = paths.results_root(results)
    chosen = _study(config, study, where, seeds)
    built = frames.build(*_records(folder, chosen))
    frames.put(built, folder, study)
    console.say(
        f"{study}: {len(built.runs)} runs, {len(built.missing)} missing, frames in {paths.frames(folder, study)}"
    )


def _records(results: Path, chosen: Study) -> tuple[list[Record], list[Run]]:
    """The records of a study that verify, and its runs; one that does not verify is reported and counts as missing."""
    from bnstudy import store

    records = []
    for _, found in store.get_records(results, chosen.runs()):
        if isinstance(found, DataError):
            console.say(f"bnstudy: {found.cause}")
        elif found is not None:
            records.append(found)
    return records, chosen.runs()


@app.command()
def report(
    study: StudyOption = "thesis", config: ConfigOption = DEFAULT_CONFIG, results: ResultsOption = None,
    reports: ReportsOption = None, formats: FormatsOption = "svg",
) -> None:  # fmt: skip
    """Tables, figures and the page of a study from its frames, without training."""
    from bnstudy import frames
    from bnstudy import report as page
    from bnstudy.config import load

    settings = load(config)
    chosen = _study(config, study)
    built = frames.get(paths.results_root(results), study)
    path = page.write(chosen, built, None, settings.margins, paths.reports_root(reports), formats=_formats(formats))
    console.say(f"report: {path.resolve()}")


def _formats(text: str) -> tuple[str, ...]:
    words = tuple(text.split(","))
    for word in words:
        if word not in ("svg", "pdf", "png"):
            raise UsageError(
                f"--formats {word}: no such format{nearest(word, ('svg', 'pdf', 'png'))}", "Formats: svg, pdf, png."
            )
    return words


@data_app.command("fetch")
def data_fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...")], data: DataOption = None,
    note: Annotated[Path | None, typer.Option("--note", hidden=True)] = None,
) -> None:  # fmt: skip
    """Download data sets from their official places, once."""
    from bnstudy import datasets, store

    for dataset in names:
        _known_dataset(dataset)
        try:
            row = datasets.ensure(dataset, paths.data_root(data)) | {"state": "present"}
        except DataError as error:
            if note is None or paths.dataset(paths.data_root(data), dataset).exists():
                raise
            row = {"name": dataset, "state": "absent", "reason": error.cause, "remedy": error.remedy}
        if note is not None:
            store.write(note, json.dumps(row, sort_keys=True, default=str).encode() + b"\n")
        console.say(
            f"{dataset}: {row['state']}" + (f", {row['digest'][:12]}" if "digest" in row else f" ({row['reason']})")
        )


@data_app.command("import")
def data_import(
    dataset: Annotated[str, typer.Argument(metavar="NAME")], file: Annotated[Path, typer.Argument(metavar="FILE.npz")],
    data: DataOption = None,
) -> None:  # fmt: skip
    """Take in an .npz with train_images, train_labels, test_images and test_labels."""
    from bnstudy import datasets

    _known_dataset(dataset)
    row = datasets.import_npz(dataset, file, paths.data_root(data))
    console.say(f"{dataset}: imported, {row['digest'][:12]}; records will say that these are not the official files")


@data_app.command("check")
def data_check(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...")] = None, data: DataOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Say which data sets are there and whether they verify."""
    from bnstudy import datasets

    for dataset in names or []:
        _known_dataset(dataset)
    rows = [datasets.check(dataset, paths.data_root(data)) for dataset in names or datasets.REGISTRY]
    if as_json:
        return console.put_json(rows)
    shown = ("name", "state", "source", "digest", "path")
    console.put_table("", shown, [[str(r.get(c) or "")[: 12 if c == "digest" else None] for c in shown] for r in rows])


def _known_dataset(dataset: str) -> None:
    from bnstudy import datasets

    if dataset not in datasets.REGISTRY:
        raise UsageError(
            f"{dataset}: no such data set{nearest(dataset, datasets.REGISTRY)}",
            f"Data sets: {', '.join(datasets.REGISTRY)}.",
        )


def main(words: list[str] | None = None) -> None:
    """Run the command line and exit; what a user can mend is said in two lines, never as a traceback."""
    try:
        app(
            args=selection.spread_where(sys.argv[1:] if words is None else words),
            prog_name="bnstudy",
            standalone_mode=True,
        )
    except StudyError as error:
        console.say(f"bnstudy: {error.cause}")
        console.say(f"  {error.remedy}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        console.say("bnstudy: interrupted")
        console.say("  Run the same command again to go on.")
        sys.exit(75)
    except BrokenPipeError:  # whoever read our output has gone
        sys.stderr.close()
        sys.exit(INTERNAL)
    except Exception as error:
        if os.environ.get("BNSTUDY_TRACEBACK"):
            raise
        console.say(f"bnstudy: {type(error).__name__}: {error}".splitlines()[0])
        console.say("  This is a fault of the program; BNSTUDY_TRACEBACK=1 in front of the command shows where.")
        sys.exit(INTERNAL)


if __name__ == "__main__":
    main()
