"""Which GPU a process works on: taken by lock, shared by a few trainings, alone for a timing.

The locks lie in a folder of the machine, not among the results: studies in several folders share its GPUs, and two
machines that share a folder of results do not. Each GPU has SHARES locks, named by its UUID, so that processes with
different CUDA_VISIBLE_DEVICES mean the same GPU: a training holds one of them, a timing all.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bnstudy import lock
from bnstudy.engine import choose_device
from bnstudy.errors import TryAgain, WriteError
from bnstudy.lazy import torch

FOLDER = "BNSTUDY_DEVICE_LOCKS"
"""Variable naming the folder of locks, for machines whose /tmp is not the same for everybody."""
PLACE = "/tmp/bnstudy-devices"
SHARES = 2  # while one process reads data or writes a record, the other keeps the GPU busy
PATIENCE = 24 * 3600.0
POLL = 0.5
THREADS = 1  # of a training process

Say = Callable[[str], None]
Stopping = Callable[[], bool]


@contextlib.contextmanager
def taken(wanted: str, say: Say, stopping: Stopping = lambda: False, alone: bool = False) -> Iterator[str]:
    """Hold a device while the block runs, `cpu` or `cuda:n`, and make it torch's current one.

    `auto` and `cuda` take the GPU with the fewest trainings, `cuda:n` that one; where all is taken this waits and says
    so. `alone`: nobody else is on that GPU. The CPU is nobody's. Raises UsageError as `choose_device`, TryAgain if
    `stopping` says so or after a day, WriteError if the locks cannot be made.
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
    """Set what fixes the bits of a training while the block runs, and hold its device, as `taken` does."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)  # thread count changes bits; processes, not threads, fill the cores
    torch.set_flush_denormal(True)  # dead networks' momentum decays into denormals: a step takes 25 times longer
    try:
        with taken(wanted, say, stopping, alone) as device:
            yield device
    finally:
        torch.set_flush_denormal(False)  # torch's default; it has no way to ask
        torch.set_num_threads(before)


def at_a_time(device: str, processes: int) -> int:
    """How many packs such a number of processes trains at full speed: on the CPU each one, on GPUs one for each GPU."""
    return processes if device == "cpu" else min(processes, max(1, torch.cuda.device_count()))


def places(device: str, processes: int) -> int:
    """How many of such a number of processes have something to do: on GPUs as many as share them; more would wait."""
    return processes if device == "cpu" else min(processes, SHARES * max(1, torch.cuda.device_count()))


def words(device: str, processes: int) -> str:
    """`2 processes on the CPU`."""
    where = "the CPU" if device == "cpu" else device.partition(":")[0]
    return f"{processes} process{'es' * (processes != 1)} on {where}"


@contextlib.contextmanager
def _shared(shares: dict[str, list[Path]], say: Say, stopping: Stopping) -> Iterator[str]:
    """One lock, the first shares of all GPUs before the second ones."""
    deadline = time.monotonic() + PATIENCE
    places = sorted((turn, each, path) for each, paths in shares.items() for turn, path in enumerate(paths))
    said = False
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
        if not said:
            say(f"{_busy(shares).cause}; waiting")
            said = True
        time.sleep(POLL)


@contextlib.contextmanager
def _alone(shares: dict[str, list[Path]], say: Say, stopping: Stopping) -> Iterator[str]:
    """All locks of the first GPU that nobody seems to be on, else of the first; they are waited for in one order, so
    that two of these cannot wait for each other."""
    device = next((each for each in shares if not any(map(lock.holder, shares[each]))), next(iter(shares)))
    with contextlib.ExitStack() as stack:
        for path in shares[device]:
            try:
                stack.enter_context(lock.held(path, device))
            except TryAgain as busy:
                say(f"{busy.cause}; waiting")
                stack.enter_context(lock.held(path, device, PATIENCE, POLL, stopping))
        yield device


def _busy(shares: dict[str, list[Path]]) -> TryAgain:
    owners = sorted({lock.owner(path) for paths in shares.values() for path in paths if lock.holder(path)})
    return TryAgain(
        f"{', '.join(shares)}: in the hands of {', '.join(owners) or lock.UNKNOWN}",
        "Wait until one ends, or name another device (`bnstudy train --device`).",
    )


def _shares(device: str) -> list[Path]:
    """The locks of a GPU."""
    folder = Path(os.environ.get(FOLDER) or PLACE)
    uuid = torch.cuda.get_device_properties(device).uuid
    return [_for_everybody(folder / f"{uuid}-{share}.lock") for share in range(SHARES)]


def _for_everybody(path: Path) -> Path:
    """Make a lock file that every user of the machine can open, whatever our umask. Raises WriteError.

    The folder is not sticky: in a sticky one Linux lets nobody open another user's file to create it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise WriteError(
            f"{path}: cannot be opened ({error.strerror})", f"Name a folder for locks of devices in {FOLDER}."
        ) from error
    with contextlib.suppress(PermissionError):  # somebody else made it, and did this then
        path.parent.chmod(0o777)
        os.fchmod(descriptor, 0o666)
    os.close(descriptor)
    return path
