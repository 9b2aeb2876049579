"""Read a YAML file into plain values with their lines, and reject everything that two parsers could read differently.

Snakemake reads the same file with PyYAML (YAML 1.1), where `no` is false and `1e-3` is text. So an unquoted word is
accepted only if YAML 1.1 and 1.2 agree on it; aliases, tags and multiple documents are rejected.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml import events as ev
from ruamel.yaml.error import MarkedYAMLError

from bnstudy.errors import UsageError

MAX_BYTES = 32 * 1024
MAX_DEPTH = 8  # a grid's list is at depth 6
REFUSED = object()  # replaces a value whose error is already reported

Place = tuple[str | int, ...]


@dataclass
class Tree:
    """The values of a file, the line (from 1) of each value and key by its place, and the errors (line, text)."""

    path: Path
    root: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    key_lines: dict[Place, int] = field(default_factory=dict)
    errors: dict[tuple[int, str], None] = field(default_factory=dict)

    def error(self, at: Place, why: str, at_key: bool = False, line: int | None = None) -> None:
        """Add an error. If the place is not in the file, it gets the line of its parent."""
        if at and isinstance(at[-1], int) and at not in self.lines:
            at = at[:-1]  # one value in place of a list
        known, place = self.key_lines if at_key else self.lines, at
        while place and place not in known:
            place, known = place[:-1], self.lines
        why = why if len(why) <= 700 else f"{why[:400]} ... {why[-200:]}"
        self.errors[line or known.get(place, 1), f"{dotted(at)}: {why}".removeprefix(": ")] = None

    def problems(self) -> list[str]:
        """Return `file:line: key: why` for each error, sorted by line."""
        return [f"{self.path}:{line}: {text}" for line, text in sorted(self.errors)]


def dotted(at: Place) -> str:
    """Return a place as `studies.demo.cells[0].lr`; keys that are no plain names are quoted."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{_plain(part)}" for part in at)
    return "".join(parts).removeprefix(".")


def _plain(key: str) -> str:
    return key if re.fullmatch(r"[\w-]{1,40}", key) else repr(key[:40])


def read(path: Path) -> Tree:
    """Read a YAML file. Raises UsageError if it cannot be parsed; errors in single values are in the tree."""
    tree = Tree(path)
    stream = _events(path, _text(path))
    try:
        first = next(stream, None)
        if first is None:
            raise _broken(path, 1, "the file is empty", "It needs at least the key studies.")
        tree.root = _value(tree, (), first, stream)
        if (second := next(stream, None)) is not None:
            line = second.start_mark.line + 1
            raise _broken(path, line, "a second document begins here", "Write one document in one file.")
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(error.problem or error.context).split())
        raise _broken(path, mark.line + 1 if mark else 1, f"not YAML: {problem[:200]}", "Correct the line.") from None
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError, AssertionError) as error:
        # text that crashes the YAML parser, such as an escape beyond Unicode
        raise _broken(path, 1, f"not YAML ({type(error).__name__})", "Write plain names and numbers.") from None
    return tree


def _broken(path: Path, line: int, why: str, remedy: str) -> UsageError:
    return UsageError(f"{path}:{line}: {why}", remedy)


# All but the characters printable in both YAML versions, which exclude those that some parsers take for a newline.
_ODD = re.compile("[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def _text(path: Path) -> str:
    """Return the text of the file. Raises UsageError naming the line of a character that is not allowed."""
    try:
        if path.exists() and not path.is_file():
            raise _broken(path, 1, "not a file", "Give a YAML file, for instance --config config.yaml.")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"{path}: cannot be read ({why})", "Give an existing file, for instance --config config.yaml."
        ) from None
    if len(data) > MAX_BYTES:
        raise _broken(
            path, 1, f"larger than {MAX_BYTES // 1024} kB", "A config only defines studies; keep data elsewhere."
        )
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data:
        raise _broken(
            path, data[: data.find(b"\0") + 1].count(b"\n") + 1, "UTF-16 or binary", "Save it as text in UTF-8."
        )
    try:
        text = data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _broken(path, line, f"byte {data[error.start]:#x} is not UTF-8", "Save it as text in UTF-8.") from None
    if odd := _ODD.search(text):
        kind = {"\t": "a tab", "\ufeff": "a byte order mark", "\r": "a carriage return"}.get(
            odd[0], f"the character {odd[0]!r}"
        )
        remedy = "Indent with spaces." if odd[0] == "\t" else "Save it as plain text in UTF-8, without byte order mark."
        raise _broken(path, text.count("\n", 0, odd.start()) + 1, f"{kind} is not allowed", remedy)
    return text


def _events(path: Path, text: str) -> Iterator[Any]:
    """Yield the YAML events that carry values, lazily, so that hostile nesting is rejected at once."""
    yaml, depth = YAML(typ="safe", pure=True), 0
    yaml.version = (1, 1)
    for event in yaml.parse(text):
        line = event.start_mark.line + 1
        if isinstance(event, ev.DocumentStartEvent) and (event.version or event.tags):
            raise _broken(path, line, "a directive (%) is not allowed", "Remove the line.")
        if isinstance(event, ev.MappingStartEvent | ev.SequenceStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _broken(path, line, f"more than {MAX_DEPTH} levels deep", "No key needs more.")
        depth -= isinstance(event, ev.MappingEndEvent | ev.SequenceEndEvent)
        if not isinstance(event, ev.StreamStartEvent | ev.StreamEndEvent | ev.DocumentStartEvent | ev.DocumentEndEvent):
            yield event


def _value(tree: Tree, at: Place, event: Any, stream: Iterator[Any]) -> Any:
    """Return the value that begins with `event`, and store its lines in the tree."""
    tree.lines[at] = event.start_mark.line + 1
    if isinstance(event, ev.AliasEvent) or event.anchor is not None:
        tree.error(at, "anchors and aliases are not allowed; Write the value out.")
    if isinstance(event, ev.AliasEvent):
        return REFUSED
    if event.tag is not None:
        tree.error(at, f"the tag {str(event.tag)!r} is not allowed; Write the plain value.")
    if isinstance(event, ev.ScalarEvent):
        return _scalar(tree, at, event)
    if isinstance(event, ev.MappingStartEvent):
        return _mapping(tree, at, stream)
    values: list[Any] = []
    while not isinstance(event := next(stream), ev.SequenceEndEvent):
        values.append(_value(tree, (*at, len(values)), event, stream))
    return values


def _mapping(tree: Tree, at: Place, stream: Iterator[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while not isinstance(event := next(stream), ev.MappingEndEvent):
        line = event.start_mark.line + 1
        errors = len(tree.errors)
        key = _value(tree, (*at, getattr(event, "value", "?")), event, stream)
        if not isinstance(key, str):
            if len(tree.errors) == errors:
                tree.error(at, "a key must be a name; Write a plain word.", line=line)
            _value(tree, (*at, "?"), next(stream), stream)
            continue
        if key in found:
            first = tree.key_lines[*at, key]
            tree.error((*at, key), f"given twice, first on line {first}; Keep one.", line=line)
            _value(tree, (*at, key), next(stream), stream)
            continue
        tree.key_lines[*at, key] = line
        found[key] = _value(tree, (*at, key), next(stream), stream)
    return found


_INT = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,40}([eE][-+][0-9]{1,4})?")
_EXPONENT = re.compile(r"([-+]?)(?=\.?[0-9])([0-9]*)\.?([0-9]*)[eE]([-+]?)([0-9]+)")
_NO_TEXT = (  # ambiguous plain scalars: pattern, error
    (r"|~|null", "no value; Give one, or leave the key out."),
    (r"no|off|n", "`{}` is false in YAML 1.1; Did you mean none? For a switch write false, for a text use quotes."),
    (r"yes|on|y", "`{}` is true in YAML 1.1; For a switch write true, for a text use quotes."),
    (r"true|false", "`{}` is not allowed; Write true or false in lower case."),
    (r"[-+]?\.(inf|nan)", "`{}` is not a finite number; Give a finite one."),
    (r"\d{4}-\d\d?-\d\d?.*", "`{}` is a date in YAML; Write a number, or a text in quotes."),
    (
        r"[-+]?\d[\d_]*(:[0-5]?\d)+(\.\d*)?",
        "`{}` is a base-60 number in YAML 1.1; Write a plain number, or use quotes.",
    ),
    (r"[-+]?0[xob]?[0-9a-f_]+", "`{}` is octal, hexadecimal or binary; Write it without the leading zero."),
    (r"[-+]?[\d_]*\.?[\d_]*", "`{}` is not written plainly; Write digits as in 1000 or 0.5, at most 18 of them."),
)


def _scalar(tree: Tree, at: Place, event: Any) -> Any:
    """Return a string, int, float or bool; REFUSED, with an error, if YAML 1.1 and 1.2 might differ."""
    text = event.value
    if odd := _ODD.search(text):  # by an escape in double quotes: a page or a file of UTF-8 cannot have all of them
        tree.error(at, f"the character {odd[0]!a} is not allowed; Write printable text.")
        return REFUSED
    if event.style in ("'", '"', "|", ">"):
        return text
    if text in ("true", "false"):
        return text == "true"
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    shown = text if len(text) <= 40 else text[:37] + "..."
    if number := _EXPONENT.fullmatch(text):
        if not math.isfinite(float(text)):
            tree.error(at, f"`{shown}` is beyond the largest number, about 1.8e+308; Write a smaller one.")
            return REFUSED
        sign, whole, part, power_sign, power = number.groups()
        plain = f"{sign.strip('+')}{int(whole[:18] or '0')}.{part or '0'}e{power_sign or '+'}{power}"
        also = f" or {float(text)!r}" if repr(float(text)) != plain else ""
        tree.error(at, f"`{shown}` is text in YAML 1.1; Write {plain[:40]}{also}.")
        return REFUSED
    for pattern, why in _NO_TEXT:
        if re.fullmatch(pattern, text, re.IGNORECASE):
            tree.error(at, why.format(shown), at_key=not text and at in tree.key_lines)  # an empty value has no line
            return REFUSED
    if not (text[0].isalpha() or re.search(r"\s", text)):
        tree.error(at, f"`{shown}` is neither a name nor a number; Write a text in quotes.")
        return REFUSED
    return text
