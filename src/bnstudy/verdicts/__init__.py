"""Statistical comparisons: printed numbers and ours, batch norm and none, one reading and another."""
