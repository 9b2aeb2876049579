"""Heavy and optional packages: torch, imported at its first use, and a check before work that needs another one.

Checking a config needs the names in the registries and must take well under a second, but importing torch takes two
to five. So modules that only declare choices write `from bnstudy.lazy import torch`.
"""

import resource
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bnstudy.errors import OutOfMemory, UsageError

LITTLE = 8 << 30
"""Bytes of address space (`ulimit -v`) below which a child tries to import torch first."""

TRIAL_SECONDS = 20
"""Seconds of CPU time that the child may take. Python 3.11 loops for ever if memory runs out while it handles an
exception, and so does OpenBLAS if it cannot start."""


def check_memory() -> None:
    """Refuse to load torch into too little address space: OpenBLAS and torch would end the process. Raises
    OutOfMemory."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY or soft > LITTLE:
        return
    left = soft - _used()
    limit = f"resource.setrlimit(resource.RLIMIT_AS, ({left}, {left}))"
    timer = f"signal.setitimer(signal.ITIMER_PROF, {TRIAL_SECONDS})"  # ends the process
    code = (
        f"import resource, signal; {timer}; {limit}; import torch, numpy; numpy.ones((99, 99)) @ numpy.ones((99, 99))"
    )
    if subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode:
        raise OutOfMemory


def need(package: str, extra: str, what: str) -> None:
    """Raise UsageError, naming `what` needs it, if the package of this extra is not installed."""
    if find_spec(package) is None:
        raise UsageError(
            f"{what}: the package {package} is not installed",
            f"Install it where bnstudy is: {package}, or in a checkout .[{extra}] (docs/guide/install.md).",
        )


def _used() -> int:
    """Return the bytes of address space that this process uses; 0 if the system does not report it."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


if TYPE_CHECKING:
    import torch as torch
else:

    class _Lazy:
        def __init__(self, module: str):
            self._module = module

        def __getattr__(self, name: str):
            if self._module not in sys.modules:
                check_memory()
            return getattr(import_module(self._module), name)

    torch = _Lazy("torch")
