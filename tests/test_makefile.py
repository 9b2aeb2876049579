"""Set-up without a GPU: what it leaves out of the lock, and what it prints if the index is out of reach."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from command_line import ROOT


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A folder with Makefile, lock, an interpreter that is there, and a uv that reaches no index of PyTorch."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name, text in {
        ".venv/bin/python": "",
        "uv": '#!/bin/sh\ncase "$*" in *torch-backend*) exit 2;; esac\n',
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def make(folder: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(["make", "UV=./uv", *words], cwd=folder, capture_output=True, text=True, check=False)


def packages(lock: Path) -> dict[str, str]:
    """Name -> its version and hashes."""
    found = re.findall(r"^([a-z][^=\s]*)==((?:.*\n)(?:[ #].*\n)*)", lock.read_text(), re.M)
    return dict(found)


def test_the_lock_for_the_cpu_lacks_torch_and_what_cuda_needs_alone(checkout):
    assert make(checkout, ".venv/cpu.lock", "CPU=1").returncode == 0
    whole, left = packages(checkout / "requirements.lock"), packages(checkout / ".venv" / "cpu.lock")
    assert left.items() <= whole.items()
    gone = whole.keys() - left.keys()
    assert {"torch", "torchvision", "triton", "nvidia-cudnn-cu13"} <= gone
    assert all(re.match(r"torch|triton|nvidia-|cuda-", name) for name in gone)
    assert {"numpy", "snakemake", "pandas"} <= left.keys()


def test_an_index_out_of_reach_is_named_and_leaves_no_half_set_up_environment(checkout):
    failed = make(checkout, "setup", "CPU=1")
    assert failed.returncode != 0
    assert "PyTorch for the CPU could not be installed" in failed.stderr
    assert not (checkout / ".venv" / "ready").exists()
    usual = make(checkout, "setup")
    assert usual.returncode == 0, usual.stderr
    assert "pip sync" in usual.stdout


def test_what_is_in_the_environment_decides_what_later_calls_do(checkout):
    make(checkout, ".venv/cpu.lock", "CPU=1")
    (checkout / "uv").write_text("#!/bin/sh\n")
    later = make(checkout, "setup")
    assert later.returncode == 0, later.stderr
    assert "cpu.lock" in later.stdout
    assert "pip sync" not in later.stdout


def test_a_misspelt_variable_is_refused_and_a_list_of_words_is_not(checkout):
    failed = make(checkout, "-n", "demo", "CPUS=1")
    assert failed.returncode == 2
    assert "there is no variable CPUS; there are PYTHON WHERE" in failed.stderr
    for given in ("WITH=extras readings", "WHERE=dataset=digits model=mlp"):
        assert make(checkout, "-n", "replicate", given, "YES=1").returncode == 0


def test_a_variable_that_is_off_is_off(checkout):
    asked = make(checkout, "-n", "replicate", "FRESH=1", "YES=1").stdout
    assert "--fresh" in asked
    assert "--yes" in asked
    not_asked = make(checkout, "-n", "replicate", "FRESH=0", "YES=no").stdout
    assert "--study thesis" in not_asked
    assert not {"--fresh", "--yes"} & set(not_asked.split())
    assert "cpu.lock" not in make(checkout, "-n", "setup", "CPU=0").stdout


@pytest.mark.parametrize("target", ["demo", "replicate"])
def test_what_is_trained_takes_the_same_variables(checkout, target):
    said = make(checkout, "-n", target, "FRESH=1", "YES=1", "SEEDS=2", "WHERE=model=mlp").stdout
    assert "--fresh --where model=mlp --seeds 2 --yes" in said
