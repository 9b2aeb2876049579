"""A claim of the data set itself: G22."""

from bnstudy.claims.catalogue import data

SVHN_LABELS = {
    "train": (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659),
    "test": (1744, 5099, 4149, 2882, 2523, 2384, 1977, 2019, 1660, 1595),
}
"""Images of digits 0 to 9 in the cropped SVHN set without its extra part: 73,257 and 26,032 (Netzer et al. 2011)."""


@data
def g22(ev: dict[str, float]):
    """More than three images of digit 1 for each of digit 9, in the data set: both parts together."""
    ones, nines = (sum(counts[digit] for counts in SVHN_LABELS.values()) for digit in (1, 9))
    ev["digit 1 / digit 9"] = ones / nines
    return ones > 3 * nines
