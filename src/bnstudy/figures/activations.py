"""What the activations of trained layers are like (5.1, 8.1.1): heat maps of layer and epoch, a row per quantity."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from bnstudy.figures import heat, kinds, pages, style
from bnstudy.figures.series import BY, Selection, over_seeds

QUANTITIES = {
    "activation.mean": "mean", "activation.std": "spread", "zero_share": "zeros", "dead_share": "dead units",
    "saturated_share": "saturated",
}  # fmt: skip
"""Column of the frame `layers`: what it is called."""
SHARES = ("zero_share", "dead_share", "saturated_share")
LEAST = 0.1
"""The least share at the bright end of a map, so that noise does not fill it."""

WIDE = pages.Layout(4, (2.72, 4.4), (0.5, 0.8), 0.76, 0.3, 1.1, 0.98)
NARROW = pages.Layout(1, (2.9, 4.0), (0, 1.05), 0.72, 0.28, 1.4, 1.02)


def layout(count: int, narrow: bool) -> pages.Layout:
    return NARROW if narrow else WIDE


def footer(selection: Selection) -> str:
    return f"{kinds.averaged(selection, 'a run that ended keeps its last values')} In each map the layers go down."


def plotted(selection: Selection) -> pd.DataFrame:
    """BY, quantity, layer, position (0 = first), epoch (from 1), mean over seeds: shares from 0 to 1. Values that are
    not finite are left out, and so are the output layer and quantities that are 0 throughout. The shares of a layer
    whose activations are not finite are left out too: NaN is neither zero nor saturated, and would count as alive."""
    rows = selection.rows(selection.frames.layers[["key", "seed", "epoch", "layer", "position", *QUANTITIES]])
    known = np.isfinite(rows["activation.mean"].to_numpy(float))
    rows = rows.assign(**{share: rows[share].where(known) for share in SHARES})
    rows = rows[rows["position"] < rows["position"].max()]
    parts = [
        over_seeds(of_layer, quantity).assign(quantity=quantity, layer=layer, position=position)
        for (position, layer), of_layer in rows.groupby(["position", "layer"], observed=True)
        for quantity in QUANTITIES
    ]
    columns = [*BY, "quantity", "layer", "position", "epoch", "mean"]
    table = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
    table = table[np.isfinite(table["mean"].astype(float))]
    return table[table.groupby("quantity")["mean"].transform(lambda values: values.abs().max() > 1e-3).astype(bool)]


def legend(selection: Selection) -> list[Patch]:
    return heat.legend("0, or below", "as given above a map, or beyond")


def panel(ax: Axes, selection: Selection, here: pd.DataFrame, edges: tuple[bool, bool]) -> list[str]:
    """Draw one data set. Returns notes to write."""
    shown, norms = [q for q in QUANTITIES if (here["quantity"] == q).any()], selection.figure.norms
    last = int(here["epoch"].max())
    for quantity, row in zip(shown, heat.grid(ax, norms, len(shown), 0.06), strict=True):
        of_quantity = here[here["quantity"] == quantity]
        high = max(float(np.nanpercentile(of_quantity["mean"], 98)), LEAST if quantity in SHARES else 1e-3)
        for one, norm in zip(row, norms, strict=True):
            values = of_quantity[of_quantity["norm"] == norm].pivot(index="position", columns="epoch", values="mean")
            if len(values):
                heat.draw(one, values.reindex(columns=range(1, last + 1)).interpolate(axis=1).ffill(axis=1), high)
            end = f"{high:.0%}".replace("%", " %") if quantity in SHARES else f"{high:.2g}"
            one.set_title(f"{QUANTITIES[quantity]}, to {end}", size=8, weight="normal", loc="left", pad=2)
    for one, norm in zip(row, norms, strict=True):  # of the lowest row
        one.set_xticks([0.5, last - 0.5] if last > 1 else [0.5], ["1", f"{last}"][: 1 + (last > 1)], size=8)
        one.tick_params(length=0, pad=1)
        one.set_xlabel(f"epoch, {style.norm(norm).label}", size=8.5, color=style.norm(norm).color, labelpad=0)
    return []
