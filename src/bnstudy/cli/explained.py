"""What `show` and `why` print of a claim, an open question, a table or a figure, and of a cell's place in a study's
results."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnstudy import console
from bnstudy.errors import DataError, UsageError, same_id

if TYPE_CHECKING:
    from bnstudy.claims.catalogue import Claim
    from bnstudy.claims.verdicts import ClaimVerdict
    from bnstudy.design.cell import Cell
    from bnstudy.questions import Question
    from bnstudy.report.findings import Findings

IDS = re.compile(r"[A-Za-z]\.?\d{1,2}( .+)?|\d\.\d{1,2}", re.ASCII)
"""The form of the ids of claims (M07), questions (Q1), tables (B.1, b1, B.1 reduced) and figures (7.16, E1). What is
short for a cell has four characters at least and no space."""


def put(word: str, study: str, config: Path, results: Path | None, as_json: bool) -> bool:
    """Print the claim, the open question, the table or the figure of this id, with or without its capitals and dots.
    Returns False if there is none. Raises UsageError if JSON is asked for."""
    from bnstudy import questions
    from bnstudy.claims import practicals
    from bnstudy.claims.thesis import registry
    from bnstudy.cli.report import findings

    def results_of(name: str) -> "Findings":
        _refuse_json(word, as_json)
        with console.waiting(f"reading the results of study {name}"):
            return findings(name, config, results)

    if not IDS.fullmatch(word):
        return False
    if question := questions.find(word):
        _put_question(question, results_of(_asking(question, study, config)))
    elif id := same_id(word, practicals.registry()):
        _put_course_claim(id, results_of(_of_the_reports(id, study, config)))
    elif id := same_id(word, registry()):
        _put_claim(id, results_of(study))
    else:
        return _put_shown(word, results_of(_drawing(word, study, config)))
    return True


def _put_shown(word: str, found: "Findings") -> bool:
    """Print the table or the figure of this id. Returns False if there is none. Raises DataError on a table that no run
    fills."""
    from bnstudy.cli.report import NOTHING
    from bnstudy.report import pictures
    from bnstudy.tables.catalogue import CATALOGUE

    with console.waiting(f"filling the tables of study {found.study.name}"):
        tables = [table.id for table in (*found.tables, *found.course_tables)]
    if id := same_id(word, tables):
        _put_table(id, found)
    elif id := same_id(word, (picture.id for picture in pictures.of_study(found.plan))):
        _put_figure(id, found)
    elif id := same_id(word, CATALOGUE):
        raise DataError(NOTHING.format(f"table {id}", found.study.name), f"Tables with content: {', '.join(tables)}.")
    else:
        return False
    return True


def _refuse_json(word: str, as_json: bool) -> None:
    if as_json:
        remedy = "Give bnstudy claims --json, or bnstudy table ID for CSV."
        raise UsageError(f"{word} --json: only cells have JSON", remedy)


def _asking(question: "Question", study: str, config: Path) -> str:
    """Return the study whose results answer a question: `study`, or else the first one that asks it. Raises
    UsageError if none does."""
    from bnstudy.questions.cells import asked_by

    def asks(cells: Sequence["Cell"]) -> bool:
        return question.id in asked_by(tuple(cell.key for cell in cells))

    if name := _first_study(study, config, asks):
        return name
    remedy = "The study open of the package's config.yaml has its cells: copy them."
    raise UsageError(f"{question.id}: no study of {config} has all cells that it asks for", remedy)


def _of_the_reports(id: str, study: str, config: Path) -> str:
    """Return the study on which a claim of the course reports is judged: `study`, or else the first one that has a cell
    of theirs. Raises UsageError if none has."""
    from bnstudy.printed.practicals import holds_any

    if name := _first_study(study, config, holds_any):
        return name
    remedy = "The study practicals of the package's config.yaml has their cells: copy them."
    raise UsageError(f"{id}: no study of {config} has a cell of the course reports", remedy)


def _drawing(id: str, study: str, config: Path) -> str:
    """Return the study that draws a figure: `study`, or else the first one that has cells of it; `study` too if the id
    is of no figure, or of one that no study has."""
    from bnstudy.report import pictures
    from bnstudy.tables import planned

    known = {picture.id: picture for picture in pictures.every()}
    if not (found := same_id(id, known)):
        return study
    return _first_study(study, config, lambda cells: known[found].belongs_to(planned(cells, ()))) or study


def _first_study(study: str, config: Path, fits: Callable[[Sequence["Cell"]], bool]) -> str | None:
    """Return `study`, or else the first study of the config whose trained cells fit."""
    from bnstudy.cli import options

    known = options.studies(config)
    return next((name for name in (study, *known) if name in known and fits(known[name].trained)), None)


def _put_question(question: "Question", found: "Findings") -> None:
    """Print a question, its answer, the verdict on its statement, and what that rests on."""
    from bnstudy.claims import questions
    from bnstudy.questions.cells import asked_by
    from bnstudy.report import questions as asked

    on = asked_by(tuple(found.plan["key"]))
    (one,) = questions.judged(found.frames, {question.id: on[question.id]})
    rows = [
        ("section", question.section), ("study", found.study.name), ("expectation", question.expectation),
        ("statement", question.statement), ("verdict", one.verdict.verdict), ("state", one.verdict.state),
        ("written", question.written), ("known before", question.known), ("figure", question.figure),
    ]  # fmt: skip
    console.put(f"{question.id}: {question.question}\n")
    console.put("".join(f"{sentence}\n" for sentence in asked.answer(one, found.frames.runs)))
    console.put_table("", ("", ""), rows)
    _put_parts(one.verdict)


def _put_claim(id: str, found: "Findings") -> None:
    """Print a claim, its verdict, and for each of its parts what is checked and on which numbers."""
    from bnstudy.claims import listing
    from bnstudy.claims.thesis import registry
    from bnstudy.claims.verdicts import printed_support, verdict

    claim = registry()[id]
    with console.waiting(f"judging claim {id}"):
        measured = listing.measure(found.frames, found.timings, listing.reading_of(found.plan))
        decided = verdict(claim, measured)
    _put_judged(claim, decided, printed_support(claim))


def _put_course_claim(id: str, found: "Findings") -> None:
    """Print a claim of the course reports as those of the thesis, and the study that it is judged on."""
    from bnstudy.claims import practicals

    with console.waiting(f"judging claim {id}"):
        claim, decided = next((c, decided) for c, decided in practicals.judged(found.frames) if c.id == id)
    _put_judged(claim, decided, claim.printed, ("study", found.study.name))


def _put_judged(claim: "Claim", decided: "ClaimVerdict", printed: str, *more: tuple[str, str]) -> None:
    """Print a claim and its verdict; `printed`: whether the printed numbers support it."""
    rows = [
        ("section", claim.section), *more, ("verdict", decided.verdict), ("state", decided.state),
        ("printed numbers support it", printed), ("figures and tables", " ".join(claim.figures)),
    ]  # fmt: skip
    console.put(f"{claim.id}: {claim.title}\n")
    console.put_table("", ("", ""), rows)
    _put_parts(decided)


def _put_parts(decided: "ClaimVerdict") -> None:
    """Print for each part of a claim what is checked and on which numbers."""
    from bnstudy.claims import listing
    from bnstudy.report import evidence

    for part in decided.parts:
        console.put(f"\n{part.check}\n{': '.join(filter(None, (part.verdict, listing.true_in(part))))}\n")
        table = evidence.table(part)
        if table["rows"]:
            console.put_table("", table["head"], [_evidence_row(row, table["labels"]) for row in table["rows"]])


def _evidence_row(row: dict[str, Any], labels: int) -> Sequence[str]:
    return [*row["labels"], *[""] * (labels - len(row["labels"])), *(text for text, _ in row["shown"])]


def _put_table(id: str, found: "Findings") -> None:
    """Print a table; if it has no place for the study's cells, say which tables have."""
    from bnstudy.tables.catalogue import CATALOGUE

    known = {t.id: t for t in (*found.tables, *found.course_tables)}
    console.put(known[id].texts()["md"])
    planned = [t.id for t in found.tables if t.planned]
    if id in CATALOGUE and id not in planned and (own := [t for t in planned if t.startswith((f"{id} ", "X."))]):
        console.say(f"the cells of study {found.study.name} are in other tables: {', '.join(own)}")


def _put_figure(id: str, found: "Findings") -> None:
    from bnstudy.report import pictures

    picture = pictures.find(id)
    command = f"bnstudy figure {id} --study {found.study.name}"
    with_runs = picture.cells(found) & {*found.frames.runs["key"]}
    rows = [*picture.row(found).items(), ("cells with runs", len(with_runs))]
    if picture.state(found) == pictures.NOT_RUN:
        command = pictures.remedy(picture, found)
    console.put_table("", ("", ""), [*rows, ("draw it", command)])


def of_cell(key: str, found: "Findings") -> dict[str, Any]:
    """Return what a study's results say of a cell: `printed` (place, printed value, ours, verdict and what it rests on)
    and `claims` (id, verdict, title) that are judged on it, open questions among them."""
    from bnstudy.claims import listing, questions
    from bnstudy.questions.cells import asked_by
    from bnstudy.report import cells

    with console.waiting(f"judging the claims on study {found.study.name}"):
        measured = listing.measure(found.frames, found.timings, listing.reading_of(found.plan))
        judged = [(claim, decided) for claim, decided in listing.judged(measured) if key in decided.cells]
        asked = questions.judged(found.frames, asked_by(tuple(found.plan["key"])))
        judged += [(one.claim, one.verdict) for one in asked if key in one.verdict.cells]
        printed = [number for number in cells.numbers(found) if number["key"] == key]
    return {
        "printed": printed,
        "claims": [{"id": c.id, "verdict": decided.verdict, "title": c.title} for c, decided in judged],
    }


def put_of_cell(said: dict[str, Any]) -> None:
    """Print what `of_cell` returns."""
    for number in said["printed"]:
        limit = f", h {number['h']}" if number["h"] else ""
        console.put(
            f"\n{number['where']}: printed {number['printed']} %, ours {number['own']} % (mean of {number['n']} runs), "
            f"ours − printed {number['difference']}{limit}, margin {number['margin']}: {number['verdict']}\n"
        )
    if said["printed"]:
        console.say("h: how far one printed run may lie from our mean by chance (95 %); see docs/verdicts.md")
    if said["claims"]:
        rows = [(claim["id"], claim["verdict"], claim["title"]) for claim in said["claims"]]
        console.put_table("", ("claim", "verdict", "title"), rows)
