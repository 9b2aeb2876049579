"""What a process of ours is like before anything else is imported."""

import os
import sys


def prepare() -> None:
    """One thread per process, set before torch is imported; and a place for words where a standard stream is closed."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    for stream, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, stream) is None:  # its number would go to the next file opened, and a library's warning into it
            setattr(sys, stream, open(os.devnull, mode))  # noqa: SIM115, PTH123
