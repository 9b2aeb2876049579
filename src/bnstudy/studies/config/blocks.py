"""What config.yaml may contain: one pydantic model per kind of block.

A grid's keys are generated from the fields of `Cell` and checked by the same functions, so a hyperparameter added there
is accepted here, with the same limits and messages.
"""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, create_model
from pydantic_core import PydanticCustomError

from bnstudy import datasets, extensions
from bnstudy.design.fields import FIELDS, FORMS, checked
from bnstudy.design.labels import READINGS, SETTINGS
from bnstudy.design.study import MAX_SEED, MAX_SEEDS, STUDY_PATTERN
from bnstudy.errors import UsageError, nearest
from bnstudy.studies import choices
from bnstudy.studies.config import draws

RULES = ("data", "train", "cell", "time", "aggregate", "report")
"""The rules in workflow/rules. Each study adds a rule with its name."""


def _refusing(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wrap a check that raises UsageError as a pydantic validator."""

    def validate(value: Any) -> Any:
        try:
            return check(value)
        except UsageError as error:
            message: Any = f"{error.cause}; {error.remedy}"
            raise PydanticCustomError("refused", message) from None

    return validate


def _several(check: Callable[[Any], Any], default: Any) -> tuple[Any, Any]:
    """Return a model's field for one value or a non-empty list of them; stored as a list."""
    as_list = BeforeValidator(lambda value: value if isinstance(value, list) else [value])
    return Annotated[list[Annotated[Any, PlainValidator(_refusing(check))]], Field(min_length=1), as_list], default


def _field(name: str) -> tuple[Any, Any]:
    if FORMS[name].is_list:  # a list of numbers is one value, a list of lists several values
        listed = BeforeValidator(lambda value: value if _is_list_of_lists(value) else [value])
        return Annotated[list[Annotated[Any, PlainValidator(_refusing(partial(checked, name)))]], listed], []

    def check(value: Any) -> Any:
        return choices.check_name(name, checked(name, value))

    return _several(check, ... if name in ("dataset", "model", "norm") else [])


def _is_list_of_lists(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, list) for each in value)


def _one_of(key: str, known: Callable[[], Iterable[str]]) -> Callable[[Any], str]:
    """Return a check that a value is one of the names. `known` is called at each check: extensions add names."""

    def check(value: Any) -> str:
        names = tuple(known())
        if not isinstance(value, str) or value not in names:
            remedy = f"Allowed: {', '.join(names)}.{extensions.hint()}"
            raise UsageError(f"{key}: {value!r} is not allowed{nearest(value, names)}", remedy)
        return value

    return check


def _seeds(value: Any) -> tuple[int, ...]:
    """Return the seeds from a count, or from a list of distinct integers from 0."""
    seeds: Any = range(value) if type(value) is int and 0 <= value <= MAX_SEEDS else value
    legal = isinstance(seeds, list | range) and all(type(seed) is int and 0 <= seed <= MAX_SEED for seed in seeds)
    if not legal or not 1 <= len(set(seeds)) == len(seeds) <= MAX_SEEDS:
        allowed = f"Give a count from 1 to {MAX_SEEDS}, or a list of distinct integers from 0 to {MAX_SEED}."
        raise UsageError(f"seeds: {value!r} is not allowed", allowed)
    return tuple(seeds)


def _points(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 100:
        raise UsageError(f"margins: {value!r} is not allowed", "Give points of accuracy above 0 and at most 100.")
    return float(value)


def _with_default(margins: dict[str, float]) -> dict[str, float]:
    if "default" not in margins:
        raise UsageError("margins: default is missing", "Add default, the margin of all other data sets.")
    return margins


def _question(value: Any) -> str:
    if not isinstance(value, str) or not 3 <= len(value.strip()) <= 300 or "\n" in value.strip():
        raise UsageError(f"question: {value!r} is not allowed", "Ask one question on one line of 3 to 300 characters.")
    return value.strip()


def _timing(value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"timing: {value!r} is not allowed", "Write true to time epochs instead of training.")
    return value


def _study_name(value: str) -> str:
    if value in RULES:
        raise UsageError("this is the name of a rule of the workflow", "Give the study another name.")
    if not re.fullmatch(STUDY_PATTERN, value):
        allowed = "A study's name has at most 40 lower-case letters, digits and underscores, and begins with a letter."
        raise UsageError("this is not a name", allowed)
    return value


class Block(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Grid = create_model(
    "Grid",
    __base__=Block,
    **{name: _field(name) for name in FIELDS if name != "recipe"},  # type: ignore[arg-type]  # recipe follows the code
    setting=_several(_one_of("setting", lambda: ("all", *SETTINGS)), []),
    reading=_several(_one_of("reading", lambda: READINGS), []),
    random=(Annotated[Any, PlainValidator(_refusing(draws.parsed))], None),
)

Seeds = Annotated[Any, PlainValidator(_refusing(_seeds))]
DatasetName = Annotated[str, AfterValidator(_refusing(_one_of("margins", lambda: ("default", *datasets.REGISTRY))))]
StudyName = Annotated[str, AfterValidator(_refusing(_study_name))]
Timing = Annotated[Any, PlainValidator(_refusing(_timing))]
Points = Annotated[Any, PlainValidator(_refusing(_points))]


class StudyBlock(Block):
    question: Annotated[Any, PlainValidator(_refusing(_question))]
    seeds: Seeds = None
    timing: Timing = False
    cells: Annotated[list[Grid], Field(min_length=1)]  # type: ignore[valid-type]


class Top(Block):
    """The whole file. Margins in points of test accuracy (docs/design.md, verdicts)."""

    seeds: Seeds = (0, 1, 2)
    margins: Annotated[dict[DatasetName, Points], AfterValidator(_refusing(_with_default))] = {
        "default": 1.0,
        "mnist": 0.3,
    }
    studies: Annotated[dict[StudyName, StudyBlock], Field(min_length=1)]

    @staticmethod
    def keys_at(at: tuple[str | int, ...]) -> tuple[str, ...]:
        """Return the keys allowed next to the one at this place."""
        return tuple({1: Top, 3: StudyBlock}.get(len(at), Grid).model_fields)
