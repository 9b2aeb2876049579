"""What is to be run: cells, their rules and names, studies. Stdlib only."""
