"""How fast this program is on this machine: `train` (an engine's step), `dag` (all that is no training), `report`.

Every figure in docs/performance.md comes from here. `train` needs no data set and no Snakemake.
"""
