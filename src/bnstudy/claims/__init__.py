"""The checkable sentences of the thesis, each with predicates and a verdict (rules: docs/claims.md)."""

from bnstudy.claims.catalogue import Claim
from bnstudy.claims.listing import judged, measure, reading_of, rows
from bnstudy.claims.measured import Measured
from bnstudy.claims.thesis import registry
from bnstudy.claims.verdicts import ClaimVerdict, PartVerdict, printed_support, verdict

REGISTRY: dict[str, Claim] = registry()
"""id -> claim, in the order of the catalogue."""

__all__ = [
    "REGISTRY",
    "Claim",
    "ClaimVerdict",
    "Measured",
    "PartVerdict",
    "judged",
    "measure",
    "printed_support",
    "reading_of",
    "registry",
    "rows",
    "verdict",
]
