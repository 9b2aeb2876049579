"""The identity of a training: `Cell` (one point of the design) and `Run` (a cell with a seed). Stdlib only.

A cell's key is a hash of its non-default fields. So a field added later, with a default that changes nothing,
invalidates no result; a change of training semantics bumps `recipe`, which invalidates all of them.
"""

import functools
import hashlib
import json
from dataclasses import fields
from typing import Any, NamedTuple

from bnstudy.design.fields import FIELDS, Fields, checked
from bnstudy.design.rules import check, inert
from bnstudy.design.words import hint
from bnstudy.errors import UsageError


class Cell(Fields):
    """One point of the design, without the seed.

    Raises UsageError on what `Fields` refuses, on a field that has no effect in this cell, and on a field that is
    missing (`rules`).
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, self.non_default())

    def non_default(self) -> dict[str, Any]:
        """Return the fields that identify this cell: those without default, and those not at their default."""
        return {s.name: getattr(self, s.name) for s in fields(self) if getattr(self, s.name) != s.default}

    @property
    def periods(self) -> int:
        """Evaluations in a full training: epochs, or periods of `eval_every` steps, the last of them maybe shorter."""
        return self.epochs if self.steps is None else -(-self.steps // self.eval_every)

    @property
    def key(self) -> str:
        """12 hex digits of SHA-256 over the canonical JSON of the non-default fields."""
        return _key(self)


@functools.lru_cache(1 << 15)
def _key(cell: Cell) -> str:
    text = json.dumps(cell.non_default(), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Run(NamedTuple):
    """A cell with a seed: what one record holds."""

    cell: Cell
    seed: int

    @property
    def id(self) -> str:
        return f"{self.cell.key}/{self.seed}"


def make_cell(values: dict[str, Any], switches: dict[str, Any] | None = None) -> Cell:
    """Return the cell with these field values, and with those of a reading's `switches` that have an effect in it.

    Raises UsageError on an unknown field (naming the nearest) and on everything `Cell` refuses.
    """
    for name in (*values, *(switches or {})):
        if name not in FIELDS:
            raise UsageError(f"{name}: no such field{hint(name, FIELDS)}", f"Fields: {', '.join(FIELDS)}.")
    for name in ("dataset", "model", "norm"):
        if name not in values:
            raise UsageError(f"{name}: missing", f"Give {name}=..., for instance model=mlp dataset=mnist norm=batch.")
    cell = Cell(**values)
    acting = {n: v for n, v in (switches or {}).items() if not inert(cell, n, checked(n, v))}
    return Cell(**{**values, **acting}) if acting else cell
