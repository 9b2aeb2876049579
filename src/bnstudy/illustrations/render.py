"""Draw background figures. A figure is redrawn only if the sources changed (see `figures.writer`)."""

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Page

from bnstudy import datasets
from bnstudy.figures import style
from bnstudy.figures.writer import Drawing
from bnstudy.illustrations import Background
from bnstudy.results.provenance import tree_digest


def draw(one: Background, narrow: bool = False) -> Page:
    """Draw the figure on a page. With `narrow`, panels are stacked to fit the width of a phone."""
    with style.look(narrow):
        return getattr(_topic(one), one.function)(one, narrow)


def drawing(one: Background) -> Drawing:
    """Return what `figures.writer` needs to write the figure, such as fig_2_5."""
    here = [(name, datasets.stamp(name)) for name in datasets.REGISTRY] if one.of_data else []
    facts = one, here, tree_digest(Path(__file__).parent)
    return Drawing(one.stem, facts, partial(draw, one), partial(_table, one) if one.table else None)


def _table(one: Background) -> pd.DataFrame:
    return getattr(_topic(one), one.table)()


def _topic(one: Background) -> Any:
    return import_module(f"bnstudy.illustrations.{one.topic}")
