"""Studies from config.yaml, the names it may use, and the selection of cells."""
