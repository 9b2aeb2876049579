"""What holds for every test: signals as a terminal gives them, though the tests may run in the background.

A job under nohup, or started with `&` by a script, has SIGHUP or SIGINT ignored; its children inherit that, and
then what a test sends them does nothing.
"""

import os
import signal

from faults.tally import pytest_terminal_summary, tallied  # noqa: F401 - for every test, as some outside faults/ inject


def pytest_runtest_teardown(item):
    """A worker whose device has failed fails every test after it, in no time: another one takes its place."""
    if item.get_closest_marker("gpu") and os.environ.get("PYTEST_XDIST_WORKER"):
        import torch

        if not torch.cuda.is_available():
            return
        try:
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
        except RuntimeError:
            os._exit(70)


signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
