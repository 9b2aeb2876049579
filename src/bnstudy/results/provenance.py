"""Where a number comes from: source, data, software and machine, as kept in every record."""

import functools
import hashlib
import io
import os
import platform
import re
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
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
    return digest_of(PACKAGE, sources())


def digest_of(folder: Path, files: Iterable[Path]) -> str:
    """Return 12 hex of SHA-256 over these files, with their names in the folder."""
    return _total((file.relative_to(folder).as_posix(), file.read_bytes()) for file in files)


def _total(contents: Iterable[tuple[str, bytes]]) -> str:
    total = hashlib.sha256()
    for name, content in contents:
        total.update(name.encode() + b"\0" + content + b"\0")
    return total.hexdigest()[:12]


def tree_digest(folder: Path) -> str:
    """Return 12 hex of SHA-256 over all Python files of a folder and its subfolders, with their names."""
    return digest_of(folder, sorted(file for file in folder.rglob("*.py") if file.is_file()))


@functools.cache
def digest_at(commit: str) -> str | None:
    """Return 12 hex of SHA-256 over all modules of the package at a commit of its checkout; None if the checkout has no
    such commit."""
    if not re.fullmatch("[0-9a-f]{40}", commit):  # git would read other text as an option or a branch
        return None
    try:
        archive = _git("archive", "--format=tar", commit)
    except (OSError, subprocess.SubprocessError):
        return None
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {PurePosixPath(file.name): file for file in tar if file.isfile() and file.name.endswith(".py")}
        contents = ((str(path), tar.extractfile(files[path])) for path in sorted(files))
        return _total((name, file.read()) for name, file in contents if file)


@functools.cache
def commit() -> dict[str, Any]:
    """Return the git commit of the package's checkout, and as `dirty` whether the modules of the package differ from
    it, compared byte for byte: what git calls unchanged depends on its settings.

    Without a checkout it is the commit that COMMIT names; `stated` is then the digest of all modules, to be compared
    with that commit.
    """
    if not (PACKAGE.parents[1] / ".git").exists():
        named = os.environ.get(COMMIT)
        if not named:
            return {"commit": None, "dirty": None}
        return {"commit": named, "dirty": False, "stated": tree_digest(PACKAGE)}
    try:
        head = _git("rev-parse", "HEAD").decode().strip()
        return {"commit": head, "dirty": tree_digest(PACKAGE) != digest_at(head)}
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


def unknown_commit() -> str | None:
    """Return a line to print if these sources are a checkout whose commit git does not give; else None."""
    if commit()["commit"] or not (PACKAGE.parents[1] / ".git").exists():
        return None
    return "git gives no commit of these sources (not installed, or another user's folder): records will not name one"


def _git(*arguments: str) -> bytes:
    """Return what git prints about the package's checkout; GIT_DIR and the like would name another one."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(PACKAGE), *arguments]
    return subprocess.run(command, capture_output=True, check=True, timeout=60, env=own).stdout


STEERING = (
    "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE", "OPENBLAS_CORETYPE",
    "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES", "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "GLIBC_TUNABLES", "LD_PRELOAD",
)  # fmt: skip
"""Environment variables that choose among instructions or libraries, and so can move bits."""


def environment() -> dict[str, str]:
    """Return the variables of STEERING that are set, as one text in `environment`; nothing if none is."""
    words = [f"{name}={os.environ[name]}" for name in STEERING if os.environ.get(name)]
    return {"environment": " ".join(words)} if words else {}


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
        "cores": os.cpu_count(), **machine(device), **environment(),
    }  # fmt: skip
