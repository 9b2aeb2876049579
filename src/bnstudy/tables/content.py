"""The content of tables B.1 to B.4: tidy frames, one row per number in full precision."""

from collections.abc import Mapping, Sequence

import pandas as pd

from bnstudy import printed
from bnstudy.design.labels import BATCH_SIZES, NORMS, THESIS_DATASETS
from bnstudy.tables.catalogue import SETTING_ROWS, Table
from bnstudy.verdicts import accuracies

ACCURACY_COLUMNS = [
    "parameter", "setting", "dataset", "norm", "key", "printed", "mean", "std", "n", "seeds", "difference", "s",
    "freedom", "h", "p", "margin", "broken", "broken_seeds", "diverged", "verdict", "section",
]  # fmt: skip
SECONDS_COLUMNS = [
    "batch_size", "dataset", "norm", "quantity", "printed", "own", "iqr", "low", "high", "kind", "engine", "device",
    "hardware", "pixels", "timed_images",
]  # fmt: skip


def accuracy(
    table: Table,
    runs: pd.DataFrame,
    planned: pd.DataFrame,
    datasets: Sequence[str],
    reading: str = "default",
    margins: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """ACCURACY_COLUMNS for every setting, data set and norm of B.1 or B.2.

    planned   the cells of the study: dataset, norm, setting, key, seeds (a list)

    `seeds` is how many seeds the study asks for; it is 0, and there is no key, where the study has no such cell. Only
    the reading `default` is compared with the printed numbers; other readings have only the settings planned. A number
    that is not printed has the verdict "" if it was run.
    """
    kept = [(p, s) for p, s, _ in SETTING_ROWS if reading == "default" or (planned["setting"] == s).any()]
    slots = pd.DataFrame(
        [(table.model, d, n, s, p) for p, s in kept for d in datasets for n in NORMS],
        columns=["model", "dataset", "norm", "setting", "parameter"],
    )
    given = printed.accuracy()
    if reading != "default":
        given = given.iloc[:0]
    slots = slots.merge(given, how="left", on=accuracies.SLOT)
    found = accuracies.number_verdicts(runs, slots, margins, reading=reading)
    found.loc[found["printed"].isna() & found["n"].gt(0), "verdict"] = ""
    asked = {(r.dataset, r.norm, r.setting): (r.key, len(r.seeds)) for r in accuracies.each(planned)}
    places = [asked.get((r.dataset, r.norm, r.setting), ("", 0)) for r in accuracies.each(found)]
    found["key"], found["seeds"] = [key for key, _ in places], [seeds for _, seeds in places]
    return found[ACCURACY_COLUMNS]


def shown_seconds(table: Table, timings: pd.DataFrame) -> pd.DataFrame:
    """The rows of the frame `timings` that B.3 or B.4 shows: the thesis's epoch includes statistics and validation."""
    return timings[(timings["model"] == table.model) & (timings["kind"] == "with_validation")]


def seconds(table: Table, timings: pd.DataFrame, datasets: Sequence[str]) -> pd.DataFrame:
    """SECONDS_COLUMNS of B.3 or B.4: seconds per data set and norm, then the mean overhead per batch size, with the
    printed one if it is over the same four data sets.

    `timings` holds `shown_seconds` of one machine. Own seconds are medians; low and high bound the ratio's interval;
    `timed_images` is set if only so many images were timed and the seconds scaled to a full epoch.
    """
    by_slot = {(int(r.batch_size), r.dataset, r.norm): r for r in accuracies.each(timings)}
    by_cell = printed.seconds().set_index(["model", "batch_size", "dataset", "norm"])["printed"].to_dict()
    overhead = printed.mean_overhead().set_index(["model", "batch_size"])["printed"].to_dict()
    rows = []
    for size in BATCH_SIZES:
        for dataset in datasets:
            for norm in NORMS:
                timed = by_slot.get((size, dataset, norm))
                rows.append(
                    {"batch_size": size, "dataset": dataset, "norm": norm, "quantity": "seconds",
                     "printed": by_cell.get((table.model, size, dataset, norm)),
                     **({"own": timed.median_seconds, "iqr": timed.iqr, "low": timed.ratio_low,
                         "high": timed.ratio_high, "kind": timed.kind, "engine": timed.engine,
                         "device": timed.device, "hardware": getattr(timed, "hardware", ""), "pixels": timed.pixels,
                         "timed_images": timed.timed_images if getattr(timed, "scaled", False) else None}
                        if timed else {})}
                )  # fmt: skip
        ratios = [by_slot[size, d, "batch"].ratio for d in datasets if (size, d, "batch") in by_slot]
        rows.append(
            {"batch_size": size, "dataset": "all", "norm": "batch", "quantity": "overhead_percent",
             "printed": overhead.get((table.model, size)) if set(THESIS_DATASETS) <= set(datasets) else None,
             "own": 100 * (sum(ratios) / len(ratios) - 1) if len(ratios) == len(datasets) else None}
        )  # fmt: skip
    return pd.DataFrame(rows, columns=SECONDS_COLUMNS).astype(
        dict.fromkeys(("printed", "own", "iqr", "low", "high", "timed_images"), "float64")
    )


def state(content: pd.DataFrame) -> str:
    """`complete` if every number has all its seeds, `not run` if none has any, else `partial`."""
    if "n" in content:
        done, any_done = content["n"] >= content["seeds"].clip(lower=1), content["n"] > 0
    else:
        done = any_done = content["own"].notna()
    return "complete" if done.all() else "partial" if any_done.any() else "not run"
