"""Why a run would be trained again or not: its result, its checkpoints, its data.

Reasons are checked in the same order as by `training.train`. torch is imported only to compare a checkpoint.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bnstudy import datasets, disk, lock, paths, small_json
from bnstudy.console import Say
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import labels, name
from bnstudy.design.study import Study
from bnstudy.errors import DataError, StudyError
from bnstudy.results import publication, store, valid
from bnstudy.results.record import Record

Row = dict[str, Any]

NO_RECORD = "no own record"


def explain(runs: Sequence[Run], studies: Iterable[Study], results: Path, data: Path, say: Say) -> list[Row]:
    """Return a row per run: its cell (name, key, fields, setting, reading, studies), `state` (done, published, running,
    damaged, waiting), `trains` (True if the next `bnstudy train` would train it), `because`, `record` (its path),
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
        because += _resumes(checkpoints)
    return {
        **what(run.cell, studies), "seed": run.seed, "state": state, "trains": trains, "because": because,
        "record": str(paths.record(results, run.cell.key, run.seed)), "data": data, "checkpoints": checkpoints,
    }  # fmt: skip


def what(cell: Cell, studies: Iterable[Study]) -> Row:
    """Return a cell's labels, its fields, and the studies that contain it with their seeds."""
    setting, reading = labels(cell)
    held = {study.name: list(study.seeds) for study in studies if cell in study.trained}
    return {
        "name": name(cell), "key": cell.key, "setting": setting, "reading": reading, "fields": cell.non_default(),
        "studies": held,
    }  # fmt: skip


def _state(run: Run, results: Path, data: Row) -> tuple[str, str]:
    """(state, because)."""
    damage: dict[Run, DataError] = {}
    lines: list[str] = []
    ((_, found),) = valid.verified([run], results, lines.append, damaged=damage.setdefault)
    if isinstance(found, Record):
        return "done", f"it has a valid record: {_outcome(found)}{_other_data(found, data)}"
    if (owner := lock.holder(paths.run_lock(results, run.cell.key, run.seed))) is not None:
        return "running", f"process {owner['pid']} on {owner['host']} is training it"
    lacks = _damage(run, results, damage[run]) if damage else NO_RECORD
    if found is not None:
        return "published", f"{lacks}, but it is published ({found.outcome})"
    return "damaged" if damage else "waiting", "; ".join([lacks, *(lines or _other_recipe(run, results))])


def _outcome(record: Record) -> str:
    return f"{record.outcome} after {record.epochs_run} epochs, {record.test_accuracy:.2f} %"


def _damage(run: Run, results: Path, error: DataError) -> str:
    """Return why the record at this run's path is not valid."""
    recipe = _recipe_in(paths.record(results, run.cell.key, run.seed))
    if recipe not in (None, run.cell.recipe):
        return f"its record was made by recipe {recipe}, the recipe now is {run.cell.recipe}"
    return f"its record does not verify ({error.cause})"


def _recipe_in(path: Path) -> Any:
    try:
        return small_json.parse(disk.read(path), dict)["cell"]["recipe"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _other_data(record: Record, data: Row) -> str:
    made = record.provenance.get("data_digest")
    if data["digest"] is None or made == data["digest"]:
        return ""
    return f"; it was trained on other data ({str(made)[:12]}) than are present now ({data['digest'][:12]})"


def _other_recipe(run: Run, results: Path) -> list[str]:
    """Return a reason if the run was published with another recipe; else nothing."""
    row = publication.index(results).get((run.cell.key, run.seed))
    return [f"published by recipe {row['recipe']}, the recipe now is {run.cell.recipe}"] if row else []


# checkpoints


def _checkpoints(run: Run, results: Path, data: Row, say: Say) -> list[Row]:
    """Return a row per checkpoint generation: path, epoch, fits, and the fields of its fingerprint that differ now."""
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
    """Return the fingerprint that a checkpoint needs to be resumed by the engine and device that would be chosen.

    None if no engine can train the run.
    """
    from bnstudy.results import provenance
    from bnstudy.training import devices
    from bnstudy.training.checkpoints import fingerprint
    from bnstudy.training.devices import choose_device
    from bnstudy.training.engine import choose

    device = choose_device("auto", say)
    try:
        engine = choose(run.cell, "auto", device).name
    except StudyError:
        return None
    source = data["source"]
    made_by = provenance.of_run(run.cell.recipe, engine, device, run.cell.precision, data["digest"], source)
    return fingerprint(run, made_by | {"threads": devices.THREADS})


def _resumes(checkpoints: Sequence[Row]) -> str:
    if not checkpoints:
        return ""
    if fitting := next((c for c in checkpoints if c["fits"]), None):
        at = "" if fitting["epoch"] is None else f" of epoch {fitting['epoch']}"
        return f"; it resumes from the checkpoint{at}"
    if not (differs := checkpoints[0]["differs"]):
        return "; its checkpoint cannot be read, so it starts over"
    changed = ", ".join(f"{field} was {was}, is {now}" for field, (was, now) in differs.items())
    return f"; its checkpoint does not fit ({changed}), so it starts over"
