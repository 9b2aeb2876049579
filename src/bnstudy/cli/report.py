"""Verbs on stored records, without training: aggregate, report; lists and single ones of tables, figures, claims."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bnstudy import console, paths
from bnstudy.cli import options
from bnstudy.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    FormatsOption,
    JsonOption,
    Narrowing,
    ReportsOption,
    ResultsOption,
    StudyOption,
)
from bnstudy.errors import DataError, listed, same_id

if TYPE_CHECKING:
    from bnstudy.report.findings import Findings

ROW = ("id", "state", "title")
NOTHING = "{}: no run of study {} has what it shows"


def add_to(app: typer.Typer) -> None:
    for verb in (aggregate, report, tables, table, figures, figure, claims):
        app.command()(options.grouped(verb))


def aggregate(*, study: StudyOption = "thesis", narrowing: Narrowing, results: ResultsOption = None) -> None:
    """Records of a study into tidy frames (Parquet, CSV)."""
    from bnstudy.results import frames, inventory
    from bnstudy.results.timings import frame as timing

    folder, chosen = paths.results_root(results), narrowing.study(study)
    stock = inventory.of(chosen.runs(), folder)
    built = options.collected(chosen, folder)
    with console.waiting(f"writing the frames of study {study}"):
        at = frames.put(built, folder, study)
        timing.put(built.timings, folder, study)
        inventory.put(stock, folder, study)
    own = int((built.runs["origin"] == "own").sum())
    origin = f"{own} own, {len(built.runs) - own} published" if own < len(built.runs) else "all own"
    console.say(f"{study}: {len(built.runs)} runs ({origin}), {len(built.missing)} missing, frames in {at}")


def report(
    *,
    study: StudyOption = "thesis",
    narrowing: Narrowing,
    results: ResultsOption = None,
    reports: ReportsOption = None,
    formats: FormatsOption = "svg",
) -> None:
    """Tables, figures and the page of a study from its frames, without training."""
    kinds, folder = options.formats(formats), paths.results_root(results)
    with console.waiting(f"reading the frames of study {study}"):
        from bnstudy import report as page
        from bnstudy.results import frames, publication
        from bnstudy.results.timings import frame as timing

        chosen = narrowing.study(study)
        built, timings = frames.get(folder, study), timing.get(folder, study)
        published = publication.index(folder).keys()
    margins, root = narrowing.loaded.margins, paths.reports_root(reports)
    path = page.write(chosen, built, timings, margins, root, kinds, published)
    console.say(f"report: {path.resolve()}")
    console.say(f"front page: {paths.front(path.parents[1]).resolve()}")


def findings(study: str, config: Path, results: Path | None) -> "Findings":
    """The findings of a study as its results are now, aggregated or not."""
    narrowing, folder = Narrowing(config=config), paths.results_root(results)
    with console.waiting(f"reading the results of study {study}"):
        from bnstudy.report.findings import Findings
        from bnstudy.results import collect, valid

        chosen = narrowing.study(study)
        found = collect.current(chosen, folder, console.say)
        if found.runs.empty and (hint := valid.without_published(folder)):
            console.say(f"no run of study {study}{hint}")
        return Findings.of(chosen, found, found.timings, narrowing.loaded.margins)


def _put_rows(rows: list[dict[str, Any]], as_json: bool, columns: tuple[str, ...] = ROW) -> None:
    if as_json:
        return console.put_json(rows)
    console.put_table("", columns, [[row[c] for c in columns] for row in rows])


def _put_paths(written: Iterable[Path]) -> None:
    console.put("".join(f"{path}\n" for path in written))


def tables(
    study: StudyOption = "thesis",
    config: ConfigOption = DEFAULT_CONFIG,
    results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the tables of a study."""
    found = findings(study, config, results)
    with console.waiting(f"filling the tables of study {study}"):
        rows = [one.row for one in (*found.tables, *found.course_tables)]
    _put_rows(rows, as_json)


def table(
    which: Annotated[str, typer.Argument(metavar="ID", help="As listed by `bnstudy tables`: B.1.")],
    study: StudyOption = "thesis",
    config: ConfigOption = DEFAULT_CONFIG,
    results: ResultsOption = None,
    reports: ReportsOption = None,
) -> None:
    """Write one table of a study (CSV, Markdown, LaTeX, HTML)."""
    from bnstudy.tables import has_numbers, write
    from bnstudy.tables.catalogue import CATALOGUE

    found = findings(study, config, results)
    with console.waiting(f"filling the tables of study {study}"):
        known = {one.id: one for one in (*found.tables, *found.course_tables)}
    with_content = {id: one for id, one in known.items() if has_numbers(one)}
    if same_id(which, {**CATALOGUE, **known}) and not same_id(which, with_content):
        remedy = f"Tables with content: {', '.join(with_content)}."
        raise DataError(NOTHING.format(f"table {which}", study), remedy)
    chosen = known[listed(which, known, "table", f"Tables: {', '.join(known)}.")]
    folder = paths.report(paths.reports_root(reports), study).parent / "tables"
    _put_paths(write([chosen], folder))


def figures(
    study: StudyOption = "thesis",
    config: ConfigOption = DEFAULT_CONFIG,
    results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the figures of a study, and those of the thesis that show no result."""
    from bnstudy.report import pictures

    found = findings(study, config, results)
    with console.waiting(f"selecting what the figures of study {study} show"):
        rows = [picture.row(found) for picture in pictures.of_study(found.plan)]
    _put_rows(rows, as_json)


def figure(
    which: Annotated[str, typer.Argument(metavar="ID", help="As listed by `bnstudy figures`: 7.16.")],
    study: StudyOption = "thesis",
    config: ConfigOption = DEFAULT_CONFIG,
    results: ResultsOption = None,
    reports: ReportsOption = None,
    formats: FormatsOption = "svg",
    signed: Annotated[bool, typer.Option("--signed", help="Mean signed gradients, as the author logged them.")] = False,
) -> None:
    """Draw one figure of a study, and write the numbers it shows as CSV."""
    with console.waiting("loading what draws figures"):
        from bnstudy.figures.writer import Target, write
        from bnstudy.report import pictures

    folder = paths.report(paths.reports_root(reports), study).parent / "figures"
    target, picture = Target(folder, options.formats(formats)), pictures.find(which)
    found = findings(study, config, results)
    if picture.state(found) == pictures.NOT_RUN:
        raise DataError(NOTHING.format(f"figure {which}", study), pictures.remedy(picture, found))
    with console.waiting(f"drawing figure {picture.id}"):
        files = write(picture.drawing(found, signed=signed), target)
    _put_paths(files)


def claims(
    study: StudyOption = "thesis",
    config: ConfigOption = DEFAULT_CONFIG,
    results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the claims of the thesis, each with its verdict on a study; of a study that has their cells, those of the
    course reports and the open questions too."""
    from bnstudy.claims import practicals, questions, reading_of, rows
    from bnstudy.printed.practicals import holds_any
    from bnstudy.questions.cells import asked_by

    found = findings(study, config, results)
    with console.waiting(f"judging the claims on study {study}"):
        claimed = rows(found.frames, found.timings, reading_of(found.plan))
        claimed += practicals.rows(found.frames) if holds_any(found.study.trained) else []
        claimed += questions.rows(found.frames, asked_by(tuple(found.plan["key"])))
    _put_rows(claimed, as_json, ("id", "state", "verdict", "title"))
