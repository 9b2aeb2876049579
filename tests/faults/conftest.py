"""The server of warm processes, the small study and its undisturbed results, and `Lab`: one place to disturb it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults import invariants, tally
from faults.lab import Lab
from faults.warm import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def calm(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the small study, undisturbed."""
    lab = Lab(server, tmp_path_factory.mktemp("calm"))
    process = lab.train(interval="1000")
    assert process.code == 0, process.err
    invariants.settled(lab.results, lab.results, lab.runs)
    return lab.results


@pytest.fixture
def lab(server: Server, tmp_path: Path) -> Lab:
    """The whole small study: five cells, two seeds."""
    return Lab(server, tmp_path)


@pytest.fixture
def one(server: Server, tmp_path: Path) -> Lab:
    """A single run of it: batch norm, dropout, decaying rate."""
    return Lab.of_one(server, tmp_path)


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a tmpfs of a few pages at a folder; skips without root."""
    mounted = []

    def mount(folder: Path, pages: int, inodes: int = 1000) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        options = f"size={pages * 4096},nr_inodes={inodes}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("needs root and the right to mount")
        mounted.append(folder)
        tally.count("small disks")

    mount.again = lambda folder, how: subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)
    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)
