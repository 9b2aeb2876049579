"""How fast this program is on this machine.

`train` measures an engine's step, `convolutions` the largest part of the CNN's, `dag` all that is no training, `report`
frames and page. Every figure in docs/performance.md comes from here. The first two need no data set and no Snakemake.
"""
