"""The studies, packs and paths of the Snakefile, planned from the config alone. Imports neither torch nor pandas.

The manifest of a pack is the declared output of its job; records and checkpoints are not, because Snakemake deletes
declared outputs before a job and after a failure.
"""

import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnstudy import console, datasets, disk, paths, small_json
from bnstudy.design.cell import Run
from bnstudy.design.study import Pack, Study, plan, wants_gpu
from bnstudy.design.timing import Timing, of_study, shown
from bnstudy.errors import UsageError
from bnstudy.results import digests, inventory, rounds, valid
from bnstudy.results.timings.record import is_made, stored
from bnstudy.studies import config
from bnstudy.studies.selection import named_runs, narrow

CELL = "cell"
"""The rule that trains single cells; no study has this name."""


@dataclass(frozen=True, slots=True)
class Dag:
    """The studies with their packs, and with their timings if they time epochs.

    results, reports   the folders of this workflow run
    asked              the studies that `bnstudy run` was started for; none under plain Snakemake
    framed             the runs in the frames of those: `aggregate` narrows a study by seeds alone
    """

    studies: dict[str, Study]
    packs: dict[str, tuple[Pack, ...]]
    timings: dict[str, tuple[Timing, ...]]
    results: Path
    reports: Path
    config: Path
    asked: tuple[str, ...]
    framed: dict[str, list[Run]]

    @classmethod
    def plan(cls, configfile: str | os.PathLike, options: Mapping[str, Any]) -> "Dag":
        """Plan from the config file and Snakemake's `--config` values: only_where (space-separated key=value) and
        only_seeds (comma-separated) narrow the studies named by only_study (comma-separated); with `times`, these
        also time the epochs of tables B.3 and B.4. `cell` is a NAME[:SEED] for the rule `cell`, or several
        (comma-separated), with only_seeds. Raises UsageError."""
        studies = dict(config.load(Path(configfile)).studies)
        asked = tuple(name for name in str(options.get("only_study", "")).split(",") if name in studies)
        framed = {name: narrow(studies[name], None, options.get("only_seeds")).runs() for name in asked}
        for name in asked:
            studies[name] = narrow(studies[name], options.get("only_where"), options.get("only_seeds"))
        packs = {name: tuple(plan(study.runs())) for name, study in studies.items()}
        if named := options.get("cell"):
            runs = named_runs(str(named).split(","), studies.values(), options.get("only_seeds"))
            packs[CELL] = tuple(plan(runs))
        times = bool(options.get("times"))
        timed = {name: tuple(of_study(study, times and name in asked)) for name, study in studies.items()}
        return cls(studies, packs, timed, paths.results_root(), paths.reports_root(), Path(configfile), asked, framed)

    def clear_gaps(self) -> None:
        """Remove what would keep Snakemake from running a job that has work to do:

        - the manifest of a pack if one of its runs has no result by now, or an own record newer than the manifest;
        - the frames of a study asked for if they were built from other runs, other records or by other code;
        - the manifest of a timing that does not count as done (`timings.record.is_made`);
        - each note on a data set, unless it reports that the data are present.

        In a round of `--fresh`, only results since its start count for the studies asked for. One stat per record.
        Raises WriteError.
        """
        for path in self._gaps():
            disk.remove(path)
        self._clear_future()
        self._age_notes()

    def report_gaps(self) -> None:
        """Report what `clear_gaps` would remove; change nothing."""
        for path in self._gaps():
            console.say(f"{path}: would be removed first, since its job has work to do")

    def _gaps(self) -> Iterator[Path]:
        since, renewed = rounds.since(), set()
        for name in self.asked if since is not None else ():
            renewed.update(self.studies[name].runs(), self.timings[name])
        yield from self._timings_with_work(renewed, since)
        yield from self._packs_with_work(renewed, since)
        for name, runs in self.framed.items():
            frames = paths.frames(self.results, name)
            if not inventory.is_current(runs, self.results, name):
                yield from (file for file in (frames / digests.FILE, frames / "runs.parquet") if file.exists())
        for name in datasets.REGISTRY:
            if not _present(note := paths.data_state(self.results, name)):
                yield note

    def _timings_with_work(self, renewed: Set[Any], since: float | None) -> Iterator[Path]:
        for timing in self._timing_by_id().values():
            manifest = paths.timed(self.results, timing.id)
            if manifest.exists() and not is_made(self.results, timing, since if timing in renewed else None):
                yield manifest

    def _packs_with_work(self, renewed: Set[Any], since: float | None) -> Iterator[Path]:
        manifests = {paths.manifest(self.results, pack.id): pack.runs for pack in self._by_id().values()}
        made = {manifest: time_made for manifest in manifests if (time_made := rounds.written(manifest)) is not None}
        runs = {run for manifest in made for run in manifests[manifest]}
        found = valid.by_stat(runs - renewed, self.results) | valid.by_stat(runs & renewed, self.results, since)
        for manifest, time_made in made.items():
            if any(_outdates(found[run], time_made) for run in manifests[manifest]):
                yield manifest

    def _age_notes(self) -> None:
        """Backdate notes on data sets that are newer than a manifest (as in a copied folder): Snakemake would rerun
        their packs.

        `ancient()` in the rule would do that too, but Snakemake 9.27 then skips `train` if it has to remake an existing
        note, for instance after that job was killed.
        """
        manifests = (paths.manifest(self.results, pack) for pack in self._by_id())
        times = [time_made for manifest in manifests if (time_made := rounds.written(manifest)) is not None]
        for name in datasets.REGISTRY if times else ():
            note = paths.data_state(self.results, name)
            with contextlib.suppress(OSError):
                if note.stat().st_mtime > min(times):
                    os.utime(note, (min(times), min(times)))

    def _clear_future(self) -> None:
        """Set times that lie in the future (clock skew) to now: Snakemake refuses a job whose input is newer than its
        output."""
        files = [paths.data_state(self.results, name) for name in datasets.REGISTRY]
        for study in self.studies:
            frames = sorted(paths.frames(self.results, study).glob("*"))
            files += [*map(Path, self.inputs(study)), *frames, paths.report(self.reports, study)]
        for file in files:
            with contextlib.suppress(OSError):
                if file.stat().st_mtime > time.time():
                    os.utime(file)

    def _by_id(self) -> dict[str, Pack]:
        return {pack.id: pack for packs in self.packs.values() for pack in packs}

    def _timing_by_id(self) -> dict[str, Timing]:
        return {timing.id: timing for timings in self.timings.values() for timing in timings}

    def manifests(self, wildcards: Any) -> list[str]:
        """Input of `aggregate`: see `inputs`."""
        return self.inputs(wildcards.study)

    def inputs(self, study: str) -> list[str]:
        """The manifests of a study's packs and timings, and those files that exist of published runs and of timings
        that another study made and this study's report shows.

        A study's target asks for these beside its page, because Snakemake does not remake a missing intermediate file
        if the final one exists.
        """
        packs = [paths.manifest(self.results, pack.id) for pack in self.packs[study]]
        timed = [paths.timed(self.results, timing.id) for timing in self.timings[study]]
        shared = () if timed else stored(self.results, shown(self.studies[study].cells))
        files = (paths.published(self.results, name) for name in ("runs", "timings"))
        published = [path for path in files if path.exists()]
        return [str(path) for path in (*packs, *timed, *shared, *published)]

    def cell(self, _wildcards: Any) -> list[str]:
        """Input of `cell`: the manifests of the packs of the cells named. Raises UsageError if none is."""
        if CELL not in self.packs:
            raise UsageError("cell: none is named", "Write: snakemake cell --config cell=NAME")
        return [str(paths.manifest(self.results, pack.id)) for pack in self.packs[CELL]]

    def config_of_page(self, _wildcards: Any) -> list[str]:
        """Input of `report`: the config, whose margins and questions the page shows. Omitted if its time lies in the
        future (clock skew): Snakemake refuses a job whose input is newer than its output."""
        return [str(self.config)] if (rounds.written(self.config) or 0.0) <= time.time() else []

    def config_file(self, _wildcards: Any) -> str:
        """Parameter of `report`."""
        return str(self.config)

    def timed_cells(self, wildcards: Any) -> list[str]:
        """Parameter of `time`: the keys of the two cells of a timing."""
        return [cell.key for cell in self._timing_by_id()[wildcards.timing].cells.values()]

    @property
    def default(self) -> str:
        """The study that plain `snakemake` builds: demo, else the first of the config."""
        return "demo" if "demo" in self.studies else next(iter(self.studies))

    def seeds(self, wildcards: Any) -> str:
        """Parameter of `aggregate` and `report`: a study's seeds as `--seeds` takes them."""
        return "".join(f"{seed}," for seed in self.studies[wildcards.study].seeds)

    def data_state(self, wildcards: Any) -> str:
        """Input of `train`: the note on the data set of the pack."""
        return str(paths.data_state(self.results, self._by_id()[wildcards.pack].runs[0].cell.dataset))

    def gpus(self, wildcards: Any) -> int:
        """Resource of `train` and `time`: 1 if any network of the pack or timing wants a GPU, else 0."""
        if hasattr(wildcards, "pack"):
            cells = [run.cell for run in self._by_id()[wildcards.pack].runs]
        else:
            cells = list(self._timing_by_id()[wildcards.timing].cells.values())
        return int(any(wants_gpu(cell) for cell in cells))

    def run_ids(self, wildcards: Any) -> list[str]:
        """Parameter of `train`: `key:seed` of each run of a pack."""
        return [f"{run.cell.key}:{run.seed}" for run in self._by_id()[wildcards.pack].runs]


def _outdates(found: float | valid.Row | None, made: float) -> bool:
    """Return True if a run has no result, or an own record newer than a manifest made at `made`. A record from the
    future (clock skew) does not count as newer."""
    return found is None or (isinstance(found, float) and made < found <= time.time())


def _present(note: Path) -> bool:
    """Return True if the note of a data set reports that it is present, or if there is no note."""
    try:
        return small_json.read(note, dict).get("state") == "present"
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False


def device(resources: Any, elsewhere: bool) -> str:
    """Parameter of `train` and `time`: on a cluster, exactly the device that the job requested; no fallback."""
    if not elsewhere:
        return "auto"
    return "cuda" if resources.get("gpu") else "cpu"


def beside(workflow: Any, path: str) -> Any:
    """Return the argument of `include` for a path beside the current Snakefile.

    If the Snakefile lies in the root of a git repository (a module deployed from the workflow catalog), Snakemake 9.27
    prefixes the path with a slash, and then does not find it.
    """
    found = workflow.current_basedir.join(path)
    if hasattr(type(found), "ref"):
        found.path = found.path.lstrip("/")
    return found


LOOKING = re.compile("--(summary|detailed-summary|lint|list.*|dag|rulegraph|filegraph|d3dag|l[tcipu])|-[SDl]")
"""Options of `snakemake` that show something and run nothing, besides `--dry-run`."""


def looks_only(workflow: Any) -> bool:
    """Return True if this `snakemake` only shows what it would do."""
    return workflow.output_settings.dryrun or any(LOOKING.fullmatch(word.partition("=")[0]) for word in sys.argv[1:])


def find_commands() -> None:
    """Put this Python's folder first on PATH, so that jobs call the `bnstudy` of this environment, activated or not."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
