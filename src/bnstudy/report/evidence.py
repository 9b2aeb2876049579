"""The evidence of a claim as a table: what was read of each cell, by norm or by seed, and which rows decide."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from bnstudy.claims.catalogue import PER_SEED, REDRAWN
from bnstudy.claims.listing import number
from bnstudy.claims.verdicts import FAILS, UNDECIDED, PartVerdict
from bnstudy.design.labels import NORMS
from bnstudy.figures import style

Value = tuple[str, str]
"""A number as it is shown, and the key of the cell it is of; no key if it is of no single cell."""


def table(part: PartVerdict) -> dict[str, Any]:
    """head (labels, then values), labels (how many of these), rows (labels, shown values, decides) of what a part read.

    Of several places that are each asked alone, the rows of the one with the lowest share of redraws decide, unless the
    part holds.
    """
    if part.kind in PER_SEED:
        return _table(*_by_seed(part))
    if part.kind in REDRAWN and any(len(at) == 4 for at in part.numbers):
        return _table(*_by_norm(part))
    names = [((str(at[0]).replace("_", " "),), [_value(part, at)], False) for at in part.numbers]
    return _table(["row" if part.cells else "number"], ["mean, %" if part.cells else "value"], names)


def _table(labels: Sequence[str], values: Sequence[str], rows: Sequence[Any]) -> dict[str, Any]:
    found = [{"labels": words, "shown": numbers, "decides": decides} for words, numbers, decides in rows]
    return {"head": [*labels, *values], "labels": len(labels), "rows": found}


def _by_seed(part: PartVerdict) -> Any:
    """A row per number and cell, a column per seed; its head shows for which seeds the part is true."""
    seeds = [f"seed {seed} {'✓' if true else '✗'}" for seed, true in part.true_in.items()]
    rows = []
    for at in part.numbers:
        what, *cell = at
        labels = _cell(cell) if len(cell) == 4 else (str(cell[0]), "", "")
        rows.append(((*labels, str(what).replace("_", " ")), [_value(part, at)], False))
    return ["where", "setting", "norm", "measure"], seeds, _spread(rows)


def _spread(rows: Iterable[Any]) -> list[Any]:
    """Rows whose one value holds a number per seed, with a value for each."""
    return [(labels, [(word, key) for word in text.split(" ")], decides) for labels, [(text, key)], decides in rows]


def _by_norm(part: PartVerdict) -> Any:
    """A row per model, data set and setting or batch size, a column per norm; last, where places are asked alone, the
    share of redraws in which the part is true of the row's."""
    norms = sorted({str(at[-1]) for at in part.numbers}, key=lambda n: (n not in NORMS, [*NORMS, n].index(n)))
    weakest = part.weakest if part.verdict in (FAILS, UNDECIDED) else None
    timed = any(isinstance(at[1], (int, np.integer)) for at in part.numbers)
    rows = []
    for (model, setting, dataset), group in groupby(sorted(part.numbers, key=_rank(part)), key=lambda at: at[:3]):
        of = {str(at[-1]): _value(part, at) for at in group}
        place = (str(model), str(dataset))
        alone = [(f"{100 * part.alone[place]:.0f} %", "")] if place in part.alone else [("", "")] * bool(part.alone)
        decides = weakest is not None and weakest[0] == place
        rows.append((_place(model, dataset, setting), [*(of.get(n, ("", "")) for n in norms), *alone], decides))
    unit = "s" if timed else "%"
    values = [f"{style.norm(n).label}, {unit}" for n in norms] + ["true alone"] * bool(part.alone)
    return ["where", "setting"], values, rows


def _rank(part: PartVerdict) -> Any:
    """The order of the numbers, with those of one row together."""
    rows = list(dict.fromkeys(at[:3] for at in part.numbers))
    return lambda at: rows.index(at[:3])


def _place(model: Any, dataset: Any, setting: Any) -> tuple[str, str]:
    sized = isinstance(setting, (int, np.integer))
    return (
        f"{style.model(str(model))}, {style.dataset(str(dataset))}",
        f"batch size {setting}" if sized else style.setting(str(setting)).label,
    )


def _cell(cell: Sequence[Any]) -> tuple[str, str, str]:
    model, setting, dataset, norm = cell
    return (*_place(model, dataset, setting), style.norm(str(norm)).label)


def _value(part: PartVerdict, at: tuple[Any, ...]) -> Value:
    return number(part.numbers[at], "never" if str(at[0]).startswith("epochs") else "inf"), part.cells.get(at, "")
