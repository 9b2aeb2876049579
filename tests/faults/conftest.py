"""The server of warm processes, the small study and its undisturbed results, and `Lab`: one place to disturb it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults import invariants
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
