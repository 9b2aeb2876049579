"""What is printed while something runs: bars on a terminal, plain lines in a log, JSON where asked for."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bnstudy.cell import Run
from bnstudy.labels import run_name
from bnstudy.record import Record

if TYPE_CHECKING:
    from rich.table import Table


def say(line: str) -> None:
    """One line to people: stderr, so that stdout stays for data. A closed stderr is no reason to stop."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def put(text: str) -> None:
    """Text on stdout, at once. If its reader has gone (`| head -1`) the rest is of no use to anyone: exit 0."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered must not fail again at exit
        raise SystemExit(0) from None


def put_json(rows: Sequence[dict[str, Any]]) -> None:
    """One JSON list on stdout and nothing else there."""
    put(json.dumps(list(rows), allow_nan=False, default=str) + "\n")


def table_of(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> "Table":
    """A table for people."""
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    return table


def put_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on stdout."""
    from rich.console import Console

    table, terminal = table_of(title, columns, rows), sys.stdout.isatty()
    console = Console(file=sys.stdout, highlight=False, markup=False, width=None if terminal else 200)
    with console.capture() as shown:
        console.print(table)
    text = shown.get()
    put(text if terminal else "".join(f"{line.rstrip()}\n" for line in text.splitlines()))


Content = tuple[Sequence[str], Sequence[Sequence[Any]]]
"""Columns and rows of a table."""


def live(look: Callable[[], tuple[Sequence[Content], Sequence[str]]], every: float) -> None:
    """Tables and lines below them that follow `look` on a terminal, until Ctrl-C."""
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
    """A duration for people, from hours."""
    if value < 1 / 60:
        return f"{value * 3600:.0f} s"
    if value < 2:
        return f"{value * 60:.0f} min"
    return f"{value:.1f} h" if value < 72 else f"{value / 24:.1f} days"


def epoch_line(run: Run, row: dict[str, Any]) -> str:
    return (
        f"{run_name(run)} epoch {row['epoch']}/{run.cell.periods}: loss {row['data_loss']:.4f} "
        f"validation {row['validation_accuracy']:.2f} % lr {row['lr']:g} {row['seconds']:.2f} s"
    )


def record_line(record: Record) -> str:
    at = f", diverged in epoch {record.diverged_at['epoch']}" if record.diverged_at else ""
    return f"{run_name(record.run)}: {record.test_accuracy:.2f} % after {record.epochs_run} epochs{at}"


@contextlib.contextmanager
def counting(total: int, what: str) -> Iterator[Callable[[int, str], None]]:
    """`tell(done, line)`: a bar with the newest line for a terminal, a line each elsewhere. Nothing to do: nothing."""
    if not total or not sys.stderr.isatty():
        yield lambda done, line: say(f"{done} of {total}  {line}")
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TextColumn("{task.completed} of {task.total} {task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as bars:
        task = bars.add_task(what, total=total)

        def tell(done: int, line: str) -> None:
            bars.console.print(line, markup=False, highlight=False)
            bars.update(task, completed=done)

        yield tell


@contextlib.contextmanager
def progress(runs: Sequence[Run]) -> Iterator[tuple[Callable[[Run, dict[str, Any]], None], Callable[[str], None]]]:
    """(on_epoch, say): bars for a terminal, one line per epoch elsewhere."""
    if not sys.stderr.isatty():
        yield lambda run, row: say(epoch_line(run, row)), say
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[now]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def on_epoch(run: Run, row: dict[str, Any]) -> None:
            if run.id not in tasks:
                tasks[run.id] = bars.add_task(run_name(run), total=run.cell.periods, now="")
            now = f"epoch {row['epoch']}  {row['validation_accuracy']:.2f} %"
            bars.update(tasks[run.id], completed=row["epoch"], now=now)

        def say_above(line: str) -> None:
            bars.console.print(line, markup=False, highlight=False)
            for run in runs:
                if run.id in tasks and f"{run_name(run)}:" in line:
                    bars.remove_task(tasks.pop(run.id))

        yield on_epoch, say_above
