"""What the Snakefile needs to know, planned from the config alone: studies, packs, paths. No torch, no pandas.

A pack's manifest is the declared output of its job; records and checkpoints are not, because Snakemake
deletes declared outputs before a job and after a failure.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnstudy import config, datasets, paths
from bnstudy.selection import narrow
from bnstudy.study import Pack, Study, plan


@dataclass(frozen=True, slots=True)
class Dag:
    """The studies with their packs; `results` and `reports` are the folders of this workflow run."""

    studies: dict[str, Study]
    packs: dict[str, tuple[Pack, ...]]
    results: Path
    reports: Path

    @classmethod
    def plan(cls, configfile: str | os.PathLike, options: Mapping[str, Any]) -> "Dag":
        """From the config file and Snakemake's `--config` values: only_where (space-separated key=value) and
        only_seeds (comma-separated) narrow what is trained of the study named by only_study."""
        studies = dict(config.load(Path(configfile)).studies)
        narrowed = str(options.get("only_study", ""))
        if narrowed in studies:
            studies[narrowed] = narrow(studies[narrowed], options.get("only_where"), options.get("only_seeds"))
        packs = {name: tuple(plan(study.runs())) for name, study in studies.items()}
        return cls(studies, packs, paths.results_root(), paths.reports_root())

    def clear_gaps(self) -> None:
        """Remove each manifest that names a missing record, and each note that a data set is absent, so that
        their jobs run again. A stat per record."""
        for pack in self._by_id().values():
            manifest = paths.manifest(self.results, pack.id)
            if manifest.exists() and not all(self._record(run).exists() for run in pack.runs):
                manifest.unlink(missing_ok=True)
        for name in datasets.REGISTRY:
            note = paths.data_state(self.results, name)
            with contextlib.suppress(OSError, ValueError):
                if json.loads(note.read_text()).get("state") != "present":
                    note.unlink()

    def _record(self, run: Any) -> Path:
        return paths.record(self.results, run.cell.key, run.seed)

    def _by_id(self) -> dict[str, Pack]:
        return {pack.id: pack for packs in self.packs.values() for pack in packs}

    def manifests(self, wildcards: Any) -> list[str]:
        """Input of `aggregate`: the manifests of all packs of a study."""
        return [str(paths.manifest(self.results, pack.id)) for pack in self.packs[wildcards.study]]

    def seeds(self, wildcards: Any) -> str:
        """Parameter of `aggregate` and `report`: a study's seeds as `--seeds` takes them."""
        return "".join(f"{seed}," for seed in self.studies[wildcards.study].seeds)

    def data_state(self, wildcards: Any) -> str:
        """Input of `train`: the note on the data set of a pack."""
        return str(paths.data_state(self.results, self._by_id()[wildcards.pack].runs[0].cell.dataset))

    def run_ids(self, wildcards: Any) -> list[str]:
        """Parameter of `train`: `key:seed` of each run of a pack."""
        return [f"{run.cell.key}:{run.seed}" for run in self._by_id()[wildcards.pack].runs]
