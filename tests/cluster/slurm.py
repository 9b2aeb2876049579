"""A SLURM cluster of this one machine: munged, slurmctld and slurmd of the distribution, in a folder of their own."""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo", "srun")
CONFIGURATION = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SlurmdParameters=config_overrides
MpiDefault=none
SwitchType=switch/none
PlugStackConfig=/dev/null
ReturnToService=2
KillWait=10
MinJobAge=300
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=16000 Gres=gpu:1 State=UNKNOWN
PartitionName=test Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
# The job step of the executor drops SLURM's variables, so an srun inside has to be told where this cluster is.
SRUN = '#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {srun} "$@"\n'
GPU = "Name=gpu File=/dev/zero\n"  # a device to be counted, none to compute on


def missing() -> list[str]:
    """The programs that this machine lacks."""
    return [each for each in PROGRAMS if not shutil.which(each, path=_path())]


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Cluster:
    """Started when made; `stop` ends its jobs, then each of its own processes."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.host = socket.gethostname().partition(".")[0]
        for name in ("state", "spool", "bin"):
            (folder / name).mkdir(parents=True)
        values = {"folder": folder, "host": self.host, "user": getpass.getuser(), "ports": _free_ports(2)}
        (folder / "slurm.conf").write_text(CONFIGURATION.format(**values))
        (folder / "gres.conf").write_text(GPU)
        srun = folder / "bin" / "srun"
        srun.write_text(SRUN.format(folder=folder, srun=shutil.which("srun")))
        srun.chmod(0o755)
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self._processes: list[subprocess.Popen] = []
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": f"{self.folder / 'bin'}:{_path()}"}

    def _start(self) -> None:
        names = ("key-file=munge.key", "socket=munge.socket", "pid-file=munged.pid", "log-file=munged.log")
        munge = [f"--{name.replace('=', f'={self.folder}/')}" for name in (*names, "seed-file=munge.seed")]
        self._run("munged", "-F", "--force", *munge)
        self._until(lambda: (self.folder / "munge.socket").exists(), "munged")
        conf = str(self.folder / "slurm.conf")
        self._run("slurmctld", "-D", "-i", "-f", conf)
        self._run("slurmd", "-D", "-f", conf, "-N", self.host)
        self._until(lambda: self.ask("sinfo", "-h", "-o", "%T").strip() == "idle", "slurmd")

    def _run(self, *words: str) -> None:
        environment = os.environ | self.environment
        with (self.folder / f"{words[0]}.words").open("ab") as file:
            process = subprocess.Popen(
                words, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )
        self._processes.append(process)

    def _until(self, ready, who: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            dead = [process.args for process in self._processes if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                raise RuntimeError(f"{who} is not ready: {dead} {self.logs()}")
            time.sleep(0.1)

    def logs(self) -> str:
        """The ends of all logs, for a failed test."""
        files = [*self.folder.glob("*.log"), *self.folder.glob("*.words")]
        return "\n".join(f"{f.name}: {f.read_text(errors='replace')[-2000:]}" for f in files)

    def ask(self, *words: str) -> str:
        """What a command of SLURM prints; empty if it fails."""
        done = subprocess.run(
            words, env=os.environ | self.environment, capture_output=True, text=True, check=False, timeout=30
        )
        return done.stdout if done.returncode == 0 else ""

    def jobs(self) -> dict[str, str]:
        """The jobs that SLURM knows, with their states."""
        lines = self.ask("squeue", "-h", "-t", "all", "-o", "%i %T").split("\n")
        return dict(line.split() for line in lines if line)

    def running(self) -> list[str]:
        return [job for job, state in self.jobs().items() if state == "RUNNING"]

    def comment(self, job: str) -> str:
        """What the executor notes of a job: its rule and wildcards."""
        return self.ask("squeue", "-h", "-j", job, "-o", "%k").strip()

    def requeue(self, job: str) -> None:
        """As a preemption does: signals, then back into the queue; and without the usual two minutes' wait there."""
        self.ask("scontrol", "requeue", job)
        self._until(lambda: self.jobs().get(job) == "PENDING", f"job {job}")
        self.ask("scontrol", "update", f"JobId={job}", "StartTime=now")

    def stop(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            for job, state in self.jobs().items():
                if state in ("RUNNING", "PENDING", "COMPLETING"):
                    self.ask("scancel", job)
            deadline = time.monotonic() + 30
            while self.ask("squeue", "-h").strip() and time.monotonic() < deadline:
                time.sleep(0.2)
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in self._left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _left(self) -> list[int]:
        """The processes of jobs that outlived their cancelling: this cluster's folder stands in their environment."""
        left = []
        for file in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if os.fsencode(self.folder) in file.read_bytes():
                    left.append(int(file.parent.name))
        return left
