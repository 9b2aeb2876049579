"""Standard output and standard error: lines, tables, JSON, bars on a terminal. Knows nothing of cells or records."""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

Say = Callable[[str], None]
"""A function that reports one line to people."""


_shown = threading.Lock()
"""Held while `waiting` may show a line."""

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def say(line: str) -> None:
    """Print one line to stderr, since stdout is for data, with control characters escaped. A closed stderr is
    ignored."""
    with contextlib.suppress(OSError, ValueError):
        clear = "\r\x1b[K" if _shown.locked() and sys.stderr.isatty() else ""
        print(clear + line.translate(_CONTROLS), file=sys.stderr, flush=True)


def put(text: str) -> None:
    """Print text to stdout at once. If its reader has closed the pipe (`| head -1`), exit with status 0."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that flushing the buffer at exit does not fail again
        raise SystemExit(0) from None


def put_json(rows: Sequence[dict[str, Any]]) -> None:
    """Print one JSON list to stdout."""
    put(json.dumps(list(rows), allow_nan=False, default=str) + "\n")


def table_of(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> "Table":
    """Return a table for a terminal."""
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    return table


def put_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table to stdout."""
    from rich.console import Console

    table, terminal = table_of(title, columns, rows), sys.stdout.isatty()
    console = Console(file=sys.stdout, highlight=False, markup=False, width=None if terminal else 200)
    with console.capture() as shown:
        console.print(table)
    text = shown.get()
    put(text if terminal else "".join(f"{line.rstrip()}\n" for line in text.splitlines()))


Content = tuple[Sequence[str], Sequence[Sequence[Any]]]
"""The columns and rows of a table."""


def live(look: Callable[[], tuple[Sequence[Content], Sequence[str]]], every: float) -> None:
    """Show the tables and lines that `look` returns on a terminal, renewed every so many seconds, until Ctrl-C."""
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    def shown() -> Group:
        tables, lines = look()
        first, *others = (table_of("", *content) for content in tables)
        apart = (each for table in others for each in (Text(), table))
        return Group(first, *apart, *(Text(line) for line in lines), Text("Ctrl-C to leave", "dim"))

    with contextlib.suppress(KeyboardInterrupt), Live(shown(), console=Console(), auto_refresh=False) as screen:
        while True:
            time.sleep(every)
            screen.update(shown(), refresh=True)


def hours(value: float) -> str:
    """Format a duration given in hours."""
    if value < 1 / 60:
        return f"{value * 3600:.0f} s"
    if value < 2:
        return f"{value * 60:.0f} min"
    return f"{value:.1f} h" if value < 72 else f"{value / 24:.1f} days"


PATIENCE = 1.0
"""Seconds of work before `waiting` shows what is being done."""


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show what is being done if it takes longer than PATIENCE: a line on stderr, or on a terminal a line that counts
    the seconds and disappears at the end. Shows nothing while another wait is shown."""
    if _shown.locked():
        yield
        return
    done = threading.Event()
    with _shown:
        shows = threading.Thread(target=_show, args=(what, done), daemon=True)
        shows.start()
        try:
            yield
        finally:
            done.set()
            shows.join()


def _show(what: str, done: threading.Event) -> None:
    if done.wait(PATIENCE):
        return
    if not sys.stderr.isatty():
        return say(f"{what} ...")
    started = time.monotonic() - PATIENCE
    while not done.wait(0.2):
        _overwrite(f"{what} ... {time.monotonic() - started:.0f} s")
    _overwrite("")


def _overwrite(line: str) -> None:
    """Put a line in place of the terminal's current one."""
    with contextlib.suppress(OSError, ValueError):
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def counting(total: int, what: str) -> Iterator[Callable[[int, str], None]]:
    """Yield `report(done, line)`, which prints the line and, on a terminal, moves a bar of `total` steps."""
    if not total or not sys.stderr.isatty():
        yield lambda done, line: say(f"{done} of {total}  {line}")
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TextColumn("{task.completed} of {task.total} {task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as bars:
        task = bars.add_task(what, total=total)

        def report(done: int, line: str) -> None:
            bars.console.print(line, markup=False, highlight=False)
            bars.update(task, completed=done)

        yield report
