"""What the statistics conclude: printed against ours, batch norm against none, one reading against another."""
