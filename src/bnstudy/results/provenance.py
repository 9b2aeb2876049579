"""Where a number comes from: source, data, software and machine, as kept in every record."""

import functools
import hashlib
import io
import os
import platform
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bnstudy import __version__, extensions
from bnstudy.lazy import torch

PACKAGE = Path(__file__).parents[1]

ROOMS = ("design", "datasets", "networks", "training")
"""The folders of the package whose code can change a trained number."""


COMMIT = "BNSTUDY_COMMIT"
"""Environment variable: the commit of these sources, on a machine that has them without their repository."""


def source_digest() -> str:
    """Return 12 hex digits of SHA-256 over the files of ROOMS, followed by `+name:12 hex` for each extension loaded."""
    return _own_digest() + extensions.suffix()


def sources() -> list[Path]:
    """Return the files that the digest covers."""
    return sorted(file for room in ROOMS for file in (PACKAGE / room).rglob("*.py"))


@functools.cache
def _own_digest() -> str:
    return _digest(PACKAGE, sources())


def _digest(folder: Path, files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()[:12]


def tree_digest(folder: Path) -> str:
    """Return 12 hex of SHA-256 over all Python files of a folder and its subfolders, with their names."""
    return _digest(folder, sorted(folder.rglob("*.py")))


@functools.cache
def digest_at(commit: str) -> str | None:
    """Return 12 hex of SHA-256 over all modules of the package at a commit of its checkout; None if the checkout has no
    such commit."""
    if not re.fullmatch("[0-9a-f]{40}", commit):  # git would read other text as an option or a branch
        return None
    try:
        command = ["git", "-C", str(PACKAGE), "archive", "--format=tar", commit]
        done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        tar.extractall(folder, filter="data")
        return tree_digest(Path(folder))


@functools.cache
def commit() -> dict[str, Any]:
    """Return the git commit of the package's checkout, and as `dirty` whether the package differs from it.

    Without a checkout it is the commit that COMMIT names; `stated` is then the digest of all modules, to be compared
    with that commit.
    """
    if not (PACKAGE.parents[1] / ".git").exists():
        named = os.environ.get(COMMIT)
        if not named:
            return {"commit": None, "dirty": None}
        return {"commit": named, "dirty": False, "stated": tree_digest(PACKAGE)}
    try:
        head = _git("rev-parse", "HEAD")
        return {"commit": head, "dirty": bool(_git("status", "--porcelain", "--", str(PACKAGE)))}
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(PACKAGE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()


@functools.cache
def cpu_model() -> str:
    """Return the processor's name as the system prints it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def machine(device: str) -> dict[str, Any]:
    """Return the software and hardware that a result's bits depend on."""
    found: dict[str, Any] = {
        "torch": torch.__version__,
        "device": device,
        "cpu": cpu_model(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }
    if device.startswith("cuda"):
        found["gpu"] = torch.cuda.get_device_name(device)
        found["cuda"], found["cudnn"] = torch.version.cuda, torch.backends.cudnn.version()
        found["driver"] = _driver()
    return found


@functools.cache
def _driver() -> str | None:
    try:
        return Path("/proc/driver/nvidia/version").read_text().splitlines()[0].strip()
    except (OSError, IndexError):
        return None


def of_run(recipe: int, engine: str, device: str, precision: str, data_digest: str, data_source: str) -> dict[str, Any]:
    """Return the provenance block of one record."""
    return {
        "version": __version__, "recipe": recipe, "source_digest": source_digest(), **commit(),
        "engine": engine, "precision": precision, "data_digest": data_digest, "data_source": data_source,
        "python": platform.python_version(), "os": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(), **machine(device),
    }  # fmt: skip
