"""What a training prints: a line or a bar per epoch, and a line per record."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bnstudy.console import Say, say
from bnstudy.design.cell import Run
from bnstudy.design.labels import run_name
from bnstudy.results.record import Record

OnEpoch = Callable[[Run, dict[str, Any]], None]
"""A function that gets a run and its newest row after each epoch."""


def epoch_line(run: Run, row: dict[str, Any]) -> str:
    """Format an epoch's row of a run in training."""
    return (
        f"{run_name(run)} epoch {row['epoch']}/{run.cell.periods}: loss {row['data_loss']:.4f} "
        f"validation {row['validation_accuracy']:.2f} % lr {row['lr']:g} {row['seconds']:.2f} s"
    )


def record_line(record: Record) -> str:
    """Format the outcome of a run."""
    at = f", diverged in epoch {record.diverged_at['epoch']}" if record.diverged_at else ""
    return f"{run_name(record.run)}: {record.test_accuracy:.2f} % after {record.epochs_run} epochs{at}"


@contextlib.contextmanager
def progress(runs: Sequence[Run]) -> Iterator[tuple[OnEpoch, Say]]:
    """Yield (on_epoch, say) for a training: a bar per run on a terminal, a line per epoch elsewhere."""
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
