"""Verbs on stored records, without training: aggregate, report; lists and single ones of tables, figures, claims."""

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
    ReportsOption,
    ResultsOption,
    SeedsOption,
    StudyOption,
    WhereOption,
)
from bnstudy.errors import DataError, UsageError, nearest
from bnstudy.study import Study

if TYPE_CHECKING:
    import pandas as pd

    from bnstudy.frames import Frames
    from bnstudy.tables import Shown
    from bnstudy.tables.practicals import Listed

ROW = ("id", "state", "title")


def add_to(app: typer.Typer) -> None:
    for verb in (aggregate, report, tables, table, figures, figure, claims):
        app.command()(verb)


def aggregate(
    study: StudyOption = "thesis", where: WhereOption = None, seeds: SeedsOption = None,
    config: ConfigOption = DEFAULT_CONFIG, results: ResultsOption = None,
) -> None:  # fmt: skip
    """Records of a study into tidy frames (Parquet, CSV)."""
    from bnstudy import frames, loading
    from bnstudy.timing import frame as timing

    folder = paths.results_root(results)
    built = loading.collect(options.study(config, study, where, seeds), folder, console.say)
    at = frames.put(built, folder, study)
    timing.put(built.timings, folder, study)
    own = int((built.runs["origin"] == "own").sum())
    origin = f"{own} own, {len(built.runs) - own} published" if own < len(built.runs) else "all own"
    console.say(f"{study}: {len(built.runs)} runs ({origin}), {len(built.missing)} missing, frames in {at}")


def report(
    study: StudyOption = "thesis", where: WhereOption = None, seeds: SeedsOption = None,
    config: ConfigOption = DEFAULT_CONFIG, results: ResultsOption = None, reports: ReportsOption = None,
    formats: FormatsOption = "svg",
) -> None:  # fmt: skip
    """Tables, figures and the page of a study from its frames, without training."""
    from bnstudy import frames
    from bnstudy import report as page

    kinds = options.formats(formats)
    chosen = options.study(config, study, where, seeds)
    built, timings = frames.get(paths.results_root(results), study), _timings(results, chosen)
    path = page.write(chosen, built, timings, _margins(config), paths.reports_root(reports), formats=kinds)
    console.say(f"report: {path.resolve()}")


def _margins(config: Path) -> dict[str, float]:
    from bnstudy.config import load

    return dict(load(config).margins)


def _frames(results: Path | None, chosen: Study) -> "Frames":
    """The frames of a study as last aggregated, as far as they are of it; empty ones if there are none yet."""
    from bnstudy import frames

    folder = paths.results_root(results)
    if not (paths.frames(folder, chosen.name) / "runs.parquet").exists():
        return frames.build([], chosen.runs())
    return frames.narrowed(frames.get(folder, chosen.name), chosen)


def _timings(results: Path | None, chosen: Study) -> "pd.DataFrame":
    """The frame of timings as last aggregated, as far as it is of the study; an empty one if there is none yet."""
    from bnstudy.timing import frame

    return frame.narrowed(frame.get(paths.results_root(results), chosen.name), chosen.cells)


def _put_rows(rows: list[dict[str, Any]], as_json: bool, columns: tuple[str, ...] = ROW) -> None:
    if as_json:
        return console.put_json(rows)
    console.put_table("", columns, [[row[c] for c in columns] for row in rows])


def tables(
    study: StudyOption = "thesis", config: ConfigOption = DEFAULT_CONFIG, results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """List the tables of a study."""
    _put_rows([one.row for one in _tables(study, config, results)], as_json)


def _tables(study: str, config: Path, results: Path | None) -> "list[Shown | Listed]":
    """B.1 to B.4, X.1, ... of further cells, and P.1 to P.3 of a study that has cells of the course reports."""
    from bnstudy import tables
    from bnstudy.tables import practicals

    chosen = options.study(config, study)
    plan, runs, margins = tables.planned(chosen.trained, chosen.seeds), _frames(results, chosen).runs, _margins(config)
    thesis = tables.shown(plan, runs, _timings(results, chosen), margins)
    return [*thesis, *practicals.shown(plan, runs, margins)]


def table(
    which: Annotated[str, typer.Argument(metavar="ID", help="As listed by `bnstudy tables`: B.1.")],
    study: StudyOption = "thesis", config: ConfigOption = DEFAULT_CONFIG, results: ResultsOption = None,
    reports: ReportsOption = None,
) -> None:  # fmt: skip
    """Write one table of a study (CSV, Markdown, LaTeX, HTML)."""
    from bnstudy import tables

    found = {one.id: one for one in _tables(study, config, results)}
    if which not in found:
        raise UsageError(f"{which}: no such table{nearest(which, found)}", f"Tables: {', '.join(found)}.")
    folder = paths.report(paths.reports_root(reports), study).parent / "tables"
    console.put("".join(f"{path}\n" for path in tables.write([found[which]], folder)))


def figures(
    study: StudyOption = "thesis", config: ConfigOption = DEFAULT_CONFIG, results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """List the figures of a study, and those of the thesis that show no result."""
    from bnstudy import figures, published, tables
    from bnstudy.effects import asked
    from bnstudy.figures import background, effects, practicals
    from bnstudy.figures.series import state
    from bnstudy.published.practicals import holds_any
    from bnstudy.report import cells_of

    chosen = options.study(config, study)
    plan, built = tables.planned(chosen.trained, chosen.seeds), _frames(results, chosen)
    rows = []
    for own in practicals.REGISTRY.values() if holds_any(chosen.trained) else ():
        rows.append({"id": own.id, "kind": own.kind, "state": practicals.state(own, built), "title": own.title})
    for one in figures.REGISTRY.values():
        reading, datasets = cells_of(one, plan)
        now = state(one, built, datasets, reading)
        rows.append({"id": one.id, "kind": one.kind, "state": now, "title": one.title})
    if asked(plan, published.accuracy()):
        rows.append({"id": effects.ID, "kind": effects.KIND, "state": effects.state(built), "title": effects.TITLE})
    for other in background.COMPUTED.values():
        rows.append({"id": other.id, "kind": other.kind, "state": "computed", "title": other.title})
    _put_rows(rows, as_json)


def figure(
    which: Annotated[str, typer.Argument(metavar="ID", help="As listed by `bnstudy figures`: 7.16.")],
    study: StudyOption = "thesis", config: ConfigOption = DEFAULT_CONFIG, results: ResultsOption = None,
    reports: ReportsOption = None, formats: FormatsOption = "svg",
    signed: Annotated[bool, typer.Option("--signed", help="Mean signed gradients, as the author logged them.")] = False,
) -> None:  # fmt: skip
    """Draw one figure of a study, and write the numbers it shows as CSV."""
    from bnstudy import figures, tables
    from bnstudy.figures import background, effects, practicals
    from bnstudy.figures.render import render
    from bnstudy.figures.series import state
    from bnstudy.report import cells_of

    kinds, folder = options.formats(formats), paths.report(paths.reports_root(reports), study).parent / "figures"
    if which in background.COMPUTED:
        from bnstudy.figures.background.render import render as compute

        written = compute(background.COMPUTED[which], folder, kinds)
        return console.put("".join(f"{path}\n" for path in written))
    chosen = options.study(config, study)
    plan, built = tables.planned(chosen.trained, chosen.seeds), _frames(results, chosen)
    if which in practicals.REGISTRY:
        report = practicals.REGISTRY[which]
        _need_runs(practicals.state(report, built), which, study)
        written = practicals.render(report, built, folder, kinds)
    elif which == effects.ID:
        _need_runs(effects.state(built), which, study)
        written = effects.render(effects.plotted(built), folder, kinds)
    else:
        one = figures.find(which)
        reading, datasets = cells_of(one, plan)
        _need_runs(state(one, built, datasets, reading), which, study)
        written = render(one, built, datasets, folder, kinds, reading, signed=signed)
    console.put("".join(f"{path}\n" for path in written))


def _need_runs(state: str, which: str, study: str) -> None:
    if state == "not run":
        raise DataError(
            f"figure {which}: study {study} has no frames with a run it shows",
            f"Train some: bnstudy run --study {study}; records that stand: bnstudy aggregate --study {study}.",
        )


def claims(
    study: StudyOption = "thesis", config: ConfigOption = DEFAULT_CONFIG, results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """List the claims of the thesis, each with its verdict on a study; of a study that has their cells, those of the
    course reports too."""
    from bnstudy import tables
    from bnstudy.claims import practicals, reading_of, rows
    from bnstudy.published.practicals import holds_any

    chosen = options.study(config, study)
    plan, built = tables.planned(chosen.trained, chosen.seeds), _frames(results, chosen)
    found = rows(built, _timings(results, chosen), reading_of(plan))
    found += practicals.rows(built) if holds_any(chosen.trained) else []
    _put_rows(found, as_json, ("id", "state", "verdict", "title"))
