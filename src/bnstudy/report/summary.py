"""What the front page shows of a study: plain values in `summary.json` beside its page.

So the front page needs no frames, and no study is computed twice.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnstudy import disk, small_json, tables
from bnstudy.claims import reading_of
from bnstudy.design.study import wants_gpu
from bnstudy.report.findings import Findings
from bnstudy.verdicts.accuracies import SLOT, each

FORMAT = 4
NAME = "summary.json"
GPU = "it would take days without a GPU"
NUMBER = ("key", "printed", "mean", "n", "s", "freedom", "h", "difference", "p", "margin", "verdict")
VALUES = ("answer", "replicates", "counts", "started", "synthetic", "unofficial", "pairs")
CLAIM = ("id", "title", "priority", "section", "printed", "verdict", "state")


def of_study(found: Findings, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of one study. `values`: what its page shows."""
    study, why = found.study, reasons(found)
    asked = found.numbers[found.numbers["seeds"] > 0]
    claims = values["claims"]["claims"] if values["claims"]["judged"] else []
    return {
        "format": FORMAT, "study": study.name, "question": study.question, "seeds": len(study.seeds),
        **{key: values[key] for key in VALUES},
        "numbers": [
            {key: _plain(getattr(row, key)) for key in (*SLOT, *NUMBER)} | {"why": why.get(row.key, "")}
            for row in each(asked)
        ],
        "protocol": protocol(found), "cells": values["cells"],
        "claims": [{key: c[key] for key in CLAIM} | {"places": c["evidence"]["places"]} for c in claims],
        "effect": values["effect"] and _effect(values),
    }  # fmt: skip


def reasons(found: Findings) -> dict[str, str]:
    """Key -> why a cell has no run, for those that miss one."""
    big = {cell.key for cell in found.study.trained if wants_gpu(cell)}
    missing = found.frames.missing.drop_duplicates("key")
    return {row.key: GPU if row.reason == "not run yet" and row.key in big else row.reason for row in each(missing)}


def protocol(found: Findings) -> str:
    """The size of the cells that the claims are judged on; empty for the thesis's protocol."""
    cells = found.plan[found.plan["reading"] == "reduced"]
    return tables.size_of(cells) if reading_of(found.plan) == "reduced" and len(cells) else ""


def _effect(values: Mapping[str, Any]) -> dict[str, Any]:
    """The conclusion on the effect of batch norm, and its figure."""
    picture = values["pictures"]["effects"][0]
    return {key: values["effect"][key] for key in ("conclusion", "outside")} | {
        "wide": picture["wide"], "narrow": picture["narrow"], "title": picture["figure"].title,
    }  # fmt: skip


def _plain(value: Any) -> Any:
    """A value of a frame as JSON has it; None for NaN."""
    value = value.item() if hasattr(value, "item") else value
    return None if value != value else value


def put(values: Mapping[str, Any], folder: Path) -> None:
    """Write `summary.json`. Raises WriteError."""
    disk.write(folder / NAME, json.dumps(values, ensure_ascii=False, allow_nan=False, indent=1).encode() + b"\n")


def every(root: Path) -> list[dict[str, Any]]:
    """The summaries in the folders of `root`: those with most printed numbers first, then with most claims judged. One
    of another format, or torn, is left out: the next report of its study writes it again."""
    found = []
    for path in sorted(root.glob(f"*/{NAME}")):
        with contextlib.suppress(OSError, ValueError):
            values = small_json.read(path, dict)
            if values.get("format") == FORMAT and values.get("study") == path.parent.name:
                found.append(values)
    return sorted(found, key=_rank)


def _rank(values: Mapping[str, Any]) -> tuple[int, int, str]:
    run = sum(number["n"] > 0 for number in values["numbers"])
    judged = sum(claim["verdict"] != "not run" for claim in values["claims"])
    return -run, -judged, values["study"]
