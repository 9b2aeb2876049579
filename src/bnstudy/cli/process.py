"""What a process of ours, and every child of it, takes from its surroundings: set before anything else is imported."""

import contextlib
import io
import os
import resource
import sys
from pathlib import Path

from bnstudy.errors import OutOfMemory, UsageError

PINNED = dict.fromkeys(
    (
        "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ),
    "1",  # more threads add in another order: other bits
) | {
    "MPLBACKEND": "agg",  # figures are files; a notebook's backend cannot be imported here
    "MATPLOTLIBRC": os.devnull,  # figures have our style (figures/style.py)
    "PYTHONSAFEPATH": "1",  # `python -m` would import numpy.py of the working folder
}  # fmt: skip
"""Environment variables that have one value, whatever they were set to."""

DROPPED = ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
"""Environment variables that would put escape codes into pipes."""

FILES = 65536  # open files at most; a run in training holds one

MEMORY = 10**9
"""Bytes of address space (`ulimit -v`) below which OpenBLAS and Arrow hang or end the process as they are loaded."""


def prepare() -> None:
    """Pin and drop environment variables, allow as many open files as the system does, and make standard streams that
    take any text; a closed one leads nowhere. Raises UsageError if matplotlib could not be imported here, and
    OutOfMemory if less than MEMORY is allowed."""
    os.environ.update(PINNED)
    for variable in DROPPED:
        os.environ.pop(variable, None)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    for stream, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, stream) is None:  # its number would go to the next file opened, and a library's warning into it
            setattr(sys, stream, open(os.devnull, mode))  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError):  # a pipe that nobody reads
                stream.reconfigure(errors="backslashreplace")
    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    if allowed != resource.RLIM_INFINITY and allowed < MEMORY:
        raise OutOfMemory
    style = Path("matplotlibrc")
    if style.exists() and not style.is_dir() and not (style.is_file() and _is_text(style)):
        raise UsageError(f"{style} in the working folder is not UTF-8 text", "Rename it: matplotlib reads it first.")


def _is_text(file: Path) -> bool:
    try:
        file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return True
