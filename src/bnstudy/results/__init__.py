"""The results of runs: records, their provenance, published runs, and the frames made of them."""
