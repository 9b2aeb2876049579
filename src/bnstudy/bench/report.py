"""`bnstudy bench report`: frames, tables, figures and page of the thesis's study from synthetic records.

The records are as large as real ones; making and storing them is not part of what is timed.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bnstudy import console, datasets, paths
from bnstudy.bench import synthetic
from bnstudy.bench.timed import Row, timed, total
from bnstudy.results import store, valid
from bnstudy.results.record import Record


def rows(config: Path, count: int, say: Callable[[str], None]) -> list[Row]:
    """Rows what, seconds, cpu_seconds. Nothing is left behind."""
    from bnstudy import report
    from bnstudy.results import frames
    from bnstudy.studies.config import load

    settings = load(config)
    study = settings.study("thesis")
    study = replace(study, seeds=tuple(range(-(-count // len(study.cells)))))
    runs = study.runs()[:count]
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        say(f"making {len(runs)} records")
        for run in runs:
            store.put_record(at, synthetic.record(run, datasets.REGISTRY[run.cell.dataset].classes))
        records: list[Record] = []
        built: list[Any] = []

        def page() -> None:
            report.write(study, built[0], None, settings.margins, at / "reports")

        say("frames")
        found = [
            timed(f"reading {len(runs)} records", lambda: records.extend(_read(at, runs))),
            timed("frames", lambda: built.append(frames.build(records, study.runs()))),
            timed("frames, stored", lambda: frames.put(built[0], at, study.name)),
        ]
        records.clear()
        say("tables, figures, page")
        found.append(timed("tables, figures and page", page))
        whole = total("all: from records to page", found)
        say("once more")
        again = timed("tables, figures and page again, nothing changed", page)
        drawn = len(list((paths.report(at / "reports", study.name).parent / "figures").glob("*.svg")))
        say(f"{drawn} figure files")
    return [*found, whole, again]


def _read(results: Path, runs: list[Any]) -> list[Record]:
    found = valid.verified(runs, results, console.say, since=0.0)
    return [record for _, record in found if isinstance(record, Record)]
