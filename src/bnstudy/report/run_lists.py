"""The sections on cells, runs and their origin, as plain values from frames."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from bnstudy import datasets
from bnstudy.design.study import Study, changed
from bnstudy.figures import style
from bnstudy.tables.catalogue import in_order
from bnstudy.verdicts import accuracies, effects
from bnstudy.verdicts.accuracies import half_up, signed

SOURCES = {
    "official": "the official files, checked against their published digests",
    "embedded": "real images that come with a library; nothing was downloaded",
    "imported": "imported as arrays, not compared with the official files",
    "synthetic": "synthetic records: nothing was trained, the numbers are made up",
}
UNKNOWN_SOURCE = "of unknown origin: these are not known to be the official files"


def listing(plan: pd.DataFrame, runs: pd.DataFrame, missing: pd.DataFrame) -> list[dict[str, Any]]:
    """Groups of one model, data set and reading; each with its cells: outcome, accuracy in all and by seed, seconds,
    commands."""
    done = dict(iter(runs.groupby("key", observed=True)))
    absent = dict(iter(missing.groupby("key", observed=True)))
    order = {name: i for i, name in enumerate(in_order(plan["dataset"]))}
    groups = []
    for (model, dataset, reading), part in plan.groupby(["model", "dataset", "reading"], sort=False, dropna=False):
        cells = [_cell(row, done.get(row["key"]), absent.get(row["key"])) for row in part.to_dict("records")]
        groups.append(
            {
                "title": f"{style.model(str(model))}, {style.dataset(str(dataset))}",
                "reading": "" if reading == "default" else str(reading),
                "order": (str(model) != "mlp", str(model), order[str(dataset)], str(reading)),
                "cells": cells,
                "trained": sum(c["n"] > 0 for c in cells),
                "seconds": sum(c["seconds"] for c in cells),
            }
        )
    return sorted(groups, key=lambda group: group["order"])


def _cell(row: Mapping[Any, Any], runs: pd.DataFrame | None, missing: pd.DataFrame | None) -> dict[str, Any]:
    n = 0 if runs is None else len(runs)
    cell = {
        "key": row["key"], "name": row["name"], "setting": setting_of(row), "norm": style.norm(row["norm"]).label,
        "seeds": len(row["seeds"]), "n": n, "seconds": 0.0, "accuracy": "–",
        "outcome": "not run", "kind": "absent", "epochs": "–", "origin": "–",
        "reason": "" if missing is None else "; ".join(dict.fromkeys(missing["reason"])),
        "command": f"bnstudy train {row['name']}", "alone": try_command(row),
    }  # fmt: skip
    return cell if runs is None or not n else cell | _outcome(runs, len(row["seeds"]))


def _outcome(runs: pd.DataFrame, seeds: int) -> dict[str, Any]:
    n, broken, diverged = len(runs), int(runs["broken"].sum()), int(runs["outcome"].eq("diverged").sum())
    spread = f" ± {runs['test_accuracy'].std():.2f}" if n > 1 else ""
    kind = "broken" if 2 * broken > n else "diverged" if diverged else "partial" if n < seeds else "finished"
    words = [f"{n} of {seeds} seeds run"] if n < seeds else []
    words += [f"{diverged} of {n} diverged"] if diverged else []
    words += [f"{broken} of {n} answer one class"] if broken else []
    low, high = runs["epochs_run"].min(), runs["epochs_run"].max()
    return {
        "accuracy": f"{runs['test_accuracy'].mean():.2f}{spread}",
        "seconds": float(runs["seconds"].sum()),
        "epochs": str(low) if low == high else f"{low} to {high}",
        "outcome": ", ".join(words) or "finished",
        "origin": _origin(runs["origin"]),
        "kind": kind,
    }


def setting_of(row: Mapping[Any, Any]) -> str:
    """What a described cell changes of the baseline: the label of its setting, or its fields."""
    if row["setting"] != "adhoc":
        return style.setting(row["setting"]).label
    fields = {f: v for f, v in changed(row).items() if f not in ("dataset", "model", "norm")}
    return ", ".join(f"{field}={value}" for field, value in fields.items()) or style.setting("relu").label


def _origin(origin: pd.Series) -> str:
    """`own`, `published`, or the number of each."""
    counts = origin.value_counts().sort_index()
    return str(counts.index[0]) if len(counts) == 1 else ", ".join(f"{n} {what}" for what, n in counts.items())


def try_command(row: Mapping[Any, Any]) -> str:
    """`bnstudy try ...` with the fields that make the cell what it is; it needs no study and no config."""
    return "bnstudy try " + " ".join(f"{field}={value}" for field, value in changed(row).items())


def further(study: Study, published: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """Key -> published seeds of a cell of the study that the study does not ask for."""
    keys, found = {cell.key for cell in study.trained}, {}
    for key, seed in sorted(published):
        if key in keys and seed not in study.seeds:
            found.setdefault(key, []).append(seed)
    return found


def gaps(missing: pd.DataFrame) -> list[dict[str, Any]]:
    """Missing runs by model, data set and reason, with how many."""
    if missing.empty:
        return []
    counted = missing.groupby(["reason", "model", "dataset"], observed=True).size().reset_index(name="n")
    return [
        {"reason": r.reason, "what": f"{style.model(r.model)}, {style.dataset(r.dataset)}", "n": int(r.n)}
        for r in accuracies.each(counted)
    ]


def diverged(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Cells whose training loss was not finite at some step: how many seeds, and the epoch and layer of the first."""
    found = runs[runs["outcome"] == "diverged"]
    total = runs.groupby("key", observed=True).size()
    out = []
    for key, part in found.groupby("key", sort=False, observed=True):
        places = dict.fromkeys(f"epoch {r.diverged_epoch}, {r.diverged_layer}" for r in accuracies.each(part))
        out.append(_named(part) | {"n": len(part), "of": int(total[key]), "where": "; ".join(places)})
    return out


def _named(runs: pd.DataFrame) -> dict[str, str]:
    """The key of the cell of these runs, and `what` it is."""
    row = runs.iloc[0].to_dict()
    return {"key": row["key"], "what": row["name"] if row["setting"] == "adhoc" else title(row)}


def title(row: Mapping[Any, Any]) -> str:
    """`MLP on MNIST, batch norm, learning rate 0.1` of a described cell; a reading other than the default is named,
    and what a cell without a label changes is not."""
    where = f"{style.model(row['model'])} on {style.dataset(row['dataset'])}, {style.norm(row['norm']).label}"
    reading = "" if row["reading"] in ("default", "adhoc", "reduced") else f" ({row['reading']})"
    return where if row["setting"] == "adhoc" else f"{where}, {setting_of(row)}{reading}"


def mixed(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Cells whose seeds were trained by different engines or processors, with the number of runs of each kind."""
    by = runs["engine"] + " on " + runs["gpu"].where(runs["gpu"].fillna("") != "", runs["cpu"])
    out = []
    for _, part in runs.groupby("name", sort=False, observed=True):
        counts = by[part.index].value_counts()
        if len(counts) > 1:
            out.append(_named(part) | {"kinds": [f"{n} by {kind}" for kind, n in counts.items()]})
    return out


def data(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Each data set used: digest, origin, terms; `mixed` if runs saw different versions of it."""
    out = []
    for name in in_order(runs["dataset"]):
        part, spec = runs[runs["dataset"] == name], datasets.REGISTRY.get(name)
        digests = sorted(set(part["data_digest"]))
        sources = [SOURCES.get(s, UNKNOWN_SOURCE) for s in sorted(set(part["data_source"]))]
        out.append(
            {
                "name": style.dataset(name), "digests": digests, "mixed": len(digests) > 1,
                "source": "; ".join(sources),
                "terms": spec.terms if spec else "", "cite": spec.source if spec else "",
            }
        )  # fmt: skip
    return out


def unofficial(runs: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """(origin, titles) of data sets that are neither the official files nor embedded real data; a title says how many
    test images there are, if they are not as many as the official files have."""
    found: dict[str, list[str]] = {}
    for dataset in in_order(runs["dataset"]):
        here = runs[runs["dataset"] == dataset]
        for source in sorted(set(here["data_source"]) - {"official", "embedded"}):
            found.setdefault(SOURCES.get(source, UNKNOWN_SOURCE), []).append(style.dataset(dataset) + _lacking(here))
    return list(found.items())


def _lacking(runs: pd.DataFrame) -> str:
    spec = datasets.REGISTRY.get(runs["dataset"].iloc[0])
    here, whole = int(runs["test_images"].max()), spec.test if spec else 0
    return f" ({here:,} of {whole:,} test images)" if here < whole else ""


def pairs(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Each norm against vanilla, by model, data set and reading: `effects.gains` as the page shows it."""
    order = {name: i for i, name in enumerate(in_order(runs["dataset"]))}
    rows = sorted(
        effects.gains(runs).to_dict("records"),
        key=lambda row: (row["model"] != "mlp", order[row["dataset"]], row["reading"]),
    )
    return [_pair(row) for row in rows]


def _pair(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Counts and names of settings; `gain` and `interval` in points, – where unknown; `unsure` if 0 is inside, `blind`
    if the interval reaches beyond what accuracies can differ by."""
    reading, blind = row["reading"], bool(row["learn"] and abs(row["gain"]) + row["h"] > 100)
    return {
        "model": style.model(row["model"]), "dataset": style.dataset(row["dataset"]),
        "norm": style.norm(row["norm"]).label, "reading": "" if reading == "default" else reading,
        **{count: row[count] for count in ("pairs", "higher", "learn", "fewest", "most")},
        "gain": signed(row["gain"]) if row["learn"] else "–",
        "interval": "± over 100" if blind else f"± {half_up(row['h'])}" if row["h"] == row["h"] else "",
        "unsure": bool(row["learn"] and abs(row["gain"]) <= row["h"]),
        "blind": blind,
        **{who: [style.setting(s).label for s in row[who]] for who in ("only_normed", "only_none", "neither")},
    }  # fmt: skip


ENVIRONMENT = {
    "engine": "Engine", "device": "Device", "gpu": "GPU", "cpu": "CPU", "os": "System", "python": "Python",
    "torch": "torch", "source_digest": "Source digest", "commit": "Commit", "recipe": "Recipe",
    "precision": "Precision", "origin": "Origin",
}  # fmt: skip


def environment(runs: pd.DataFrame) -> list[tuple[str, list[tuple[str, int]]]]:
    """(what, [(value, runs that have it)]) of software and hardware."""
    values = {column: [str(value) for value in runs[column].tolist()] for column in (*ENVIRONMENT, "dirty")}
    dirty = [" with local changes" * (value == "True") for value in values["dirty"]]
    values["commit"] = [commit + local for commit, local in zip(values["commit"], dirty, strict=True)]
    found = [(title, Counter(filter(None, values[column])).most_common()) for column, title in ENVIRONMENT.items()]
    return [(title, counts) for title, counts in found if counts]


def duration(seconds: float) -> str:
    """2.3 s, 4 min 5 s, 3 h 12 min, 2 d 4 h."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    total = round(seconds)
    for unit, size, lower, step in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if total >= size:
            return f"{total // size} {unit} {total % size // step} {lower}"
    return f"{seconds:.1f} s"
