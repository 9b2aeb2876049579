"""A step as a CUDA graph: recorded once, replayed with one launch; on a CPU the same step, called."""

import gc
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from bnstudy.errors import UsageError

Step = Callable[[], None]

DEVICE_FAULTS = ("device-side assert", "illegal memory access", "misaligned address")
"""Of a step before the capture, seen only there: no other engine would help, and the process is of no more use."""
WARM_UP = 2  # cuBLAS and cuDNN allocate at their first calls, which a capture must not see


def capture(
    step: Step, kept: Sequence[Tensor], generator: torch.Generator, stream: "torch.cuda.Stream | None", pool: object
) -> Step:
    """`step` as a graph on `stream`, which must be the current one; without a stream (a CPU) `step` itself.

    The step reads and writes fixed tensors and decides nothing on the host. `kept` are all the tensors it
    changes; they and the generator are left as they were. Graphs that share `pool` must not run at the same
    time. Raises UsageError if the step does something a graph cannot hold, torch.OutOfMemoryError.
    """
    if stream is None:
        return step
    graph = torch.cuda.CUDAGraph()
    _register(graph, generator)
    for _ in range(WARM_UP):
        with unchanged(kept, generator):  # each from the same place: an epoch may have a single batch
            step()
    with unchanged(kept, generator):
        try:
            with _collecting_nothing(), torch.cuda.graph(graph, pool=pool, stream=stream):  # type: ignore[arg-type]
                step()
        except RuntimeError as error:
            raise _explained(error) from error
    return graph.replay


def _register(graph: torch.cuda.CUDAGraph, generator: torch.Generator) -> None:
    """Register a generator with a graph: torch needs this up to 2.11, and warns of it later."""
    if hasattr(graph, "register_generator_state"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph.register_generator_state(generator)


@contextmanager
def _collecting_nothing() -> Iterator[None]:
    """What Python's collector finds could be another graph, whose end no capture may see."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _explained(error: RuntimeError) -> Exception:
    """The error to raise: the end of a capture that has failed raises one over the first, which tells why."""
    first = error.__context__ or error
    cause = str(first).partition("\n")[0]
    if isinstance(first, torch.OutOfMemoryError) or "out of memory" in cause:
        return torch.OutOfMemoryError(cause)
    if any(fault in cause for fault in DEVICE_FAULTS):
        return RuntimeError(cause)
    return UsageError(f"graph: the training step cannot be captured ({cause})", "Use --engine reference.")


@contextmanager
def unchanged(kept: Sequence[Tensor], generator: torch.Generator) -> Iterator[None]:
    """Give these tensors and this generator their values back, in place."""
    with torch.no_grad():
        before, state = [tensor.clone() for tensor in kept], generator.get_state()
    yield
    with torch.no_grad():
        for tensor, value in zip(kept, before, strict=True):
            tensor.copy_(value)
    generator.set_state(state)
