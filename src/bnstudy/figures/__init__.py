"""The result figures 7.1 to 7.40, each a function of the frames.

`catalogue` says what each figure shows; `series` picks that from the frames and averages over seeds; one file per kind
paints a panel of it; `render` puts panels on a page and writes files. Importing this package imports neither pandas
nor matplotlib.
"""

from bnstudy.figures.catalogue import KINDS, REGISTRY, Figure, Kind, find

__all__ = ["KINDS", "REGISTRY", "Figure", "Kind", "find"]
