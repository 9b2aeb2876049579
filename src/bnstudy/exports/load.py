"""`bnstudy.load("thesis")`: the results of a study as pandas frames, for notebooks and scripts."""

import os
from collections.abc import Sequence

from bnstudy import console, paths
from bnstudy.console import Say
from bnstudy.results.collect import Results, collect
from bnstudy.studies import selection


def load(
    study: str = "thesis",
    *,
    config: str | os.PathLike = "config.yaml",
    results: str | os.PathLike | None = None,
    where: str | Sequence[str] = (),
    seeds: str | int | Sequence[int] | None = None,
    say: Say = console.say,
) -> Results:
    """Return the frames of a study, built now from own records and, for runs without one, from published runs.

    config   the file of studies; the one shipped with bnstudy if there is no config.yaml
    results  the folder of records; default BNSTUDY_RESULTS, else ./results
    where    only cells that meet all of these `key=value` conditions
    seeds    a count, or the seeds themselves
    say      called with a line for each result that does not verify; its run is missing unless it is also published
    Raises UsageError for an unknown study or condition, DataError if published files cannot be read.
    """
    from bnstudy.studies.config import load as read

    known = read(paths.config_file(config)).study(study)
    wanted = seeds if isinstance(seeds, str | int | None) else "".join(f"{seed}," for seed in seeds)
    chosen = selection.narrow(known, where, wanted)
    return collect(chosen, paths.results_root(results), say)
