"""GPUs taken by lock, between real processes; the GPUs themselves are a stand-in for torch."""

import contextlib
import os
import platform
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from bnstudy import lock
from bnstudy.design.cell import Cell, Run
from bnstudy.errors import TryAgain, UsageError, WriteError
from bnstudy.training import devices
from bnstudy.training.checkpoints import Callbacks, DiskKeeper, fingerprint

# A process that says which device it got, and holds it until its input ends.
HOLD = """
import sys
from types import ModuleType, SimpleNamespace
gpus = sys.argv[1].split(",")
sys.modules["torch"] = torch = ModuleType("torch")
torch.cuda = SimpleNamespace(
    is_available=lambda: True, device_count=lambda: len(gpus), set_device=lambda device: None,
    get_device_properties=lambda device: SimpleNamespace(uuid=gpus[int(device[5:])]),
)
from bnstudy.training import devices
with devices.taken(sys.argv[2], lambda line: print(line, flush=True), alone=len(sys.argv) > 3) as device:
    print("got", device, flush=True)
    sys.stdin.read()
"""

# Page faults of each of the first steps of a narrow CNN on the CPU; "kernel" leaves malloc as it is.
FAULTS = """
import resource
import sys
from bnstudy.design.cell import Run, make_cell
from bnstudy.training import devices
from bnstudy.training.timing import epochs, pixels
if sys.argv[1] == "kernel":
    devices.keep_memory = lambda: None
cell = make_cell({"model": "cnn", "dataset": "cifar10", "norm": "batch", "width": 0.125})
with devices.on_device("cpu", print):
    training = epochs.alone("reference", Run(cell, 0), pixels.random(cell, pixels.extent(cell, 64, 64)), "cpu")
    for _ in range(12):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        training.over(measuring=False)
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        print(faults)
"""


class Holder:
    def __init__(self, gpus: str, wanted: str, *alone: str):
        source = str(Path(lock.__file__).parents[1])
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, gpus, wanted, *alone], env=os.environ | {"PYTHONPATH": source}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        """Close its input and wait for it."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(60)


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts holders, which all see the same folder of locks; whatever is left ends with the test."""
    monkeypatch.setenv(devices.FOLDER, str(tmp_path / "locks"))
    started = []

    def begin(*words: str) -> Holder:
        started.append(Holder(*words))
        return started[-1]

    yield begin
    for each in started:
        each.process.kill()
        each.process.wait()
        for stream in (each.process.stdin, each.process.stdout):
            stream.close()


@pytest.fixture
def fake(monkeypatch, tmp_path) -> SimpleNamespace:
    """This process has two GPUs; `current` is the one it made torch's."""
    seen = SimpleNamespace(current=None)
    cuda = SimpleNamespace(
        is_available=lambda: True,
        device_count=lambda: 2,
        set_device=lambda device: setattr(seen, "current", device),
        get_device_properties=lambda device: SimpleNamespace(uuid=f"GPU-{device[5:]}"),
    )
    module = ModuleType("torch")
    module.cuda = cuda  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", module)
    monkeypatch.setenv(devices.FOLDER, str(tmp_path / "locks"))
    return seen


def quiet(line: str) -> None:
    raise AssertionError(line)


def test_trainings_spread_over_the_gpus_and_the_next_waits_for_one_that_ends(start):
    holders = [start("GPU-a,GPU-b", "auto")]
    assert holders[0].line() == "got cuda:0"
    holders.append(start("GPU-a,GPU-b", "cuda"))
    assert holders[1].line() == "got cuda:1"
    holders += [start("GPU-a,GPU-b", "auto") for _ in range(2)]
    assert sorted(holder.line() for holder in holders[2:]) == ["got cuda:0", "got cuda:1"]
    fifth = start("GPU-a,GPU-b", "auto")
    waiting = fifth.line()
    assert waiting.startswith("cuda:0, cuda:1: held by process ")
    assert all(str(holder.process.pid) in waiting for holder in holders)
    holders[1].end()
    assert fifth.line() == "got cuda:1"


def test_one_gpu_has_one_name_whatever_each_process_can_see(start):
    first = start("GPU-b", "cuda:0", "alone")
    assert first.line() == "got cuda:0"
    second = start("GPU-a,GPU-b", "cuda:1")
    assert second.line() == f"cuda:1: held by process {first.process.pid} on {lock.identity()['host']}; waiting"


def test_a_timing_is_alone(start):
    timing = start("GPU-a,GPU-b", "auto", "alone")
    assert timing.line() == "got cuda:0"
    trainings = [start("GPU-a,GPU-b", "auto") for _ in range(2)]
    assert [training.line() for training in trainings] == ["got cuda:1"] * 2
    second = start("GPU-a,GPU-b", "cuda:0")
    assert str(timing.process.pid) in second.line()
    timing.process.kill()  # what dies leaves its GPU
    assert second.line() == "got cuda:0"


def test_a_timing_waits_until_the_last_training_ends(start):
    trainings = [start("GPU-a", "auto") for _ in range(2)]
    assert [training.line() for training in trainings] == ["got cuda:0"] * 2
    timing = start("GPU-a", "auto", "alone")
    assert timing.line().endswith("; waiting")
    for training in trainings:
        training.end()
    lines = iter(timing.line, "")  # on a busy machine it also waits for the second, and says so
    assert next(line for line in lines if not line.endswith("; waiting")) == "got cuda:0"


def test_the_gpu_asked_for_is_the_one_taken(fake):
    with devices.taken("cuda:1", quiet) as device:
        assert device == "cuda:1" == fake.current
    with devices.taken("auto", quiet), devices.taken("auto", quiet) as device:
        assert device == "cuda:1"


def test_a_request_to_stop_ends_the_wait(fake):
    said, asked = [], threading.Event()
    with devices.taken("cuda:0", quiet, alone=True):
        threading.Timer(0.3, asked.set).start()
        with pytest.raises(TryAgain, match=f"cuda:0: held by process {os.getpid()} "):
            devices.taken("cuda:0", said.append, asked.is_set).__enter__()
    assert len(said) == 1


def test_what_is_raised_inside_comes_out_and_frees_the_gpu(fake):
    for alone in (True, False):
        with pytest.raises(TryAgain, match="inside"), devices.taken("cuda:0", quiet, alone=alone):
            raise TryAgain("inside", "")
    with devices.taken("cuda:0", quiet, alone=True):
        pass


def test_the_locks_are_open_to_every_user_of_the_machine(fake, tmp_path):
    before = os.umask(0o077)
    try:
        with devices.taken("cuda:0", quiet):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "locks").stat().st_mode & 0o7777 == 0o777
    assert {f.stat().st_mode & 0o777 for f in (tmp_path / "locks").iterdir()} == {0o666}


def test_locks_that_cannot_be_made_name_the_variable(fake, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(devices.FOLDER, str(tmp_path / "file"))
    with pytest.raises(WriteError, match=devices.FOLDER):
        devices.taken("cuda:0", quiet).__enter__()


@pytest.mark.parametrize("wanted", ["cuda:2", "cuda:x", "mps", "gpu"])
def test_no_gpu_of_that_name_is_an_error(fake, wanted):
    with pytest.raises(UsageError):
        devices.taken(wanted, quiet).__enter__()


def test_without_a_gpu_cuda_is_an_error_and_auto_says_that_there_is_a_driver(fake, monkeypatch, tmp_path):
    fake_cuda = sys.modules["torch"].cuda
    fake_cuda.is_available, fake_cuda.device_count = (lambda: False), (lambda: 0)
    sys.modules["torch"].backends = SimpleNamespace()  # type: ignore[attr-defined]
    for wanted in ("cuda", "cuda:0"):
        with pytest.raises(UsageError, match="0 CUDA devices found"):
            devices.taken(wanted, quiet).__enter__()
    (tmp_path / "version").write_text("")
    monkeypatch.setattr("bnstudy.training.devices.DRIVER", tmp_path / "version")
    said = []
    assert devices.choose_device("auto", said.append) == "cpu"
    assert "NVIDIA driver" in said[0]
    with devices.taken("cpu", quiet) as device:  # the CPU takes no lock
        assert device == "cpu"
    assert not (tmp_path / "locks").exists()


@pytest.mark.parametrize(("device", "processes", "count"), [("cpu", 16, 16), ("cuda:0", 16, 2), ("cuda:0", 1, 1)])
def test_how_many_packs_train_at_a_time(fake, device, processes, count):
    assert devices.at_a_time(device, processes) == count
    assert devices.places(device, processes) == (processes if device == "cpu" else min(processes, 2 * devices.SHARES))


def test_a_run_may_go_on_with_another_gpu_of_the_same_model():
    run = Run(Cell(dataset="toy", model="mlp", norm="none"), 0)
    first, second, other, cpu = (
        fingerprint(run, {"device": device, "gpu": gpu})
        for device, gpu in [("cuda:0", "A"), ("cuda:1", "A"), ("cuda:1", "B"), ("cpu", None)]
    )
    assert first == second
    assert second != other
    assert cpu["device"] == "cpu"


def test_a_checkpoint_goes_on_where_its_gpu_is_not(monkeypatch, tmp_path):
    """torch refuses to load what says that it lay on a GPU that is not there."""
    import torch

    run = Run(Cell(dataset="toy", model="mlp", norm="none"), 0)
    monkeypatch.setenv("BNSTUDY_CHECKPOINT_SECONDS", "0")
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:7")
    keeper = DiskKeeper(tmp_path, {run.id: {}}, Callbacks(lambda: False, lambda line: None, lambda run, row: None))
    assert keeper.restore(run) is None
    keeper.epoch_done(run, {"epoch": 1, "seconds": 1.0}, lambda: {"weights": torch.ones(2)})
    kept = keeper.restore(run)
    assert kept is not None
    assert torch.equal(kept["weights"], torch.ones(2))


def test_what_fixes_the_bits_ends_with_the_training(tmp_path, monkeypatch):
    import torch

    def tiny() -> float:
        return float(torch.tensor(1e-39) / 2)

    monkeypatch.setenv(devices.FOLDER, str(tmp_path / "locks"))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with contextlib.suppress(TryAgain), devices.on_device("cpu", print):
            inside = torch.get_num_threads(), tiny()
            raise TryAgain("a training that fails", "start again")
        after = torch.get_num_threads(), tiny() > 0
    finally:
        torch.set_num_threads(before)
    assert inside == (1, 0.0)
    assert after == (2, True)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is set")
def test_a_training_step_takes_few_fresh_pages_from_the_kernel():
    source = str(Path(lock.__file__).parents[1])
    eager = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}  # returns blocks from 128 KiB on

    def median_of_later_steps(memory: str) -> int:
        found = subprocess.run(
            [sys.executable, "-c", FAULTS, memory], env=os.environ | eager | {"PYTHONPATH": source},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return sorted(map(int, found.stdout.split()[2:]))[5]

    assert median_of_later_steps("kept") < median_of_later_steps("kernel") / 5
