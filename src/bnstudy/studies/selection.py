"""Select cells and runs on the command line: by name, by key=value conditions, from files of cells. Stdlib only."""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from bnstudy import extensions, small_json
from bnstudy.design.cell import Cell, Run, make_cell
from bnstudy.design.fields import FIELDS, FORMS
from bnstudy.design.labels import READINGS, SETTINGS, labels, name
from bnstudy.design.labels import cell_of as labelled_cell
from bnstudy.design.study import MAX_SEED, MAX_SEEDS, Study, describe
from bnstudy.design.words import as_word, fields_of, hint
from bnstudy.errors import UsageError, nearest
from bnstudy.studies import choices

SEED = "[0-9]{1,9}"  # ASCII digits only, and below 2^31
LABELS = ("name", "key", "setting", "reading")
"""Members of a row of `bnstudy cells --json` that follow from its fields."""
SELECTABLE = (*LABELS, *FIELDS)
SHORTEST = 4  # characters of a name or key that may stand for all of it
LISTED = 4  # cells that an error lists
MOST_CELLS = 1 << 26  # bytes of the largest file of cells; a row has about a thousand


def where(cells: Sequence[Cell], conditions: Iterable[str]) -> tuple[Cell, ...]:
    """Return the cells that meet every condition. Several values of one key, `key=a,b` or `key=a` and `key=b`, are
    alternatives.

    Keys are cell fields and setting, reading, name, key. Raises UsageError on an unknown key and on a value that none
    of the cells has, naming the nearest match; and if no cell meets all conditions, with the cells each alone leaves.
    """
    wanted: dict[str, set[str]] = {}
    for condition in conditions:
        key, sign, value = condition.partition("=")
        if not sign:
            raise UsageError(f"--where {condition}: not of the form key=value", "Write for instance --where model=mlp.")
        if key not in SELECTABLE:
            raise UsageError(f"--where {key}: no such key{hint(key, SELECTABLE)}", f"Keys: {', '.join(SELECTABLE)}.")
        wanted.setdefault(key, set()).update(_asked(key, each) for each in value.split(","))
    rows = [(cell, {k: as_word(v) for k, v in describe(cell).items()}) for cell in cells]
    for key, values in wanted.items():
        present = {row[key] for _, row in rows}
        for value in sorted(values - present):
            raise UsageError(
                f"--where {key}={value}: no cell of this study has this value{nearest(value, present)}",
                f"Values here: {', '.join(sorted(present)[:20])}.",
            )
    found = tuple(cell for cell, row in rows if all(row[k] in v for k, v in wanted.items()))
    if rows and not found:
        asked = (f"{k}={','.join(sorted(v))}" for k, v in wanted.items())
        alone = {k: sum(row[k] in v for _, row in rows) for k, v in wanted.items()}
        raise UsageError(
            f"--where {' '.join(asked)}: no cell meets all of these",
            f"Each alone leaves: {', '.join(f'{k} {count}' for k, count in alone.items())} of {len(rows)} cells.",
        )
    return found


def _asked(key: str, typed: str) -> str:
    """Return a typed value as `as_word` writes it: in a field of decimals 1e-3 and 0.0010 become 0.001."""
    if key in FORMS and FORMS[key].type is float:
        with suppress(ValueError):
            return as_word(float(typed))
    return typed.lower() if key in FORMS and FORMS[key].type is bool else typed


def find(cells: Iterable[Cell], wanted: str) -> Cell:
    """Return the cell with this name or key, or what is short for it.

    A name without its key is the cell of that name in the default reading; the first characters of a key or name are
    enough if no other cell has them. Raises UsageError on none, naming the nearest, and on several, listing them.
    """
    cells = list(dict.fromkeys(cells))
    names = {cell: name(cell) for cell in cells}
    ways = (
        lambda cell: wanted in (cell.key, names[cell]),
        lambda cell: wanted == names[cell].rpartition("-")[0] and labels(cell)[1] == "default",
        lambda cell: wanted == names[cell].rpartition("-")[0],
        lambda cell: len(wanted) >= SHORTEST and (cell.key.startswith(wanted) or names[cell].startswith(wanted)),
    )
    found = next((found for way in ways if (found := [cell for cell in cells if way(cell)])), [])
    if len(found) == 1:
        return found[0]
    shown = wanted if wanted.isprintable() else ascii(wanted)
    if found:
        listed = ", ".join(names[cell] for cell in found[:LISTED]) + ", ..." * (len(found) > LISTED)
        raise UsageError(f"{shown}: {len(found)} cells match", f"Add more of the name or key: {listed}.")
    known = [k for cell in cells for k in (names[cell], cell.key)]
    remedy = (
        f"To choose cells by fields, write --where {shown}; `bnstudy try` takes the fields of one cell."
        if "=" in wanted
        else f"List the cells with `bnstudy cells`.{extensions.hint()}"
    )
    raise UsageError(f"{shown}: no such cell{nearest(wanted, known)}", remedy)


def narrow(study: Study, conditions: Any, seeds: Any) -> Study:
    """Return the part of a study that meets `conditions` (text or a sequence of key=value), with these seeds."""
    if conditions:
        words = conditions.split() if isinstance(conditions, str) else conditions
        study = replace(study, cells=where(study.cells, words))
    if seeds is not None:
        study = replace(study, seeds=parse_seeds(seeds))
    return study


def parse_seeds(text: Any) -> tuple[int, ...]:
    """Read seeds: `3` is a count, for 0, 1, 2; `0,4,5` is a list, and so is `4,`. Raises UsageError."""
    compact = str(text).replace(" ", "")
    words = compact.removesuffix(",").split(",")
    seeds = [int(word) for word in words if re.fullmatch(SEED, word)]
    is_count = "," not in compact
    if is_count and seeds and seeds[0] > MAX_SEEDS:
        raise UsageError(
            f"--seeds {text}: more than {MAX_SEEDS} seeds", f"For seed {seeds[0]} alone write --seeds {seeds[0]},"
        )
    if len(set(seeds)) != len(words) or (is_count and not seeds[0]):
        raise UsageError(
            f"--seeds {text or repr(text)}: not seeds",
            "Write a count such as 3 (seeds 0, 1, 2) or a list such as 0,4,5 or 4,.",
        )
    return tuple(range(seeds[0])) if is_count else tuple(seeds)


def named_runs(names: Sequence[str], studies: Iterable[Study], seeds: str | None) -> list[Run]:
    """Return the runs that NAME[:SEED] words name among the cells of these studies. Raises UsageError."""
    known = {cell.key: (cell, study.seeds) for study in reversed(list(studies)) for cell in study.cells}
    runs = []
    for word in names:
        which, _, seed = word.partition(":")
        if seed and seeds is not None:
            raise UsageError(f"{word} with --seeds {seeds}: seeds are given twice", "Leave out one of them.")
        cell = find((cell for cell, _ in known.values()), which)
        chosen_seeds = (seed_of(seed, word),) if seed else known[cell.key][1] if seeds is None else parse_seeds(seeds)
        runs += [Run(cell, s) for s in chosen_seeds]
    return runs


def seed_of(text: str, word: str) -> int:
    """Read the seed of NAME:SEED. Raises UsageError."""
    if not re.fullmatch(SEED, text):
        raise UsageError(f"{word}: {text!r} is not a seed", "A seed is a whole number from 0, as in NAME:0.")
    return int(text)


def meeting(runs: Sequence[Run], conditions: Sequence[str] | None) -> list[Run]:
    """Return the runs whose cells meet the `--where` conditions. Raises UsageError."""
    chosen = set(where(tuple(dict.fromkeys(run.cell for run in runs)), conditions or ()))
    return [run for run in runs if run.cell in chosen]


def runs_in(file: Path, conditions: Sequence[str] | None, seeds: str | None) -> list[Run]:
    """Return the runs in a file of rows as `bnstudy cells --json` prints them. Raises UsageError naming the row."""
    anew = "Write it with `bnstudy cells --json`."
    try:
        rows = small_json.read(file, list, MOST_CELLS)
    except OSError as error:
        raise UsageError(f"{file}: {(error.strerror or str(error)).lower()}", anew) from error
    except ValueError as error:
        raise UsageError(f"{file}: not a list of cells ({error})", anew) from error
    runs: list[Run] = []
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or not isinstance(row.get("seeds"), list):
            raise UsageError(f"{file}: row {index} has no list of `seeds`", anew)
        row_seeds = row["seeds"]
        try:
            cell = make_cell({k: v for k, v in row.items() if k not in (*LABELS, "seeds")})
        except UsageError as error:
            raise UsageError(f"{file}: row {index}: {error.cause}", error.remedy) from error
        own = describe(cell)
        if odd := [label for label in LABELS if row.get(label) not in (None, own[label])]:
            has = f"{odd[0]} {row[odd[0]]!a}"
            raise UsageError(f"{file}: row {index} has {has}, but its fields give {own[odd[0]]}", anew)
        if wrong := [seed for seed in row_seeds if type(seed) is not int or not 0 <= seed <= MAX_SEED]:
            raise UsageError(
                f"{file}: row {index}: {str(wrong[0])[:40]!a} is not a seed", f"Seeds are whole numbers to {MAX_SEED}."
            )
        if len(set(row_seeds)) < len(row_seeds):
            raise UsageError(f"{file}: row {index}: a seed is given twice", "Give each seed once.")
        runs += [Run(cell, s) for s in (row_seeds if seeds is None else parse_seeds(seeds))]
    return meeting(runs, conditions)


def cell_of(words: list[str]) -> Cell:
    """Return the cell that `key=value` words describe; `setting` and `reading` are short for their fields."""
    fields = fields_of(words)
    chosen = {}
    for key, names in (("setting", SETTINGS), ("reading", READINGS)):
        if (word := fields.pop(key, None)) is not None:
            if word not in names:
                raise UsageError(f"{key}={word}: no such {key}{nearest(word, names)}", f"Known: {', '.join(names)}.")
            chosen[key] = word
    return choices.check(labelled_cell(fields, **chosen))


def spread_where(words: list[str]) -> list[str]:
    """Rewrite `--where a=b c=d` as `--where a=b --where c=d`: an option takes one value, but people write several."""
    out: list[str] = []
    inside = False
    for word in words:
        if word.startswith("-"):
            inside = word == "--where" or word.startswith("--where=")
        elif inside and "=" in word and out[-1] != "--where":
            out.append("--where")
        out.append(word)
    return out
