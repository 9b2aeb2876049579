"""The section `effects`: the effect of batch norm, printed and ours, in all and by model and data set."""

from typing import Any

import pandas as pd

from bnstudy.figures import style
from bnstudy.report.findings import Findings
from bnstudy.verdicts.accuracies import each, signed
from bnstudy.verdicts.effects import conclusion


def of_page(found: Findings) -> dict[str, Any]:
    """What the section shows beside its figure; empty if no pair of printed numbers has been run."""
    table = found.effects
    if table.empty:
        return {}
    alive, order = table[table["learns"]], list(style.MODELS)
    places = sorted(table.groupby(["model", "dataset"], sort=False), key=lambda place: order.index(str(place[0][0])))
    return {
        "conclusion": conclusion(table),
        "outside": [_outside(pair) for pair in each(alive[alive["h"].notna() & ~alive["within"]])],
        "rows": [_row(str(model), str(dataset), part) for (model, dataset), part in places],
    }


def _row(model: str, dataset: str, pairs: pd.DataFrame) -> dict[str, Any]:
    """One model and data set: shares, and mean effects of the pairs that learn and of those that do not."""
    title = f"{style.model(model)}, {style.dataset(dataset)}"
    alive, others = pairs[pairs["learns"]], pairs[~pairs["learns"]]
    shares = {"within": _share(alive.loc[alive["h"].notna(), "within"]), "signs": _share(alive["same_sign"])}
    return {"title": title, **shares, "means": _means(alive), "broken": len(others), "broken_means": _means(others)}


def _share(truths: pd.Series) -> str:
    return f"{int(truths.sum())} of {len(truths)}" if len(truths) else "–"


def _means(pairs: pd.DataFrame) -> list[str]:
    return [signed(pairs[side].mean()) if len(pairs) else "–" for side in ("printed", "own")]


def _outside(pair: Any) -> dict[str, str]:
    """A pair whose printed effect is outside our interval: its labels, both effects and h."""
    where = (style.model(pair.model), style.dataset(pair.dataset), style.setting(pair.setting).label)
    return {
        "what": ", ".join(where), "printed": signed(pair.printed), "own": signed(pair.own), "h": f"{pair.h:.1f}",
    }  # fmt: skip
