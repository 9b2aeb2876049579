"""Rows of `bench dag` and `bench report`: what, seconds, cpu_seconds."""

import resource
import time
from collections.abc import Callable, Sequence
from typing import Any

Row = dict[str, Any]


def timed(what: str, call: Callable[[], Any]) -> Row:
    """Call it once; its wall time, and the processor time of this process and of those it has waited for."""
    began, busy = time.perf_counter(), _busy()
    call()
    return {"what": what, "seconds": time.perf_counter() - began, "cpu_seconds": _busy() - busy}


def _busy() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def total(what: str, parts: Sequence[Row]) -> Row:
    """What these rows take one after the other."""
    return {"what": what} | {k: sum(part[k] for part in parts) for k in ("seconds", "cpu_seconds")}
