"""What the Snakefile needs to know, planned from the config alone: studies, packs, paths. No torch, no pandas.

A pack's manifest is the declared output of its job; records and checkpoints are not, because Snakemake
deletes declared outputs before a job and after a failure.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from bnstudy import again, config, datasets, paths, publication
from bnstudy.cell import Run
from bnstudy.selection import narrow
from bnstudy.study import Pack, Study, plan, wants_gpu
from bnstudy.timing import Timing, shown, timings
from bnstudy.timing.record import stored


@dataclass(frozen=True, slots=True)
class Dag:
    """The studies with their packs, or their timings if they time epochs; `results` and `reports` are the folders of
    this workflow run, `asked` names the study that `bnstudy run` is for, if it is that which runs the workflow."""

    studies: dict[str, Study]
    packs: dict[str, tuple[Pack, ...]]
    timings: dict[str, tuple[Timing, ...]]
    results: Path
    reports: Path
    config: Path
    asked: str

    @classmethod
    def plan(cls, configfile: str | os.PathLike, options: Mapping[str, Any]) -> "Dag":
        """From the config file and Snakemake's `--config` values: only_where (space-separated key=value) and
        only_seeds (comma-separated) narrow what is trained of the study named by only_study."""
        studies = dict(config.load(Path(configfile)).studies)
        narrowed = str(options.get("only_study", ""))
        if narrowed in studies:
            studies[narrowed] = narrow(studies[narrowed], options.get("only_where"), options.get("only_seeds"))
        packs = {name: tuple(plan(study.runs())) for name, study in studies.items()}
        timed = {name: tuple(timings(study.cells)) if study.timing else () for name, study in studies.items()}
        return cls(studies, packs, timed, paths.results_root(), paths.reports_root(), Path(configfile), narrowed)

    def clear_gaps(self) -> None:
        """Remove each manifest that names a run neither recorded nor published, or recorded since; in a round of
        `--fresh` also those of the study asked for whose runs are not recorded since it began; and each note that a
        data set is absent: so that their jobs run again. A stat per record."""
        began, asked = again.since(), self.studies.get(self.asked)
        renewed = {*asked.runs(), *self.timings[asked.name]} if began and asked else set()
        for timing in self._timing_by_id().values():
            manifest = paths.timed(self.results, timing.id)
            outdated = timing in renewed and not again.counts(manifest, began)
            if manifest.exists() and (outdated or not any(stored(self.results, [timing]))):
                manifest.unlink(missing_ok=True)
        manifests = {paths.manifest(self.results, pack.id): pack.runs for pack in self._by_id().values()}
        gaps = {manifest: self._gap(manifest, runs, renewed, began) for manifest, runs in manifests.items()}
        unlisted = renewed.union(
            publication.unlisted(chain.from_iterable(gap or () for gap in gaps.values()), self.results)
        )
        for manifest, gap in gaps.items():
            if gap is None or not unlisted.isdisjoint(gap):
                manifest.unlink(missing_ok=True)
        for name in datasets.REGISTRY:
            note = paths.data_state(self.results, name)
            with contextlib.suppress(OSError, ValueError):
                if json.loads(note.read_text()).get("state") != "present":
                    note.unlink()
        self._age_notes(manifests)
        self._set_back()

    def _age_notes(self, manifests: Iterable[Path]) -> None:
        """Make no note on a data set newer than a manifest, as a copy may: its packs would run again for nothing.

        `ancient()` in the rule would do, but Snakemake 9.27 then leaves `train` out where it makes a note that stands
        once more, as after a kill in that job.
        """
        times = []
        for manifest in manifests:
            with contextlib.suppress(OSError):
                times.append(manifest.stat().st_mtime)
        for name in datasets.REGISTRY if times else ():
            note = paths.data_state(self.results, name)
            with contextlib.suppress(OSError):
                if note.stat().st_mtime > min(times):
                    os.utime(note, (min(times), min(times)))

    def _set_back(self) -> None:
        """Give what stands and claims to be of the future, as after a clock that was ahead, the present time:
        Snakemake refuses a job whose input is newer than its output."""
        for study in self.studies:
            frames = sorted(paths.frames(self.results, study).glob("*.parquet"))
            for path in (*self.inputs(study), *frames, paths.report(self.reports, study)):
                with contextlib.suppress(OSError):
                    if Path(path).stat().st_mtime > time.time():
                        os.utime(path)

    def _gap(self, manifest: Path, runs: Iterable[Run], renewed: Collection[Any], began: float) -> list[Run] | None:
        """The runs of a manifest that have no record; None if one has a newer one, or one of before the round."""
        if (made := _time_of(manifest)) is None:
            return []
        times = {run: _time_of(paths.record(self.results, run.cell.key, run.seed)) for run in runs}
        for run, time_of in times.items():
            if time_of is not None and (made < time_of <= time.time() or (run in renewed and time_of < began)):
                return None
        return [run for run, time_of in times.items() if time_of is None]

    def _by_id(self) -> dict[str, Pack]:
        return {pack.id: pack for packs in self.packs.values() for pack in packs}

    def _timing_by_id(self) -> dict[str, Timing]:
        return {timing.id: timing for timings in self.timings.values() for timing in timings}

    def manifests(self, wildcards: Any) -> list[str]:
        """Input of `aggregate`: see `inputs`."""
        return self.inputs(wildcards.study)

    def inputs(self, study: str) -> list[str]:
        """What stands for all packs and timings of a study, and what there is already of timings that another
        study made and its report shows, and of published runs.

        A study's target asks for these beside its page: a file that only stands between two others is not made anew
        by Snakemake when it is gone and the last of the three is there.
        """
        packs = [paths.manifest(self.results, pack.id) for pack in self.packs[study]]
        timed = [paths.timed(self.results, timing.id) for timing in self.timings[study]]
        shared = () if timed else stored(self.results, shown(self.studies[study].cells))
        files = (paths.published(self.results, name) for name in ("runs", "timings"))
        published = [path for path in files if path.exists()]
        return [str(path) for path in (*packs, *timed, *shared, *published)]

    def config_of_page(self, _wildcards: Any) -> list[str]:
        """Input of `report`: the config, whose margins and questions the page shows. Not where it is of the future, as
        from a clock that was ahead: Snakemake refuses a job whose input is newer than its output."""
        return [str(self.config)] if (_time_of(self.config) or 0.0) <= time.time() else []

    def config_file(self, _wildcards: Any) -> str:
        """Parameter of `report`."""
        return str(self.config)

    def timed_cells(self, wildcards: Any) -> list[str]:
        """Parameter of `time`: the keys of the two cells of a timing."""
        return [cell.key for cell in self._timing_by_id()[wildcards.timing].cells.values()]

    @property
    def default(self) -> str:
        """The study that a plain `snakemake` is for: demo, else the first of the config."""
        return "demo" if "demo" in self.studies else next(iter(self.studies))

    def seeds(self, wildcards: Any) -> str:
        """Parameter of `aggregate` and `report`: a study's seeds as `--seeds` takes them."""
        return "".join(f"{seed}," for seed in self.studies[wildcards.study].seeds)

    def data_state(self, wildcards: Any) -> str:
        """Input of `train`: the note on the data set of a pack."""
        return str(paths.data_state(self.results, self._by_id()[wildcards.pack].runs[0].cell.dataset))

    def gpus(self, wildcards: Any) -> int:
        """Resource of `train` and `time`: the GPUs that a pack or a timing wants, 1 if a network of it does."""
        if hasattr(wildcards, "pack"):
            cells = [run.cell for run in self._by_id()[wildcards.pack].runs]
        else:
            cells = list(self._timing_by_id()[wildcards.timing].cells.values())
        return int(any(wants_gpu(cell) for cell in cells))

    def run_ids(self, wildcards: Any) -> list[str]:
        """Parameter of `train`: `key:seed` of each run of a pack."""
        return [f"{run.cell.key}:{run.seed}" for run in self._by_id()[wildcards.pack].runs]


def _time_of(path: Path) -> float | None:
    """When this was written; None if it is not there."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return path.stat().st_mtime
    return None


def device(resources: Any, elsewhere: bool) -> str:
    """Parameter of `train` and `time`: on a cluster what was asked of it, the GPU or the CPU, and nothing instead."""
    if not elsewhere:
        return "auto"
    return "cuda" if resources.get("gpu") else "cpu"


def beside(workflow: Any, path: str) -> Any:
    """What `include` needs for a path beside the Snakefile that is read.

    Where that comes from the root of a git repository, as a module does that the workflow catalog deploys, Snakemake
    (9.27) writes a slash before the path, and no file of a repository begins with one.
    """
    found = workflow.current_basedir.join(path)
    if hasattr(type(found), "ref"):
        found.path = found.path.lstrip("/")
    return found


def find_commands() -> None:
    """Put this Python's folder first on PATH: jobs call the `bnstudy` of this environment, activated or not."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
