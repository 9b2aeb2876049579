"""One file per topic; importing this registers every predicate."""

from bnstudy.claims.predicates import activations, batch_sizes, data, general, inits, layer, rates, regularizers, times

__all__ = ["activations", "batch_sizes", "data", "general", "inits", "layer", "rates", "regularizers", "times"]
