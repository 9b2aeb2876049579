"""A folder with results, and the one command that trains the small study there."""

import signal
from collections.abc import Sequence
from pathlib import Path

from bnstudy import paths
from bnstudy.design.cell import Cell
from faults import small
from faults.warm import Process, Server


class Lab:
    """`train` is the same command each time. `interval` is seconds between checkpoints: by default every epoch."""

    def __init__(
        self, server: Server, folder: Path, cells: Sequence[Cell] = small.CELLS, seeds: Sequence[int] = small.SEEDS
    ):
        self.server, self.folder, self.results = server, folder, folder / "results"
        self.runs = [small.Run(cell, seed) for cell in cells for seed in seeds]
        self.file = small.put(folder / "cells.json", cells, seeds)

    @classmethod
    def of_one(cls, server: Server, folder: Path) -> "Lab":
        return cls(server, folder, small.CELLS[2:3], (0,))

    def start(self, *words: str, interval: str = "0", **options) -> Process:
        given = ("train", "--cells", self.file, "--results", self.results, "--data", self.folder / "data", *words)
        return self.server.start(*given, BNSTUDY_CHECKPOINT_SECONDS=interval, **options)

    def train(self, *words: str, **options) -> Process:
        process = self.start(*words, **options)
        process.wait()
        return process

    def stop_after(self, epoch: int) -> Process:
        """Train, and kill -9 right after the checkpoint of this epoch."""
        process = self.train(before="faults.disk:stop_after", given=[epoch])
        assert process.code == -signal.SIGKILL, process.err
        return process

    @property
    def record(self) -> Path:
        """Of the first run."""
        return paths.record(self.results, self.runs[0].cell.key, self.runs[0].seed)

    @property
    def checkpoints(self) -> tuple[Path, Path]:
        """Of the first run: the newest and the older one."""
        return paths.checkpoints(self.results, self.runs[0].cell.key, self.runs[0].seed)
