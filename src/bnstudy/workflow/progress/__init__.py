"""How far a study is, and what would train a run again: read from results, changing nothing, without torch."""
