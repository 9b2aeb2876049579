"""The verb `export`: results in the formats of other programs."""

from pathlib import Path
from typing import Annotated

import typer

from bnstudy import console, paths
from bnstudy.cli import options
from bnstudy.cli.options import Narrowing, ReportsOption, ResultsOption, StudyOption
from bnstudy.errors import UsageError, nearest

FORMATS = ("csv", "parquet", "latex", "tensorboard")


def add_to(app: typer.Typer) -> None:
    app.command()(options.grouped(export))


def export(
    *,
    study: StudyOption = "thesis",
    narrowing: Narrowing,
    kind: Annotated[str, typer.Option("--format", help="csv, parquet, latex or tensorboard.")] = "csv",
    to: Annotated[Path | None, typer.Option("--to", help="Folder [export/<format> in the study's report].")] = None,
    results: ResultsOption = None,
    reports: ReportsOption = None,
) -> None:
    """Write the results of a study as CSV, Parquet, LaTeX tables or TensorBoard event files."""
    if kind not in FORMATS:
        raise UsageError(f"--format {kind}: no such format{nearest(kind, FORMATS)}", f"Formats: {', '.join(FORMATS)}.")
    chosen = narrowing.study(study)
    from bnstudy import exports

    folder = to or paths.report(paths.reports_root(reports), study).parent / "export" / kind
    found = options.collected(chosen, paths.results_root(results))
    with console.waiting(f"writing {kind} files"):
        written = exports.FORMATS[kind](found, narrowing.loaded.margins, folder)
    console.put("".join(f"{path}\n" for path in written))
    console.say(f"{study}: {len(found.runs)} runs, {len(found.missing)} missing, {len(found.timings)} rows of timings")
