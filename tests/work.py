"""Work, counted in calls: the count is the same on a slow, busy or single-core machine; the time is not."""

import cProfile
import gc
from collections import Counter
from collections.abc import Callable
from typing import Any


def calls(work: Callable[[], Any]) -> Counter[str]:
    """Count how often `work()` calls each function, Python's and C's, by the function's bare name.

    The garbage collector is off meanwhile: it starts at any moment, and other code hangs callbacks on it.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        with cProfile.Profile() as profile:
            work()
    finally:
        if collects:
            gc.enable()
    counted: Counter[str] = Counter()
    for entry in profile.getstats():
        counted[getattr(entry.code, "co_name", str(entry.code))] += entry.callcount
    return counted
