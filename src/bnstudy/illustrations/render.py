"""Draws background figures. One that was drawn by these sources is not drawn again (see `figures.writer`)."""

import contextlib
from functools import partial
from importlib import import_module
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure as Page

from bnstudy import datasets, paths
from bnstudy.figures import style
from bnstudy.figures.writer import Drawing
from bnstudy.illustrations import Background


def draw(one: Background, narrow: bool = False) -> Page:
    """The figure on a page; narrow: panels one below the other, for a phone's width."""
    with matplotlib.rc_context(rc=style.rc(narrow)):
        return getattr(_topic(one), one.function)(one, narrow)


def drawing(one: Background) -> Drawing:
    """`fig_2_5`."""
    here = [(name, _stamp(name)) for name in datasets.REGISTRY] if one.of_data else []
    return Drawing(one.stem, (one, here), partial(draw, one), partial(_table, one) if one.table else None)


def _table(one: Background) -> pd.DataFrame:
    return getattr(_topic(one), one.table)()


def _topic(one: Background) -> Any:
    return import_module(f"bnstudy.illustrations.{one.topic}")


def _stamp(name: str) -> tuple[int, int]:
    """Size and time of a data set's file; zeros if it is not here."""
    with contextlib.suppress(OSError):
        status = paths.dataset(paths.data_root(), name).stat()
        return status.st_size, status.st_mtime_ns
    return 0, 0
