"""CUDA streams, each lent to one training at a time and then to the next.

cuBLAS keeps a workspace for every stream it has seen, 64 MB with the autograd thread's, for as long as the process
lives; and in some versions of torch the end of a graph frees the workspace of its stream, which no other graph may be
using then. So there are as many streams as trainings side by side, and no two graphs of different trainings on one.
"""

import weakref

import torch

_IDLE: dict[str, list["torch.cuda.Stream"]] = {}


def lend(borrower: object, device: str) -> "torch.cuda.Stream | None":
    """A stream that is `borrower`'s alone as long as it lives; on a CPU None."""
    if not device.startswith("cuda"):
        return None
    idle = _IDLE.setdefault(device, [])
    stream = idle.pop() if idle else torch.cuda.Stream(device)
    weakref.finalize(borrower, idle.append, stream)
    return stream
