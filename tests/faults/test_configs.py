"""Every mutation of a config in tests/studies/test_config.py, met by a command: exit 2, and nothing is written."""

import pytest

from bnstudy.errors import USAGE
from faults import invariants, tally
from studies.test_config import REFUSED, SMALL, WHOLE, write

CONTENTS = [SMALL.replace(old, new).encode() for old, new, _, _ in REFUSED] + [content for content, _ in WHOLE]
PARTS = 10


def test_there_are_enough():
    assert len(set(CONTENTS)) >= 150


@pytest.mark.parametrize("part", [pytest.param(n, marks=pytest.mark.faults if n else ()) for n in range(PARTS)])
def test_every_mutation_ends_the_command(server, tmp_path, part):
    for content in CONTENTS[part::PARTS]:
        path = write(tmp_path, content)
        process = server.run("train", "--study", "one", "--config", path, "--results", tmp_path / "results")
        tally.count("altered configs")
        assert process.code == USAGE, content
        assert process.err.startswith(f"bnstudy: {path}:")
        assert "Traceback" not in process.err
        assert process.err.splitlines()[-1].startswith("  ")
        invariants.nothing_but(tmp_path, path.name)
