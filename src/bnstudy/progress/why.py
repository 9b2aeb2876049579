"""What would train a run again, and why: its record, what is published of it, its checkpoints, its data.

The order of the reasons is that of `training.train`. torch is imported only where there is a checkpoint to compare.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from bnstudy import datasets, lock, paths, publication, store
from bnstudy.cell import Cell, Run
from bnstudy.errors import DataError, StudyError
from bnstudy.labels import labels, name
from bnstudy.record import Record
from bnstudy.study import Study

Row = dict[str, Any]
Say = Callable[[str], None]

NO_RECORD = "no own record"


def explain(runs: Sequence[Run], studies: Iterable[Study], results: Path, data: Path, say: Say) -> list[Row]:
    """A row per run: what its cell is (name, key, fields, setting, reading, studies), `state` (done, published,
    running, damaged, waiting), `trains` (whether the next `bnstudy train` would), `because`, `record` (its path),
    `data` (the row of `datasets.check`) and `checkpoints` (epoch, fits, differs: field -> [kept, now])."""
    here = {run.cell.dataset: datasets.check(run.cell.dataset, data) for run in runs}
    known = list(studies)
    return [_row(run, known, results, here[run.cell.dataset], say) for run in runs]


def _row(run: Run, studies: Sequence[Study], results: Path, data: Row, say: Say) -> Row:
    state, because = _state(run, results, data)
    trains = state in ("damaged", "waiting")
    checkpoints = _checkpoints(run, results, data, say) if trains else []
    if trains and data["state"] in ("absent", "damaged"):
        because += f"; cannot be trained: {data['problem']}"
    elif trains:
        because += _goes_on(checkpoints)
    return {
        **what(run.cell, studies), "seed": run.seed, "state": state, "trains": trains, "because": because,
        "record": str(paths.record(results, run.cell.key, run.seed)), "data": data, "checkpoints": checkpoints,
    }  # fmt: skip


def what(cell: Cell, studies: Iterable[Study]) -> Row:
    """What a cell is: its labels, the fields that make it, the studies that hold it with their seeds."""
    setting, reading = labels(cell)
    held = {study.name: list(study.seeds) for study in studies if cell in study.trained}
    return {
        "name": name(cell), "key": cell.key, "setting": setting, "reading": reading, "fields": cell.non_default(),
        "studies": held,
    }  # fmt: skip


def _state(run: Run, results: Path, data: Row) -> tuple[str, str]:
    """(state, because)."""
    owner = lock.holder(paths.run_lock(results, run.cell.key, run.seed))
    state, lacks = "waiting", NO_RECORD
    try:
        if (record := store.get_record(results, run)) is not None:
            return "done", f"its record stands: {_outcome(record)}{_other_data(record, data)}"
    except DataError as error:
        state, lacks = "damaged", _damage(run, results, error)
    if owner is not None:
        return "running", f"process {owner['pid']} on {owner['host']} has it in hand"
    stands, told = _published(run, results)
    return "published" if stands else state, lacks + told


def _outcome(record: Record) -> str:
    return f"{record.outcome} after {record.epochs_run} epochs, {record.test_accuracy:.2f} %"


def _damage(run: Run, results: Path, error: DataError) -> str:
    """Why a record that is there is not that of this run."""
    recipe = _recipe_in(paths.record(results, run.cell.key, run.seed))
    if recipe not in (None, run.cell.recipe):
        return f"its record was made by recipe {recipe}, the recipe now is {run.cell.recipe}"
    return f"its record does not verify ({error.cause})"


def _recipe_in(path: Path) -> Any:
    try:
        return json.loads(path.read_text())["cell"]["recipe"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _other_data(record: Record, data: Row) -> str:
    made = record.provenance.get("data_digest")
    if data["digest"] is None or made == data["digest"]:
        return ""
    return f"; it was trained on other data ({str(made)[:12]}) than there are now ({data['digest'][:12]})"


def _published(run: Run, results: Path) -> tuple[bool, str]:
    """Whether what is published of a run stands, where it has no record of its own that verifies; and a word on it."""
    row = publication.listed(results).get((run.cell.key, run.seed))
    if row is None:
        return False, ""
    if row["recipe"] != run.cell.recipe:
        return False, f"; published by recipe {row['recipe']}, the recipe now is {run.cell.recipe}"
    told: list[str] = []
    if publication.verified(results, [run], told.append):
        return True, f", but the published run stands ({row['outcome']})"
    return False, f"; {told[0]}"


# checkpoints


def _checkpoints(run: Run, results: Path, data: Row, say: Say) -> list[Row]:
    """Each generation with its epoch, and what about it is not as it would be now."""
    kept = store.glance(results, run)
    now = _fingerprint_now(run, data, say) if kept and data["digest"] else None
    return [_checkpoint(header, now) for header in kept]


def _checkpoint(header: Row, now: Row | None) -> Row:
    was = header.get("fingerprint") or {}
    differs = {field: [was.get(field), value] for field, value in (now or {}).items() if was.get(field) != value}
    fits = bool(was) and now is not None and not differs
    epoch = (header.get("progress") or {}).get("epoch")
    return {"path": header["path"], "epoch": epoch, "fits": fits, "differs": differs}


def _fingerprint_now(run: Run, data: Row, say: Say) -> Row | None:
    """What a checkpoint must match to be gone on with, for the engine and device that would be chosen."""
    from bnstudy import devices, provenance
    from bnstudy.checkpoints import fingerprint
    from bnstudy.engine import choose, choose_device

    device = choose_device("auto", say)
    try:
        engine = choose(run.cell, "auto", device).name
    except StudyError:
        return None
    source = data["source"]
    made_by = provenance.of_run(run.cell.recipe, engine, device, run.cell.precision, data["digest"], source)
    return fingerprint(run, made_by | {"threads": devices.THREADS})


def _goes_on(checkpoints: Sequence[Row]) -> str:
    if not checkpoints:
        return ""
    if fitting := next((c for c in checkpoints if c["fits"]), None):
        at = "" if fitting["epoch"] is None else f" of epoch {fitting['epoch']}"
        return f"; it goes on from the checkpoint{at}"
    if not (differs := checkpoints[0]["differs"]):
        return "; its checkpoint cannot be read, it begins anew"
    told = ", ".join(f"{field} was {was}, is {now}" for field, (was, now) in differs.items())
    return f"; its checkpoint does not fit ({told}), it begins anew"
