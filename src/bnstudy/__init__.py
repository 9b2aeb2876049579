"""bnstudy: a replication of The Effect of Batch Normalization on Deep Convolutional Neural Networks (KTH, 2016).

`bnstudy.load("thesis")` gives the results of a study as pandas frames; importing bnstudy itself imports nothing heavy.
"""

from typing import TYPE_CHECKING

import bnstudy.networks.models as _models  # noqa: F401 - the networks enter their facts, which the rules of cells ask

if TYPE_CHECKING:
    from bnstudy.exports.load import load as load

__version__ = "0.1.0"


def __getattr__(name: str):
    """`load`, imported at its first use: pandas takes half a second."""
    if name == "load":
        from bnstudy.exports.load import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
