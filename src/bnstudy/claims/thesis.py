"""The 121 claims of the thesis (catalogue.csv), each with its predicates."""

from functools import cache

import bnstudy.claims.predicates  # noqa: F401 (they register themselves)
from bnstudy.claims.catalogue import Claim, claims_of
from bnstudy.claims.terms import Place
from bnstudy.design.labels import THESIS_DATASETS


@cache
def registry() -> dict[str, Claim]:
    """Return id -> claim, in the order of the catalogue."""
    return claims_of("catalogue.csv", _places)


def _places(row: dict[str, str]) -> tuple[Place, ...]:
    datasets = THESIS_DATASETS if row["datasets"] == "all" else row["datasets"].split()
    return tuple((model, dataset) for model in row["models"].split() for dataset in datasets)
