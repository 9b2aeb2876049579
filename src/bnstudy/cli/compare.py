"""The verb `compare`: two cells side by side, from their stored records."""

from pathlib import Path
from typing import Annotated

import typer

from bnstudy import console, paths
from bnstudy.cli import options
from bnstudy.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, ReportsOption, ResultsOption
from bnstudy.errors import DataError, UsageError
from bnstudy.results import valid
from bnstudy.results.record import Record
from bnstudy.studies.selection import find


def add_to(app: typer.Typer) -> None:
    app.command()(compare)


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A name or key of a cell.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The cell to compare it with.")],
    config: ConfigOption = DEFAULT_CONFIG,
    results: ResultsOption = None,
    reports: ReportsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two cells: their curves, and the difference of test accuracy with its interval, paired by seed."""
    from bnstudy.figures.comparison import write
    from bnstudy.verdicts import pairs

    of_a, of_b = (_records(paths.results_root(results), word, config) for word in (a, b))
    if of_a[0].cell == of_b[0].cell:
        raise UsageError(f"{a} and {b}: one and the same cell", "Give two; list them with `bnstudy cells`.")
    found = pairs.compare(of_a, of_b)
    of_a, of_b = ([r for r in records if r.seed in found["seeds"]] for records in (of_a, of_b))
    files = write(of_a, of_b, found["text"], paths.reports_root(reports) / "comparisons")
    if as_json:
        return console.put_json([found | {"files": [str(file) for file in files]}])
    rows = zip(found["seeds"], found["accuracy_a"], found["accuracy_b"], strict=True)
    console.put_table(
        "", ("seed", "A (%)", "B (%)", "B − A"), [(s, f"{x:.2f}", f"{y:.2f}", f"{y - x:+.2f}") for s, x, y in rows]
    )
    console.put(f"A: {found['a']}\nB: {found['b']}\n{found['text']}\n" + "".join(f"{file}\n" for file in files))


def _records(results: Path, word: str, config: Path) -> list[Record]:
    """The records of a cell. Raises DataError if it has none, UsageError if no study has such a cell."""
    found = valid.records_of(results, word, console.say)
    if not found:
        cell = find((c for s in options.studies(config).values() for c in s.cells), word)
        raise DataError(
            f"{word}: no record", f"Train it with: bnstudy train {cell.key}{valid.without_published(results)}"
        )
    return found
