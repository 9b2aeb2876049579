"""The command line: verbs only. The modules they name do the work.

One file per concern, which adds its verbs to `app`. Importing this imports neither a config reader nor torch nor
pandas.
"""

import contextlib
import json
import os
import re
import signal
import sys
from typing import Annotated, Any

import typer

from bnstudy import __version__, console, paths
from bnstudy.cli import (
    bench,
    best,
    compare,
    data,
    export,
    extensions,
    model,
    process,
    progress,
    publish,
    report,
    show,
    study,
    train,
)
from bnstudy.errors import (
    CANNOT_BE_WRITTEN,
    CANNOT_WRITE,
    DONE,
    FAILURES,
    INTERNAL,
    TRY_AGAIN,
    OutOfMemory,
    StudyError,
    UsageError,
    is_out_of_memory,
    remedy_for,
)
from bnstudy.extensions import LOADED, place_of
from bnstudy.studies import selection

INTERRUPTED = 130  # what typer makes of KeyboardInterrupt

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None)
study.add_to(app)
train.add_to(app)
show.add_to(app)
report.add_to(app)
compare.add_to(app)
best.add_to(app)
publish.add_to(app)
progress.add_to(app)
export.add_to(app)
model.add_to(app)
app.add_typer(data.app, name="data")
app.add_typer(bench.app, name="bench")


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Replicates The Effect of Batch Normalization on Deep Convolutional Neural Networks (KTH, 2016)."""
    if version:
        console.put(f"{__version__}\n")


def main(words: list[str] | None = None) -> None:
    """Run the command line and exit; an error that a user can mend takes two lines, never a traceback."""
    with contextlib.suppress(ValueError):  # not in the main thread, as in some tests
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        process.prepare()
        command = extensions.everywhere(typer.main.get_command(app))
        typed = map(_from_home, sys.argv[1:] if words is None else words)
        command(args=selection.spread_where(_with_study(command, list(typed))), prog_name="bnstudy")
    except SystemExit as done:
        code = done.code
        if code == INTERRUPTED:
            code = _tell("interrupted", "Run the same command again to go on.", TRY_AGAIN)
    except StudyError as error:
        code = _tell(error.cause, error.remedy, error.exit_code)
    except KeyboardInterrupt:
        code = _tell("interrupted", "Run the same command again to go on.", TRY_AGAIN)
    except OSError as error:
        code = _system(error)
    except Exception as error:
        code = _fault(error)
    sys.exit(code or DONE)


def _with_study(command: Any, words: list[str]) -> list[str]:
    """Return `run demo` as `run --study demo`, for every verb that takes a study and no argument."""
    verb = command.commands.get(words[0]) if len(words) > 1 and not words[1].startswith("-") else None
    taken = {param.name: param.param_type_name for param in verb.params} if verb else {}
    return [words[0], "--study", *words[1:]] if "study" in taken and "argument" not in taken.values() else words


def _from_home(word: str) -> str:
    """Return a word with the `~` of a path replaced: a shell leaves `--results=~/r` as it is."""
    option, sign, path = word.partition("=") if re.match("--[a-z-]+=~", word) else ("", "", word)
    return f"{option}{sign}{paths.expanded(path)}" if path.startswith("~") else word


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe without reader would hold the process up


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _system(error: OSError) -> int:
    """A full disk or a folder without permission is no fault of the program."""
    if error.errno not in CANNOT_BE_WRITTEN:
        return _fault(error)
    cause = f"{error.filename or 'output'}: {error.strerror}"
    return _tell(cause, remedy_for(error.errno), CANNOT_WRITE)


def _fault(error: Exception) -> int:
    if os.environ.get("BNSTUDY_TRACEBACK"):
        raise error
    if is_out_of_memory(error):
        lack = OutOfMemory()
        return _tell(lack.cause, lack.remedy, lack.exit_code)
    cause, at = f"{type(error).__name__}: {error}".splitlines()[0], place_of(error)
    if at:
        return _tell(f"{at}: {cause}", "Correct it, or run without this extension.", UsageError.exit_code)
    whose = "the program, or of an extension" if LOADED else "the program"
    remedy = f"This is a fault of {whose}; BNSTUDY_TRACEBACK=1 in front of the command shows where."
    return _tell(cause, remedy, INTERNAL)


def _tell(cause: str, remedy: str, code: int) -> int:
    """Print cause and remedy, pass them to a waiting `bnstudy run`, and return the exit code."""
    console.say(f"bnstudy: {cause}")
    console.say(f"  {remedy}")
    if file := os.environ.get(FAILURES):
        with contextlib.suppress(OSError, ValueError), open(file, "a", opener=_at_once) as failures:
            failures.write(json.dumps({"cause": cause, "remedy": remedy, "code": code}) + "\n")
    return code
