"""The DAG of Snakemake, the Snakemake process, and the progress of studies."""
