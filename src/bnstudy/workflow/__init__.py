"""The DAG: what Snakemake needs to know, how it is started, and how far a study is."""
