"""The verb `compare`: two cells side by side, from their stored records."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bnstudy import console, paths
from bnstudy.cli import options
from bnstudy.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, ReportsOption, ResultsOption
from bnstudy.design.cell import Cell
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
    folder = paths.results_root(results)
    with console.waiting("reading the runs of both cells"):
        from bnstudy.figures.comparison import write
        from bnstudy.verdicts import pairs

        both = [_records(folder, word, config) for word in (a, b)]
    of_a, of_b = ([record for _, record in found] for found in both)
    if of_a[0].cell == of_b[0].cell:
        remedy = f"Give two; bnstudy show {of_a[0].cell.key} compares an own run with the published one."
        raise UsageError(f"{a} and {b}: one and the same cell", remedy)
    found = pairs.compare(of_a, of_b)
    of_a, of_b = ([r for r in records if r.seed in found["seeds"]] for records in (of_a, of_b))
    with console.waiting("drawing both curves"):
        files = write(of_a, of_b, found["text"], paths.reports_root(reports) / "comparisons")
    if as_json:
        return console.put_json([found | {"files": [str(file) for file in files]}])
    rows = zip(found["seeds"], found["accuracy_a"], found["accuracy_b"], strict=True)
    console.put_table(
        "",
        ("seed", "A (%)", "B (%)", "B − A"),
        [(s, f"{x:.2f}", f"{y:.2f}", f"{y - x:+.2f}".replace("-", "−")) for s, x, y in rows],
    )
    console.put(f"A: {found['a']}\nB: {found['b']}\n{found['text']}\n" + "".join(f"{file}\n" for file in files))
    origins = [[origin for origin, record in records if record.seed in found["seeds"]] for records in both]
    console.put(_unlike_tables([of_a[0].cell, of_b[0].cell], found["seeds"], origins, config))


def _records(results: Path, word: str, config: Path) -> list[tuple[str, Record]]:
    """Return the records of a cell, with their origin. Raises DataError if it has none, UsageError if no study has such
    a cell."""
    found = valid.with_origins(results, word, console.say)
    if not found:
        cell = find((c for s in options.studies(config).values() for c in s.cells), word)
        if not (found := valid.with_origins(results, cell.key, console.say)):
            remedy = f"Train it with: bnstudy train {cell.key}{valid.without_published(results)}"
            raise DataError(f"{word}: no record", remedy)
    return found


def _unlike_tables(cells: Sequence[Cell], seeds: Sequence[int], origins: Sequence[Sequence[str]], config: Path) -> str:
    """Return a line for each way in which these records are not those of a study's tables, or an empty string."""
    lines = [
        f"{letter}: own records of some seeds, published ones of others\n"
        for letter, of in zip("AB", origins, strict=True)
        if len(set(of)) > 1
    ]
    holders = [study for study in options.studies(config).values() if {*cells} & {*study.trained}]
    if holders and {*seeds} != {*holders[0].seeds}:
        used = ", ".join(map(str, holders[0].seeds))
        lines.append(
            f"The tables of study {holders[0].name} use seeds {used}; these are {', '.join(map(str, seeds))}.\n"
        )
    return "".join(lines)
