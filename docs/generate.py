"""docs/reference/ from the code, the measured numbers of other pages (stated.py), and the outputs of the notebook:
`make docs` writes them; tests/test_docs.py, test_stated.py and test_notebook.py fail when they are out of date.
"""

import contextlib
import inspect
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer

import notebooks
import stated
from bnstudy.claims import REGISTRY as CLAIMS
from bnstudy.claims import practicals, questions
from bnstudy.cli import app
from bnstudy.cli.extensions import everywhere
from bnstudy.design.fields import FIELDS, HINTS
from bnstudy.design.labels import ALL_SETTINGS, READINGS, SETTINGS
from bnstudy.design.model_facts import MODELS, OPTIONAL, Field
from bnstudy.design.rules import ACTS
from bnstudy.networks import augmentations
from bnstudy.questions import cells
from bnstudy.questions import registry as open_questions
from bnstudy.results import frames, provenance, record
from bnstudy.results.record import LAYER_COLUMNS, Record
from bnstudy.studies import choices
from bnstudy.studies.config import draws
from bnstudy.studies.config.blocks import StudyBlock, Top
from text import say, table

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generate.py (`make docs`); edit the code instead. -->\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
    stated.write()
    notebooks.write()


def pages() -> dict[str, str]:
    """File name -> text of every page of the reference."""
    made = {"config.md": config_page(), "cli.md": cli_page(), "record.md": record_page(), "claims.md": claims_page(),
            "questions.md": questions_page()}  # fmt: skip
    return {name: NOTE + "\n".join(lines).rstrip() + "\n" for name, lines in made.items()}


def code(words: Iterable[Any]) -> str:
    return ", ".join(f"`{plain(word)}`" for word in words)


def plain(value: Any) -> str:
    """A value as config.yaml has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "[" + ", ".join(map(str, value)) + "]" if isinstance(value, tuple) else str(value)


# config.yaml


def config_page() -> Iterator[str]:
    yield "# config.yaml\n"
    yield "What may stand in the file ([config/README.md](../../config/README.md)), and in `bnstudy try key=value`.\n"
    yield say(
        f"Top: {code(Top.model_fields)}. A study: {code(StudyBlock.model_fields)}.",
        "A grid in `cells`: the fields below, `setting` and `reading`; each takes one value or a list.",
        f"`random: {{lr: {{log: [0.0001, 1]}}, draws: 20}}` draws numbers instead, evenly ({code(draws.HOW)}).",
    )
    yield "## Fields of a cell\n"
    yield from table(("field", "values", "default", "meaning"), map(field_row, FIELDS))
    yield say("A field at its default leaves a cell's key as it is. Where it has no effect, it has to stay there:")
    conditions = ((field, ", or ".join(rule.otherwise for rule in rules)) for field, rules in ACTS.items())
    yield from table(("field", "has no effect if"), ((field_code(field), why) for field, why in conditions))
    yield "The following fields depend on the model.\n"
    yield from table(("field", "has no effect in", "because"), model_rows())
    yield "## Settings\n"
    yield f"Rows of tables B.1 and B.2. `setting: all` is {code(ALL_SETTINGS)}.\n"
    yield from table(("setting", "fields"), named(SETTINGS))
    yield "## Readings\n"
    yield "Ways to understand an ambiguous sentence of the thesis ([design](../design.md#the-default-reading)).\n"
    yield from table(("reading", "fields"), named(READINGS))


def named(entries: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for name, fields in entries.items():
        yield f"`{name}`", code(f"{key}: {plain(value)}" for key, value in fields.items()) or "-"


def field_code(field: Field) -> str:
    return code(["=".join(map(plain, (field,) if isinstance(field, str) else field))])


def model_rows() -> Iterator[tuple[str, str, str]]:
    """One row per field and reason: the models in which the field has no effect."""
    fields = dict.fromkeys([*OPTIONAL, *(field for facts in MODELS.values() for field in facts.lacks)])
    for field in fields:
        models: dict[str, list[str]] = {}
        for model, facts in MODELS.items():
            if reason := facts.inert(field):
                models.setdefault(reason, []).append(model)
        for reason, names in models.items():
            yield field_code(field), code(names), reason


def field_row(name: str) -> tuple[str, str, str, str]:
    spec = FIELDS[name]
    default = "required" if repr(spec.default).startswith("<dataclasses") else f"`{plain(spec.default)}`"
    return f"`{name}`", values_of(name), "none" if spec.default is None else default, spec.metadata["doc"]


def values_of(name: str) -> str:
    """The names, the choices or the range that a field may have."""
    hint, meta = HINTS[name], FIELDS[name].metadata
    if name == "augment":
        return code(["none", *augmentations.TRANSFORMS]) + ", or several joined by `_` in this order"
    if name in choices.REGISTRIES:
        return code(choices.REGISTRIES[name])
    if get_origin(hint) is Literal:
        return code(get_args(hint))
    if hint is bool:
        return code([True, False])
    kinds = [kind for kind in get_args(hint) or (hint,) if kind not in (type(None), Ellipsis)]
    kind = {int: "whole number", float: "number", str: "name"}[kinds[0]]
    kind = f"list of {kind}s" if get_origin(hint) is tuple else kind
    low = f"above {meta['above']:,}" if meta["above"] > -math.inf else f"from {meta['low']:,}"
    return f"{kind} {low}" + (f" to {meta['high']:,}" if meta["high"] < math.inf else "")


# command line


def cli_page() -> Iterator[str]:
    yield "# Command line\n"
    yield say(
        "Exit codes: 0 done, 2 usage or config, 65 bad data, 70 internal, 73 cannot write, 75 try again.",
        "An error is one line on the cause and one on what to do.",
        "What `--json` prints is one JSON list on stdout, and nothing else there.",
    )
    command = everywhere(typer.main.get_command(app))
    for words in [(), *verbs(command)]:
        yield f"## bnstudy {' '.join(words)}\n".replace(" \n", "\n")
        yield f"```text\n{help_of(command, words)}\n```\n"


def verbs(command: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, below in getattr(command, "commands", {}).items():
        yield (*above, name)
        yield from verbs(below, (*above, name))


def help_of(command: Any, words: Sequence[str]) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        command(args=[*words, "--help"], prog_name="bnstudy")
    return "\n".join(line.rstrip() for line in said.getvalue().strip().splitlines())


# records and frames


def record_page() -> Iterator[str]:
    yield "# Records and frames\n"
    yield "A record is `results/records/<key>/<seed>.json`: one trained cell and seed, with a digest of itself.\n"
    yield f"```text\n{inspect.getdoc(Record)}\n```\n"
    yield say(
        f"`provenance`: {code(provenance.of_run(1, 'packed', 'cpu', 'default', '', ''))}; on a GPU also",
        "`gpu`, `cuda`, `cudnn`, `driver`. `source_digest` is of the package's own modules, and `+name:digest` of each",
        "extension.",
    )
    yield "## epochs\n"
    yield from table(("column", "what"), commented("EPOCH_COLUMNS"))
    yield "## layers\n"
    yield say(f"One value per epoch (from 1) and layer: {code(LAYER_COLUMNS)}.")
    yield from table(("share", "what"), commented("SHARES"))
    yield "## early\n"
    yield say("One value per sampled step of the first epoch (the first 20, then ever sparser) and layer.")
    yield from table(("column", "what"), commented("EARLY_COLUMNS"))
    yield "## Frames\n"
    yield "`results/frames/<study>/*.parquet`, and what `bnstudy.load` gives.\n"
    yield f"```text\n{inspect.getdoc(frames.Frames)}\n```\n"
    yield say(f"Columns of runs: {code(c for c in frames.RUN_COLUMNS if c not in FIELDS)}, and the fields of the cell.")


def commented(name: str) -> Iterator[tuple[str, str]]:
    """Each string of a tuple in record.py with the comment behind it."""
    block = re.search(rf"^{name} = \($(.*?)^\)$", inspect.getsource(record), re.MULTILINE | re.DOTALL)
    for value, comment in re.findall(r'^    "([\w.]+)",(?:  # (.*))?$', block[1] if block else "", re.MULTILINE):
        yield f"`{value}`", comment


# claims


def claims_page() -> Iterator[str]:
    yield "# The claims\n"
    yield say(
        f"The {len(CLAIMS)} sentences of the thesis that can be checked, and what its own tables say of each. How they",
        "are judged: [claims](../claims.md). `bnstudy claims` lists them with their verdicts.",
    )
    head = ("id", "section", "claim", "shown in", "evidence", "printed tables")
    rows = (
        (
            anchored(c.id),
            c.section,
            c.title,
            ", ".join(c.figures),
            ", ".join(dict.fromkeys(p.kind for p in c.parts)),
            c.printed,
        )
        for c in CLAIMS.values()
    )
    yield from table(head, rows)
    yield "\n## The course reports\n"
    yield say(
        f"The {len(practicals.registry())} claims of the three course reports, judged by the same rules on the rows of",
        "tables P.1 to P.3, which the study `practicals` trains.",
    )
    reported = (
        (anchored(c.id), c.section, c.title, ", ".join(dict.fromkeys(p.kind for p in c.parts)), c.printed)
        for c in practicals.registry().values()
    )
    yield from table(("id", "section", "claim", "evidence", "the report's own numbers"), reported)


# questions


def questions_page() -> Iterator[str]:
    yield "# The open questions\n"
    yield say(
        f"The {len(open_questions())} questions that the thesis leaves open, written before their runs. What is",
        "judged, and by which rules: [questions](../questions.md). The study `open` trains their cells.",
    )
    for q in open_questions().values():
        yield f'\n## <a id="{q.id.lower()}"></a>{q.id}: {q.question}\n'
        per_dataset = len(cells.cells(q.id)[q.datasets[0]])
        facts = {
            "section": q.section, "written": q.written, "cells": f"{per_dataset} on each of {', '.join(q.datasets)}",
            "known before": q.known, "the thesis expects": q.expectation, "statement": q.statement, "figure": q.figure,
        }  # fmt: skip
        yield from table(("", ""), facts.items())
        yield ""
        for part in questions.registry()[q.id].parts:
            yield f"- {part.kind}: {part.check}"


def anchored(name: str) -> str:
    """A name that other pages can link to."""
    return f'<a id="{name.lower()}"></a>{name}'


if __name__ == "__main__":
    main()
