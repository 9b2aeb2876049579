"""The verb `export`: results in the formats of other programs."""

from pathlib import Path
from typing import Annotated

import typer

from bnstudy import console, paths
from bnstudy.cli import options
from bnstudy.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    ReportsOption,
    ResultsOption,
    SeedsOption,
    StudyOption,
    WhereOption,
)
from bnstudy.errors import UsageError, nearest

FORMATS = ("csv", "parquet", "latex", "tensorboard")


def add_to(app: typer.Typer) -> None:
    app.command()(export)


def export(
    study: StudyOption = "thesis", where: WhereOption = None, seeds: SeedsOption = None,
    kind: Annotated[str, typer.Option("--format", help="csv, parquet, latex or tensorboard.")] = "csv",
    to: Annotated[Path | None, typer.Option("--to", help="Folder [export/<format> in the study's report].")] = None,
    config: ConfigOption = DEFAULT_CONFIG, results: ResultsOption = None, reports: ReportsOption = None,
) -> None:  # fmt: skip
    """Write the results of a study as CSV, Parquet, LaTeX tables or TensorBoard event files."""
    if kind not in FORMATS:
        raise UsageError(f"--format {kind}: no such format{nearest(kind, FORMATS)}", f"Formats: {', '.join(FORMATS)}.")
    chosen = options.study(config, study, where, seeds)
    from bnstudy import exports
    from bnstudy.results import collect
    from bnstudy.studies.config import load

    folder = to or paths.report(paths.reports_root(reports), study).parent / "export" / kind
    found = collect.collect(chosen, paths.results_root(results), console.say)
    written = exports.FORMATS[kind](found, load(config).margins, folder)
    console.put("".join(f"{path}\n" for path in written))
    console.say(f"{study}: {len(found.runs)} runs, {len(found.missing)} missing, {len(found.timings)} rows of timings")
