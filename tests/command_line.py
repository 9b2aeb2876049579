"""`bnstudy` as its users call it: as a process of its own, or, to save its start, in this one."""

import os
import resource
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from bnstudy.cli import app, main
from bnstudy.cli.extensions import everywhere
from bnstudy.studies.selection import spread_where

ROOT = Path(__file__).parents[1]
NO_NETWORK = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str
    cpu_seconds: float = 0.0


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Results, reports and data under `folder`; this checkout's sources; no network."""
    own = {f"BNSTUDY_{name.upper()}": str(folder / name) for name in ("results", "reports", "data")}
    source = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH"))))
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {k: v for k, v in os.environ.items() if k not in ("no_proxy", "NO_PROXY")}
    return kept | own | NO_NETWORK | {"PYTHONPATH": source, "PATH": programs, "OMP_NUM_THREADS": "1"} | more


def process(folder: Path, *words: str, **more: str) -> Ended:
    """Run a command (`bnstudy ...`, `snakemake ...`) in `folder`."""
    command = [sys.executable, "-m", words[0], *words[1:]]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, cwd=folder, env=environment(folder, **more), capture_output=True, text=True, timeout=800, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Ended(done.returncode, done.stdout, done.stderr, cpu)


def call(capsys, *words: str) -> Ended:
    """Run `bnstudy` with these words in this process."""
    before = signal.getsignal(signal.SIGTERM)
    capsys.readouterr()
    try:
        main(list(words))
    except SystemExit as done:
        shown = capsys.readouterr()
        return Ended(int(done.code or 0), shown.out, shown.err)
    finally:
        signal.signal(signal.SIGTERM, before)
    raise AssertionError("main always exits")


def left_over(line: str) -> list[str]:
    """The words of a command line of `bnstudy` that it has no place for. Raises click's error on an unknown option."""
    command: Any = everywhere(typer.main.get_command(app))
    words = spread_where(shlex.split(line.partition(" > ")[0])[1:])
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    if hasattr(command, "commands"):
        return words
    _, left, _ = command.make_parser(command.context_class(command)).parse_args(words)
    return left


def two_lines(ended: Ended) -> bool:
    """Whether stderr ends in a cause and a remedy, and nothing looks like a traceback."""
    cause, remedy = ended.err.rstrip().splitlines()[-2:]
    return cause.startswith("bnstudy: ") and remedy.startswith("  ") and "Traceback" not in ended.err
