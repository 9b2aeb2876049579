"""The result figures, 7.1 to 7.40 and those beside them, each a function of the frames.

`catalogue` lists what each figure shows; `series` selects it from the frames and averages over seeds; one file per kind
draws a panel; `render` puts panels on a page; `writer` writes the files. Importing this package imports neither pandas
nor matplotlib.
"""

from bnstudy.figures.catalogue import FAMILIES, KINDS, REGISTRY, Figure, Kind, find

__all__ = ["FAMILIES", "KINDS", "REGISTRY", "Figure", "Kind", "find"]
