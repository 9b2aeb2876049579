"""`bnstudy bench dag`: what the thesis's study costs besides training. Nothing of a study is trained or kept.

Its total is put together from measured pieces: planning by Snakemake, its work per job, and for each pack a
process that starts, reads the config, imports torch and prepares its images.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bnstudy import datasets
from bnstudy.bench.timed import Row, timed, total
from bnstudy.design.study import plan
from bnstudy.errors import UsageError
from bnstudy.workflow.snakemake_process import workflow_file

SEEDS = 3
JOBS = 40  # trivial jobs that show what Snakemake spends on one

TINY_CONFIG = """\
studies:
  tiny:
    question: How long does a job take to start?
    seeds: 1
    cells: [{dataset: toy, model: mlp, norm: none, epochs: 1}]
"""

TINY_WORKFLOW = f"""\
rule all:
    input: [f"{{i}}.done" for i in range({JOBS})]
rule one:
    output: "{{i}}.done"
    shell: "touch {{output}}"
"""


def rows(config: Path, say: Callable[[str], None]) -> list[Row]:
    """Rows what, seconds, cpu_seconds (of this process and its children). Raises UsageError without Snakemake."""
    from bnstudy.studies.config import load

    study = replace(load(config).study("thesis"), seeds=tuple(range(SEEDS)))
    packs = plan(study.runs())
    jobs = len(packs) + 2 + len({cell.dataset for cell in study.cells})
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        environment = _environment(at)
        say("planning")
        found = [timed(f"planning {len(study.runs())} runs into {len(packs)} packs", lambda: plan(study.runs()))]
        say("dry run")
        dry = [*_snakemake(workflow_file(config)), "--dry-run", "--configfile", str(config.resolve()), "--config"]
        dry += ["only_study=thesis", "only_seeds=" + ",".join(map(str, study.seeds)), "--", "thesis"]
        found.append(timed("dry run of thesis with 3 seeds", lambda: _call(dry, environment)))
        say("start-up of a job")
        found.append(_start_up(at, environment))
        found.append(_images(say))
        say(f"{JOBS} trivial jobs")
        found.append(_per_job(at, environment))
    _, dry_run, start, images, one = found
    started = [dry_run, *([start] * len(packs)), *([one] * jobs)]
    return [
        *found,
        total(f"thesis with 3 seeds: start-ups and scheduling of {jobs} jobs", started),
        total(f"thesis with 3 seeds: images prepared by {len(packs)} packs", [images] * len(packs)),
    ]


def _start_up(at: Path, environment: dict[str, str]) -> Row:
    """A job of the rule `train`, from the shell to its manifest, with hardly anything to train."""
    from bnstudy.studies.config import load

    (at / "tiny.yaml").write_text(TINY_CONFIG)
    cell = load(at / "tiny.yaml").study("tiny").cells[0]
    command = [sys.executable, "-m", "bnstudy", "train", f"{cell.key}:0", "--config", str(at / "tiny.yaml")]
    command += ["--wait", "--manifest", str(at / "results" / "packs" / "000000000000.json")]
    return timed("start-up of one job", lambda: _call(command, environment))


def _images(say: Callable[[str], None]) -> Row:
    """Images of CIFAR10's number and size, split and standardized as every job does once."""
    import numpy as np

    from bnstudy.design.cell import make_cell
    from bnstudy.training.engine.inputs import prepare

    say("images of a job")
    spec = datasets.REGISTRY["cifar10"]
    rng, side = np.random.default_rng(0), datasets.SIDE
    images = [rng.integers(0, 256, (n, spec.channels, side, side), np.uint8) for n in (spec.train, spec.test)]
    labels = [rng.integers(0, spec.classes, n) for n in (spec.train, spec.test)]
    arrays = datasets.Arrays(
        train_images=images[0], train_labels=labels[0], test_images=images[1], test_labels=labels[1],
        digest="random", source="random",
    )  # fmt: skip
    cell = make_cell({"dataset": "cifar10", "model": "mlp", "norm": "none"})
    return timed("images of one job, prepared", lambda: prepare(cell, 0, arrays))


def _per_job(at: Path, environment: dict[str, str]) -> Row:
    """Snakemake's own share in a job: so many trivial jobs, less the same dry, divided."""
    folder = at / "trivial"
    folder.mkdir()
    (folder / "Snakefile").write_text(TINY_WORKFLOW)
    command = [*_snakemake(folder / "Snakefile"), "--directory", str(folder)]
    dry = timed("", lambda: _call([*command, "--dry-run"], environment))
    real = timed("", lambda: _call(command, environment))
    row: Row = {"what": "scheduling of one job"}
    return row | {k: max(0.0, real[k] - dry[k]) / JOBS for k in ("seconds", "cpu_seconds")}


def _snakemake(file: Path) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--snakefile", str(file), "--cores", "2", "--quiet", "all", "--nolock"]


def _environment(at: Path) -> dict[str, str]:
    folders = {f"BNSTUDY_{name.upper()}": str(at / name) for name in ("results", "reports", "data")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return os.environ | folders | {"PATH": path, "OMP_NUM_THREADS": "1"}


def _call(command: Sequence[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no output")
        raise UsageError(f"{' '.join(command[1:4])}: failed ({last})", "Does `bnstudy run --study demo` work here?")
