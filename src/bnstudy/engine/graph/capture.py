"""A step as a CUDA graph: recorded once, replayed with one launch; on a CPU the same step, called."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from bnstudy.errors import UsageError

Step = Callable[[], None]

WARM_UP = 2  # cuBLAS and cuDNN allocate at their first calls, which a capture must not see


def capture(
    step: Step, kept: Sequence[Tensor], generator: torch.Generator, stream: "torch.cuda.Stream | None", pool: object
) -> Step:
    """`step` as a graph on `stream`, which must be the current one; without a stream (a CPU) `step` itself.

    The step reads and writes fixed tensors and decides nothing on the host. `kept` are all the tensors it
    changes; they and the generator are left as they were. Graphs that share `pool` must not run at the same
    time. Raises UsageError if the step does something a graph cannot hold.
    """
    if stream is None:
        return step
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(generator)
    with unchanged(kept, generator):
        for _ in range(WARM_UP):
            step()
        try:
            with torch.cuda.graph(graph, pool=pool, stream=stream):  # type: ignore[arg-type]
                step()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            cause = str(error).partition("\n")[0]
            raise UsageError(
                f"graph: the training step cannot be captured ({cause})", "Use --engine reference."
            ) from error
    return graph.replay


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
