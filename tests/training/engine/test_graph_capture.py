"""Captures without a GPU: a stand-in for torch's graphs tells in which order things happen, and fails as they do."""

import gc
import warnings

import pytest
import torch

from bnstudy.design.cell import Run
from bnstudy.errors import UsageError
from bnstudy.training.engine import graph
from bnstudy.training.engine.graph import lanes
from bnstudy.training.engine.graph.capture import WARM_UP, capture
from bnstudy.training.engine.graph.resident import Resident
from bnstudy.training.engine.inputs import prepare
from training.engine.on_gpu import COLOUR, make

STREAM = object()


class FakeGraph:
    """Records what happens; `told` holds the generators it was told of."""

    def __init__(self):
        self.told, self.log = [], LOG

    def register_generator_state(self, generator):
        LOG.append("told")
        self.told.append(generator)

    def replay(self):
        LOG.append("replayed")


class FakeCapture:
    """`torch.cuda.graph`: its end raises, as CUDA does, where something in it failed."""

    at_end: Exception | None = None

    def __init__(self, graph, pool, stream):
        LOG.append((graph, pool, stream))

    def __enter__(self):
        LOG.append("begins")

    def __exit__(self, *_):
        LOG.append("ends")
        if self.at_end is not None:
            raise self.at_end


LOG: list = []


@pytest.fixture(autouse=True)
def cuda(monkeypatch):
    LOG.clear()
    monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)
    monkeypatch.setattr(torch.cuda, "graph", FakeCapture)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def test_a_step_is_warmed_up_recorded_once_and_changes_nothing():
    """What a capture records is not done, so the stand-in's third call counts as one change too many otherwise."""
    weight, drawn, source = torch.zeros(3), [], generator()
    state = source.get_state()

    def step():
        LOG.append("step")
        drawn.append(torch.rand(1, generator=source))
        weight.add_(1)

    replay = capture(step, [weight], source, STREAM, "pool")
    graph, pool, stream = LOG[1 + WARM_UP]
    assert (pool, stream, graph.told) == ("pool", STREAM, [source])
    assert LOG[: 1 + WARM_UP] == ["told", *["step"] * WARM_UP]
    assert LOG[2 + WARM_UP :] == ["begins", "step", "ends"]
    assert torch.equal(weight, torch.zeros(3))
    assert torch.equal(source.get_state(), state)
    replay()
    assert LOG[-1] == "replayed"


def test_an_epoch_of_one_batch_is_warmed_up_within_it():
    """A second step from where the first ended would read beyond the order: on a GPU the end of the process."""
    training = graph.Training(run := Run(make(batch_size=1024, epochs=1), 0), resident(run), "cpu")
    assert training.batches == 1
    training.begin()
    step = training._step(1024, True)
    capture(step, training._changed_by_a_step(), training.generator, STREAM, None)
    assert LOG[-1] == "ends"
    assert int(training._cursor) == 0


def resident(run: Run) -> Resident:
    return Resident(prepare(run.cell, run.seed, COLOUR), "cpu")


def test_a_fault_of_the_device_is_no_fault_of_the_step(monkeypatch):
    monkeypatch.setattr(FakeCapture, "__enter__", failing_at(1, RuntimeError("CUDA error: device-side assert\nmore")))
    with pytest.raises(RuntimeError, match="device-side assert"):
        capture(lambda: None, [], generator(), STREAM, None)


def test_a_torch_that_warns_of_being_told_is_told_in_silence(monkeypatch):
    def warn(self, generator):
        warnings.warn("deprecated, a no-op", FutureWarning, stacklevel=2)

    monkeypatch.setattr(FakeGraph, "register_generator_state", warn)
    capture(lambda: None, [], generator(), STREAM, None)


def test_a_torch_that_cannot_be_told_is_not(monkeypatch):
    monkeypatch.delattr(FakeGraph, "register_generator_state")
    capture(lambda: None, [], generator(), STREAM, None)


def test_nothing_is_collected_inside_a_capture():
    """A dead graph that the collector finds would be destroyed among the recorded calls."""
    enabled = []
    capture(lambda: enabled.append(gc.isenabled()), [], generator(), STREAM, None)
    assert enabled == [True] * WARM_UP + [False]
    assert gc.isenabled()


def failing_at(call: int, error: Exception):
    calls = []

    def step(*_):
        calls.append(1)
        if len(calls) == call:
            raise error

    return step


def test_the_first_cause_of_a_failed_capture_is_named(monkeypatch):
    monkeypatch.setattr(FakeCapture, "at_end", RuntimeError("CUDA error: failed due to a previous error"))
    step = failing_at(WARM_UP + 1, RuntimeError("Cannot copy between CPU and CUDA\nmore"))
    with pytest.raises(UsageError, match=r"cannot be captured \(Cannot copy between CPU and CUDA\)"):
        capture(step, [], generator(), STREAM, None)
    assert gc.isenabled()


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("tried to allocate"), RuntimeError("CUDA error: out of memory")]
)
def test_a_capture_without_memory_is_an_out_of_memory_error(monkeypatch, error):
    monkeypatch.setattr(FakeCapture, "at_end", RuntimeError("CUDA error: failed due to a previous error"))
    with pytest.raises(torch.OutOfMemoryError):
        capture(failing_at(WARM_UP + 1, error), [], generator(), STREAM, None)


def test_an_error_of_the_step_itself_stays_what_it_is():
    with pytest.raises(ValueError, match="more than one value"):
        capture(failing_at(1, ValueError("more than one value")), [], generator(), STREAM, None)


# streams


class Borrower:
    pass


def test_a_stream_serves_one_after_another(monkeypatch):
    """cuBLAS keeps a workspace for every stream it has seen."""
    monkeypatch.setattr(lanes, "_IDLE", {})
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: object())
    first, second = Borrower(), Borrower()
    streams = [lanes.lend(first, "cuda:0"), lanes.lend(second, "cuda:0")]
    assert streams[0] is not streams[1]
    del first
    third = Borrower()
    assert lanes.lend(third, "cuda:0") is streams[0]
    assert lanes.lend(Borrower(), "cuda:1") not in streams


def test_a_cpu_has_no_streams():
    assert lanes.lend(Borrower(), "cpu") is None
