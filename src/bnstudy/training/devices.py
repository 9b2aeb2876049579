"""The device a process works on: the CPU, or a GPU taken by lock, which trainings share and a timing has alone.

The locks are in a folder of the machine, not among the results: studies in several folders share its GPUs, while
machines that share a folder of results do not. Each GPU has SHARES locks, named by its UUID, so that processes with
different CUDA_VISIBLE_DEVICES agree on the GPU: a training holds one of them, a timing all.
"""

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bnstudy import lock
from bnstudy.console import Say
from bnstudy.errors import TryAgain, UsageError, WriteError
from bnstudy.lazy import torch

FOLDER = "BNSTUDY_DEVICE_LOCKS"
"""Environment variable that names the folder of locks, for machines where /tmp differs between users."""
PLACE = "/tmp/bnstudy-devices"
SHARES = 2  # while one process reads data or writes a record, the other keeps the GPU busy
POLL = 0.5
THREADS = 1  # of a training process

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h

DRIVER = Path("/proc/driver/nvidia/version")

Stopping = Callable[[], bool]


def choose_device(wanted: str, say: Say) -> str:
    """Return `cpu` or `cuda:n`. `auto` takes a GPU if there is one, and reports one that cannot be used.

    Raises UsageError if a CUDA device is wanted that does not exist: there is no silent fall-back to the CPU.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return "cuda:0"
        if getattr(torch.backends, "mps", None) is not None and torch.backends.mps.is_available():
            say("device: Apple's GPU is not supported, using the CPU")
        elif DRIVER.exists():
            say("device: an NVIDIA driver is installed, but this torch finds no usable GPU; using the CPU")
        return "cpu"
    if wanted == "cpu":
        return wanted
    count = torch.cuda.device_count()
    index = wanted.partition(":")[2] or "0"
    if wanted.partition(":")[0] != "cuda" or not index.isdecimal():
        raise UsageError(f"--device {wanted}: no such device", "Devices: auto, cpu, cuda, cuda:0, cuda:1, ...")
    if int(index) >= count:
        raise UsageError(f"--device {wanted}: {count} CUDA devices found", "Use --device cpu, or check the driver.")
    return f"cuda:{int(index)}"


@contextlib.contextmanager
def taken(wanted: str, say: Say, stopping: Stopping = lambda: False, alone: bool = False) -> Iterator[str]:
    """Hold a device while the block runs, `cpu` or `cuda:n`, and make it torch's current one.

    `auto` and `cuda` take the GPU with the fewest trainings, `cuda:n` that one. If all are taken, this reports it and
    waits. `alone`: no other process may use that GPU. The CPU needs no lock. Raises UsageError as `choose_device`,
    TryAgain if `stopping` returns True or after a day, WriteError if the locks cannot be made.
    """
    device = choose_device(wanted, say)
    if device == "cpu":
        yield device
        return
    known = [device] if ":" in wanted else [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    shares = {each: _shares(each) for each in known}
    with (_alone if alone else _shared)(shares, say, stopping) as device:
        torch.cuda.set_device(device)
        yield device


@contextlib.contextmanager
def on_device(wanted: str, say: Say, stopping: Stopping = lambda: False, alone: bool = False) -> Iterator[str]:
    """Hold a device as `taken` does, with torch set so that trainings repeat bit for bit: one thread, no denormals.

    From then on, the process keeps the memory that it frees (`keep_memory`).
    """
    keep_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)  # thread count changes bits; processes, not threads, fill the cores
    torch.set_flush_denormal(True)  # dead networks' momentum decays into denormals: a step takes 25 times longer
    try:
        with taken(wanted, say, stopping, alone) as device:
            yield device
    finally:
        torch.set_flush_denormal(False)  # torch's default; it cannot be queried
        torch.set_num_threads(before)


def keep_memory() -> None:
    """Make glibc's malloc keep freed blocks for the next step; does nothing where another C library is in use.

    By default, glibc returns large blocks to the kernel, and each step then waits for the kernel to map and clear them
    again, page by page: about a tenth of a narrow CNN's step (docs/performance.md).
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "gnu_get_libc_version"):
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def at_a_time(device: str, processes: int) -> int:
    """Return how many of these processes train at full speed: all of them on the CPU, one for each GPU otherwise."""
    return processes if device == "cpu" else min(processes, max(1, torch.cuda.device_count()))


def places(device: str, processes: int) -> int:
    """Return how many of these processes can work at once: all of them on the CPU, SHARES for each GPU otherwise."""
    return processes if device == "cpu" else min(processes, SHARES * max(1, torch.cuda.device_count()))


def words(device: str, processes: int) -> str:
    """Return the number and place of processes: `2 processes on the CPU`."""
    where = "the CPU" if device == "cpu" else device.partition(":")[0]
    return f"{processes} process{'es' * (processes != 1)} on {where}"


@contextlib.contextmanager
def _shared(shares: dict[str, list[Path]], say: Say, stopping: Stopping) -> Iterator[str]:
    """Hold one share of a GPU: the first shares of all GPUs are taken before the second ones."""
    deadline = time.monotonic() + lock.PATIENCE
    places = sorted((turn, each, path) for each, paths in shares.items() for turn, path in enumerate(paths))
    reported = False
    while True:
        for _, device, path in places:
            with contextlib.ExitStack() as stack:
                try:
                    stack.enter_context(lock.held(path, device))
                except TryAgain:
                    continue
                yield device
                return
        if stopping() or time.monotonic() > deadline:
            raise _busy(shares)
        if not reported:
            say(f"{_busy(shares).cause}; waiting")
            reported = True
        time.sleep(POLL)


@contextlib.contextmanager
def _alone(shares: dict[str, list[Path]], say: Say, stopping: Stopping) -> Iterator[str]:
    """Hold all shares of the first GPU that seems free, else of the first GPU. Every process waits for them in the same
    order, so two cannot wait for each other."""
    device = next((each for each in shares if not any(map(lock.holder, shares[each]))), next(iter(shares)))
    with contextlib.ExitStack() as stack:
        for path in shares[device]:
            try:
                stack.enter_context(lock.held(path, device))
            except TryAgain as busy:
                say(f"{busy.cause}; waiting")
                stack.enter_context(lock.held(path, device, lock.PATIENCE, POLL, stopping))
        yield device


def _busy(shares: dict[str, list[Path]]) -> TryAgain:
    owners = sorted({lock.owner(path) for paths in shares.values() for path in paths if lock.holder(path)})
    return TryAgain(
        f"{', '.join(shares)}: held by {', '.join(owners) or lock.UNKNOWN}",
        "Wait until one ends, or name another device (`bnstudy train --device`).",
    )


def _shares(device: str) -> list[Path]:
    """Return the paths of a GPU's locks."""
    folder = Path(os.environ.get(FOLDER) or PLACE)
    uuid = torch.cuda.get_device_properties(device).uuid
    return [_for_everybody(folder / f"{uuid}-{share}.lock") for share in range(SHARES)]


def _for_everybody(path: Path) -> Path:
    """Make a lock file that every user of the machine can open, whatever the umask, and return it. Raises WriteError.

    The folder is not sticky: in a sticky one Linux refuses O_CREAT on another user's file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise WriteError(
            f"{path}: cannot be opened ({error.strerror})", f"Set {FOLDER} to a folder for device locks."
        ) from error
    with contextlib.suppress(PermissionError):  # another user made it, with these permissions
        path.parent.chmod(0o777)
        os.fchmod(descriptor, 0o666)
    os.close(descriptor)
    return path
