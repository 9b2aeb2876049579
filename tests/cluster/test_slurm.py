"""A small study through a real SLURM cluster of one machine: requeued, cancelled and signalled in the middle.

Needs Debian's slurmctld, slurmd, slurm-client and munge, and requirements-slurm.lock: `make test-cluster`.
"""

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from bnstudy.errors import TRY_AGAIN, USAGE
from bnstudy.results.record import Record
from cluster import slurm
from faults import invariants
from faults.dag import Front
from faults.warm import ROOT

PLUGIN = "snakemake_executor_plugin_slurm"
LACKING = [*slurm.missing(), *([] if find_spec(PLUGIN) else [PLUGIN])]
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}"),
]

CONFIG = """
seeds: 2
margins: {{default: 1.0}}
studies:
  tiny:
    question: Does it come out again?
    cells:
      - dataset: {datasets}
        model: {model}
        norm: [none, batch]
        setting: [relu, dropout]
        epochs: 100
        stop_patience: 0
        {more}
"""
# The shipped profile, but for its patience: a test looks every few seconds.
QUICK = {"status-checks: 20": "status-checks: 2", "latency-wait: 60": "latency-wait: 10"}


class Study(Front):
    """Two packs, of digits and toy; `start` runs them on the cluster if there is one, else here."""

    def __init__(
        self, folder: Path, cluster: slurm.Cluster | None, datasets="[digits, toy]", model="mlp", more="width: 0.05"
    ):
        super().__init__(folder)
        self.cluster = cluster
        (folder / "config.yaml").write_text(CONFIG.format(datasets=datasets, model=model, more=more))
        self.profile = folder.with_name(f"{folder.name}-profile")
        self.profile.mkdir()
        text = (ROOT / "profiles" / "slurm" / "config.yaml").read_text()
        for shipped, quick in QUICK.items():
            assert shipped in text
            text = text.replace(shipped, quick)
        (self.profile / "config.yaml").write_text(text)

    def start(self, *words: str, **options) -> subprocess.Popen:
        environment = os.environ | (self.cluster.environment if self.cluster else {})
        environment |= {
            "PYTHONPATH": str(ROOT / "src"), "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",
            "OMP_NUM_THREADS": "1", "BNSTUDY_CHECKPOINT_SECONDS": "0", "BNSTUDY_DATA": str(self.folder / "data"),
        }  # fmt: skip
        for name in ("BNSTUDY_RESULTS", "BNSTUDY_REPORTS"):
            environment.pop(name, None)
        where = ["--profile", str(self.profile)] if self.cluster else ["--cores", "2"]
        command = [sys.executable, "-m", "bnstudy", "run", "--study", "tiny", *where, *words]
        with (self.folder / "words").open("ab") as file:
            return subprocess.Popen(
                command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                start_new_session=True,
            )  # fmt: skip

    def until(self, ready, seconds: float = 400.0):
        return super().until(ready, seconds)

    @property
    def log(self) -> str:
        files = [*self.folder.glob("results/logs/**/*.log"), *self.folder.glob(".snakemake/slurm_logs/**/*.log")]
        return self.words + "".join(f"\n{f}:\n{f.read_text(errors='replace')[-3000:]}" for f in files)

    def checkpoints(self) -> list[Path]:
        return list(self.results.glob("checkpoints/*.newest"))

    def job_in_training(self) -> str | None:
        """A running job that has trained two epochs, so that a checkpoint of it is whole."""
        for job in self.cluster.running():
            pack = self.cluster.comment(job).rpartition("_wildcards_")[2]
            log = self.results / "logs" / "train" / f"{pack}.log"
            if log.is_file() and " epoch 2/" in log.read_text():
                return job
        return None

    def attempts(self) -> list[int]:
        """The first epochs of all later attempts: above 1 where a run went on from a checkpoint."""
        records = [Record.from_text(text) for text in invariants.records(self.results).values()]
        return [attempt["first_epoch"] for record in records for attempt in record.attempts[1:]]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = slurm.Cluster(tmp_path_factory.mktemp("slurm"))
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Study:
    """The same study on this machine, undisturbed."""
    study = Study(tmp_path_factory.mktemp("local") / "study", None)
    assert study.run() == 0, study.log
    return study


def test_a_job_is_requeued_and_one_cancelled_in_the_middle(cluster, local, tmp_path):
    study = Study(tmp_path / "study", cluster)
    process = study.start()
    requeued = study.until(study.job_in_training)
    cluster.requeue(requeued)
    study.until(lambda: cluster.jobs().get(requeued) == "RUNNING")
    study.until(lambda: any("resumes after" in f.read_text() for f in study.results.glob("logs/train/*.log")))
    study.until(lambda: bool(study.checkpoints()) and bool(cluster.running()))
    cluster.ask("scancel", cluster.running()[-1])
    assert process.wait(1200) == 0, study.log + cluster.logs()
    print(f"\njobs: {cluster.jobs()}; later attempts began with epochs {study.attempts()}")
    assert any(first > 1 for first in study.attempts())
    study.same_as(local)


def test_a_signal_to_the_front_cancels_its_jobs_and_the_same_command_goes_on(cluster, local, tmp_path):
    study = Study(tmp_path / "study", cluster)
    process = study.start()
    study.until(lambda: study.checkpoints() and cluster.running())
    process.send_signal(signal.SIGTERM)
    assert process.wait(400) == TRY_AGAIN, study.log
    study.until(lambda: not cluster.ask("squeue", "-h").strip())
    assert len(invariants.records(study.results)) < len(study.runs)
    assert study.run() == 0, study.log + cluster.logs()
    study.same_as(local)


def test_an_absent_data_set_leaves_the_rest(cluster, tmp_path):
    """Each job reads the Snakefile again, and must not clear away the note that the data are absent."""
    study = Study(tmp_path / "study", cluster, "[toy, mnist]")
    assert study.run() == 0, study.log + cluster.logs()
    assert "MNIST: not run, its data are absent" in study.words
    assert len(invariants.records(study.results)) == len(study.runs) / 2


def test_a_job_that_asked_for_a_gpu_never_takes_the_cpu(cluster, tmp_path):
    """The GPU of this cluster is none: the job was promised one and has to say so."""
    study = Study(tmp_path / "study", cluster, "toy", "cnn", "train_size: 200")
    profile = study.profile / "config.yaml"
    profile.write_text(profile.read_text().replace("retries: 3", "retries: 0"))
    assert study.run() == USAGE, study.log + cluster.logs()
    assert "--device cuda: 0 CUDA devices found" in study.words
    assert invariants.records(study.results) == {}
