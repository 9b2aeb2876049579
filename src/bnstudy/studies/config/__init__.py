"""Parse config.yaml into studies, strictly: nothing is guessed, and every error names its line.

`text` reads the file into plain values with their lines, `blocks` defines what is allowed where, `grids` expands grids
into cells. Only this package imports pydantic and YAML; it never imports torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from bnstudy import extensions
from bnstudy.design.study import Study
from bnstudy.design.words import hint
from bnstudy.errors import UsageError, nearest
from bnstudy.studies.config.blocks import Top
from bnstudy.studies.config.grids import expand
from bnstudy.studies.config.text import REFUSED, Tree, read

SHOWN = 20  # errors listed at once


@dataclass(frozen=True, slots=True)
class Config:
    """The content of config.yaml. `margins` are points of test accuracy by data set, with `default` for the others
    (docs/design.md, verdicts)."""

    path: Path
    studies: Mapping[str, Study]
    margins: Mapping[str, float]

    def study(self, name: str) -> Study:
        """Return the study of this name. Raises UsageError naming the nearest match."""
        if name not in self.studies:
            cause = f"{name}: no such study in {self.path}{nearest(name, self.studies)}"
            raise UsageError(cause, f"Studies: {', '.join(self.studies)}.{extensions.hint()}")
        return self.studies[name]


def load(path: str | Path = "config.yaml") -> Config:
    """Read the studies of a config file, and those that extensions add.

    Raises UsageError; its cause has one line per error: file, line, key, what was found, what is allowed.
    """
    config = _load(Path(path))
    studies = dict(config.studies)
    for extension in extensions.loaded():
        if extension.config is None or extension.config.resolve() == config.path.resolve():
            continue
        for name, study in _load(extension.config).studies.items():
            if name in studies:
                raise UsageError(f"{extension.config}: the study {name} is also in {path}", "Rename one of the two.")
            studies[name] = study
    return replace(config, studies=MappingProxyType(studies))


def _load(path: Path) -> Config:
    tree = read(path)
    try:
        top = Top.model_validate(tree.root)
    except ValidationError as error:
        _tell(tree, error)
        raise _refusal(tree) from None
    if tree.errors:
        raise _refusal(tree)
    studies = expand(tree, top)
    if tree.errors:
        raise _refusal(tree)
    return Config(path, MappingProxyType(studies), MappingProxyType(top.margins))


def _tell(tree: Tree, error: ValidationError) -> None:
    """Add each of pydantic's errors to the tree."""
    for each in error.errors():
        found = each["input"]
        if found is REFUSED or (isinstance(found, list) and any(one is REFUSED for one in found)):
            continue  # already reported by the reader
        at = tuple(part for part in each["loc"] if part != "[key]")
        if each["type"] == "extra_forbidden":
            known = Top.keys_at(at)
            tree.error(at, f"no such key{hint(str(at[-1]), known)}; Allowed: {', '.join(known)}.", at_key=True)
        elif each["type"] == "refused":
            names = {str(part) for part in at[-2:]}
            head, _, tail = each["msg"].partition(": ")
            tree.error(at, tail if head in names else each["msg"], at_key="[key]" in each["loc"])
        elif each["type"] == "missing":
            tree.error(at, "missing; Add it.")
        else:
            tree.error(at, f"{_kind(found)} is not allowed; {_WANTED.get(each['type'], each['msg'])}")


_WANTED = {
    "model_type": "A mapping of keys to values is required here.",
    "dict_type": "A mapping of keys to values is required here.",
    "list_type": "A list is required here.",
    "too_short": "Give at least one.",
}


def _kind(value: object) -> str:
    if isinstance(value, list | dict):
        return ("a list" if isinstance(value, list) else "a mapping") if value else "nothing"
    return repr(value)


def _refusal(tree: Tree) -> UsageError:
    lines = tree.problems()
    more = [f"{tree.path}: and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    count = "1 error" if len(lines) == 1 else f"{len(lines)} errors"
    return UsageError("\n".join([*lines[:SHOWN], *more]), f"Correct {tree.path} ({count}) and run the command again.")
