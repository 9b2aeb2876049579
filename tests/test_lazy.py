"""The check before torch is loaded into little memory: it refuses, and it ends."""

import resource

import pytest

from bnstudy import lazy
from bnstudy.errors import OutOfMemory


@pytest.fixture
def limited(monkeypatch, tmp_path):
    """A process that may use 6 GB, whose torch is `torch.py` in the folder returned."""
    monkeypatch.setattr(lazy.resource, "getrlimit", lambda what: (6 << 30, resource.RLIM_INFINITY))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


@pytest.mark.timeout(60)
def test_an_import_that_never_ends_is_out_of_memory(limited, monkeypatch):
    """Python 3.11 has such loops: `PyLong_FromLong` fails as an exception is handled, which is an exception."""
    (limited / "torch.py").write_text("while True: pass")
    monkeypatch.setattr(lazy, "TRIAL_SECONDS", 0.3)
    with pytest.raises(OutOfMemory):
        lazy.check_memory()


def test_an_import_that_ends_the_process_is_out_of_memory(limited):
    (limited / "torch.py").write_text("import os; os.abort()")
    with pytest.raises(OutOfMemory):
        lazy.check_memory()


def test_an_import_that_succeeds_is_not(limited):
    (limited / "torch.py").write_text("")
    lazy.check_memory()
