"""What holds for every test: signals as a terminal gives them, though the tests may run in the background.

A job under nohup, or started with `&` by a script, has SIGHUP or SIGINT ignored; its children inherit that, and
then what a test sends them does nothing.
"""

import signal

from faults.tally import pytest_terminal_summary, tallied  # noqa: F401 - for every test, as some outside faults/ inject

signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
