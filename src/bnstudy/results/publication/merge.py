"""Merging own records into the published runs: what is refused, and which of two wins.

All records are published or none.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bnstudy import disk, lock, paths
from bnstudy.console import Say
from bnstudy.design.cell import Run
from bnstudy.design.labels import run_name
from bnstudy.errors import DataError
from bnstudy.results import store
from bnstudy.results.digests import RESTORE
from bnstudy.results.provenance import digest_at
from bnstudy.results.publication import files, rows, timings
from bnstudy.results.publication.rows import Published
from bnstudy.results.record import Record
from bnstudy.results.timings import record as timing_record


@dataclass(slots=True)
class Merged:
    """What happened to the runs that were to be published."""

    added: list[Run] = field(default_factory=list)
    equal: list[Run] = field(default_factory=list)  # published before, from the same record
    stayed: list[Run] = field(default_factory=list)  # published before, and the own record differs
    replaced: list[Run] = field(default_factory=list)


def merge(results: Path, runs: Iterable[Run], replace: bool = False, say: Say = print) -> Merged:
    """Publish the own records of these runs; runs without one are skipped.

    replace    replace published runs by own records that differ; otherwise the published ones stay
    Raises DataError, naming the run and writing nothing, for a record that does not verify, whose sources were not
    committed, or that would give one cell two recipes; and for a published run that does not verify.
    """
    merged = Merged()
    with lock.held(paths.lock(results, "publish"), "published records"):
        published = files.read(results)
        for record, digest in [(r, checked(r, results)) for r in _own(results, runs)]:
            _take(published, rows.publish(record, digest), record.run, replace, merged)
        for each in published.values():
            _check_whole(each)
        _check_recipes(published.values())
        if merged.added or merged.replaced:
            files.write(results, published)
    _report(merged, say)
    return merged


def _own(results: Path, runs: Iterable[Run]) -> list[Record]:
    """Return the own records of these runs. Raises DataError on the first that does not verify."""
    found = (store.get_record(results, run) for run in runs)
    return [record for record in found if record is not None]


def checked(record: Record, results: Path) -> str:
    """Return the digest of a record. Raises DataError, naming the run, if it may not be published."""
    run, made_by = record.run, record.provenance
    what = run_name(run)
    again = f"Commit, then train it again: bnstudy train --fresh {run.cell.key}:{run.seed}"
    check_sources(what, made_by, again)
    if made_by.get("recipe") != record.cell.recipe:
        raise DataError(f"{what}: trained by recipe {made_by.get('recipe')}, its cell has {record.cell.recipe}", again)
    if made_by.get("precision") != record.cell.precision:
        raise DataError(f"{what}: precision {made_by.get('precision')}, its cell has {record.cell.precision}", again)
    return store.record_digest(results, run)


def check_sources(what: str, provenance: Mapping[str, Any], again: str) -> None:
    """Raise DataError unless a commit holds the sources that made `what`."""
    if not provenance.get("commit"):
        raise DataError(f"{what}: made by sources outside version control", again)
    if provenance.get("dirty") is not False:
        raise DataError(f"{what}: made by sources that differ from commit {provenance['commit'][:12]}", again)
    _, extended, extension = str(provenance.get("source_digest", "")).partition("+")
    if "stated" in provenance and digest_at(str(provenance["commit"])) != provenance["stated"]:
        raise DataError(f"{what}: made by other sources than those of commit {provenance['commit'][:12]}", again)
    if extended:
        raise DataError(f"{what}: made with the extension {extension}, which no commit here holds", again)


def _take(published: files.Runs, new: Published, run: Run, replace: bool, merged: Merged) -> None:
    at = (run.cell.key, run.seed)
    old = published.get(at)
    # the same record, even if Cell has gained a field since it was published
    if old is not None and old.row["record_digest"] == new.row["record_digest"] and old.verifies():
        return merged.equal.append(run)
    if old is not None and not replace:
        return merged.stayed.append(run)
    (merged.added if old is None else merged.replaced).append(run)
    published[at] = new


def _check_whole(published: Published) -> None:
    if not published.is_whole():
        raise DataError(
            f"{published.row['name']} seed {published.row['seed']}: the published run does not verify",
            f"{RESTORE}; or publish its own record with --replace.",
        )


def _check_recipes(published: Iterable[Published]) -> None:
    recipes: dict[str, int] = {}
    for each in published:
        recipe = each.row["recipe"]
        if recipes.setdefault(each.row["key"], recipe) != recipe:
            raise DataError(
                f"{each.row['name']} seed {each.row['seed']}: recipe {recipe}, other seeds have "
                f"{recipes[each.row['key']]}",
                "Train all seeds by one recipe, then publish them with --replace.",
            )


def _report(merged: Merged, say: Say) -> None:
    for run in merged.replaced:
        say(f"{run_name(run)}: own record replaces the published run")
    for run in merged.stayed:
        say(f"{run_name(run)}: own record differs, the published run stays (--replace replaces it)")


def own_timings(results: Path, cells: Container[str] | None = None) -> dict[str, str]:
    """Return the texts of own timing records by key: those of these cells (keys), or all.

    Raises DataError, naming the timing, for one that does not verify or whose sources were not committed.
    """
    found = {}
    for file in sorted(paths.timing(results, "any").parent.glob("*.json")):
        body = timing_record.get(file)
        if cells is None or all(key in cells for key in body["cells"].values()):
            check_sources(f"timing {file.stem}", body["provenance"], "Commit, then time it again.")
            found[file.stem] = disk.read(file).decode()
    return found


def merge_timings(results: Path, own: Mapping[str, str], replace: bool = False, say: Say = print) -> int:
    """Publish these timing records (see `own_timings`) by the same rules as `merge`, and return how many are published
    then."""
    with lock.held(paths.lock(results, "publish"), "published records"):
        before = timings.texts(results)
        published = dict(before)
        for key, text in own.items():
            if replace or key not in before:
                published[key] = text
            if before.get(key, text) != text:
                kept = (
                    "replaces the published one"
                    if replace
                    else "differs, the published one stays (--replace replaces it)"
                )
                say(f"timing {key}: own record {kept}")
        if published != before:
            written = {"timings": timings.content(published)}
            files.check_size(results, written)
            files.put(results, written)
    return len(published)
