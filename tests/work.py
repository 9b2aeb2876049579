"""Work, counted in calls: the count is the same on a slow, busy or single-core machine; the time is not."""

import cProfile
from collections import Counter
from collections.abc import Callable
from typing import Any


def calls(work: Callable[[], Any]) -> Counter[str]:
    """How often `work()` calls each function, Python's and C's, by the function's bare name."""
    with cProfile.Profile() as profile:
        work()
    counted: Counter[str] = Counter()
    for entry in profile.getstats():
        counted[getattr(entry.code, "co_name", str(entry.code))] += entry.callcount
    return counted
