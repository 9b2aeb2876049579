"""A study of tiny cells as its users run it: `bnstudy run`, through Snakemake, in processes of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bnstudy.design.cell import Run
from bnstudy.studies import config
from faults import invariants, tally
from faults.warm import ROOT

GRID = """
seeds: 2
margins: {{default: 1.0}}
studies:
  tiny:
    question: Does it come out again?
    cells:
      - dataset: toy
        model: mlp
        norm: [none, batch]
        setting: {settings}
        width: {widths}
        train_size: 200
        epochs: 8
"""
MODULE = (sys.executable, "-m", "bnstudy")
OUTPUTS = ("*.csv", "*.md", "*.tex")


class Front:
    """A folder with a config, results and reports; `start` is the one command."""

    def __init__(self, folder: Path, settings: str = "[relu, sigmoid, dropout, batch_32]", widths: str = "0.02"):
        self.folder, self.results = folder, folder / "results"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(GRID.format(settings=settings, widths=widths))
        shutil.copy(ROOT / "Snakefile", folder)
        shutil.copytree(ROOT / "workflow", folder / "workflow", dirs_exist_ok=True)

    @property
    def runs(self) -> list[Run]:
        return config.load(self.folder / "config.yaml").studies["tiny"].runs()

    def start(
        self, *words: str, without: Sequence[str] = (), program: Sequence[str] = MODULE, **options
    ) -> subprocess.Popen:
        """Start it; `options` are those of Popen, `without` names variables that its environment lacks."""
        environment = os.environ | {
            "PYTHONPATH": str(ROOT / "src"), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1", "BNSTUDY_CHECKPOINT_SECONDS": "0", "BNSTUDY_DATA": str(self.folder / "data"),
        }  # fmt: skip
        for name in ("BNSTUDY_RESULTS", "BNSTUDY_REPORTS", *without):
            environment.pop(name, None)
        command = [*program, "run", "--study", "tiny", "--cores", "2", *words]
        with (self.folder / "words").open("ab") as words_file:
            streams = {"stdin": subprocess.DEVNULL, "stdout": words_file, "stderr": words_file}
            options = streams | {"cwd": self.folder, "env": environment, "start_new_session": True} | options
            return subprocess.Popen(command, **options)

    def run(self, **options) -> int:
        return self.start(**options).wait(1800)

    @property
    def words(self) -> str:
        return (self.folder / "words").read_text(errors="replace")

    def processes(self, word: str = "") -> list[int]:
        """The processes at work in this folder whose command line holds `word`."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and (entry / "cwd").resolve() == self.folder.resolve():
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if word in line and "Z (zombie)" not in (entry / "status").read_text():
                        found.append(int(entry.name))
        return found

    def kill(self, word: str = "", number: int = signal.SIGKILL) -> int:
        """Send a signal to every process here whose command line holds `word`; how many there were."""
        found = self.processes(word)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                tally.count("signals")
        return len(found)

    def until(self, ready: Callable[[], Any], seconds: float = 600.0) -> Any:
        """Wait until `ready` returns something true, and return that."""
        deadline = time.monotonic() + seconds
        while not (found := ready()):
            assert time.monotonic() < deadline, self.words
            time.sleep(0.02)
        return found

    def outputs(self) -> dict[str, bytes]:
        """What must come out byte for byte: tables and the data of figures."""
        folder = self.folder / "reports"
        return {f.relative_to(folder).as_posix(): f.read_bytes() for pattern in OUTPUTS for f in folder.rglob(pattern)}

    def same_as(self, calm: "Front") -> None:
        """I1, I2, I6 and the outputs."""
        invariants.whole_records(self.results)
        invariants.same_as_calm(self.results, calm.results, self.runs)
        mine, theirs = self.outputs(), calm.outputs()
        assert mine.keys() == theirs.keys()
        assert len(mine) > 5
        assert [name for name in mine if mine[name] != theirs[name]] == []
        allowed = ("config.yaml", "Snakefile", "workflow", "results", "reports", "words", ".snakemake", "data")
        invariants.nothing_but(self.folder, *allowed)
