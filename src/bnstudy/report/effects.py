"""What the page says of the effect of batch norm: the printed one against ours, in all and by model and data set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bnstudy import published
from bnstudy.effects import conclusion, effects
from bnstudy.figures import effects as figure
from bnstudy.figures import style
from bnstudy.frames import Frames
from bnstudy.report.files import addresses
from bnstudy.stats import each
from bnstudy.tables.layout import signed


def of_page(frames: Frames, folder: Path, formats: Sequence[str]) -> dict[str, Any]:
    """Draw the figure into `folder` and give what the section shows; empty where no pair of printed numbers has been
    run. Raises WriteError."""
    table = effects(frames.runs, published.accuracy())
    if table.empty:
        return {}
    made = figure.render(table, folder, formats)
    alive, order = table[table["learns"]], list(style.MODELS)
    places = sorted(table.groupby(["model", "dataset"], sort=False), key=lambda place: order.index(str(place[0][0])))
    return {
        "id": figure.ID, "stem": figure.STEM, "title": figure.TITLE, "caption": figure.CAPTION,
        "state": figure.state(frames), **addresses(figure.STEM, made),
        "panels": table["model"].nunique(), "conclusion": conclusion(table),
        "outside": [_outside(pair) for pair in each(alive[alive["h"].notna() & ~alive["within"]])],
        "rows": [_row(str(model), str(dataset), part) for (model, dataset), part in places],
    }  # fmt: skip


def _row(model: str, dataset: str, pairs: pd.DataFrame) -> dict[str, Any]:
    """One model and data set: shares, and mean effects of the pairs that learn and of those that do not."""
    title = f"{style.model(model)}, {style.dataset(dataset)}"
    alive, others = pairs[pairs["learns"]], pairs[~pairs["learns"]]
    shares = {"within": _share(alive.loc[alive["h"].notna(), "within"]), "signs": _share(alive["same_sign"])}
    return {"title": title, **shares, "means": _means(alive), "broken": len(others), "broken_means": _means(others)}


def _share(truths: pd.Series) -> str:
    return f"{int(truths.sum())} of {len(truths)}" if len(truths) else "–"


def _means(pairs: pd.DataFrame) -> list[str]:
    return [signed(pairs[side].mean()) if len(pairs) else "–" for side in ("published", "own")]


def _outside(pair: Any) -> dict[str, str]:
    """A pair whose printed effect our runs do not give: where, printed, ours and h."""
    where = (style.model(pair.model), style.dataset(pair.dataset), style.setting(pair.setting).label)
    return {
        "what": ", ".join(where), "published": signed(pair.published), "own": signed(pair.own), "h": f"{pair.h:.1f}",
    }  # fmt: skip
