"""The option `--extensions`, which every verb takes."""

from typing import Any

import typer
from typer.core import TyperOption

from bnstudy import extend

HELP = "A folder that adds data sets, norms, figures, studies; may be given several times [BNSTUDY_EXTENSIONS]."


def everywhere(command: Any) -> Any:
    """The command and all below it, with the option; where it is parsed, extensions are loaded."""
    declared: Any = {"param_decls": ["--extensions"], "type": str, "multiple": True, "metavar": "DIR", "help": HELP}
    command.params.append(TyperOption(**declared, is_eager=True, expose_value=False, callback=_load))
    for below in getattr(command, "commands", {}).values():
        everywhere(below)
    return command


def _load(context: typer.Context, _option: Any, folders: tuple[str, ...]) -> None:
    """An unknown folder is an error for the verbs; completing a word at a shell's prompt never is."""
    if not context.resilient_parsing:
        extend.load(folders or ())
