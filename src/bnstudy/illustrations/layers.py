"""L1 and L2: measurements for the statements of section 3.3 about one layer with batch norm."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Page
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from bnstudy.figures import style
from bnstudy.illustrations import Background
from bnstudy.illustrations.canvas import BLUE, GREEN, ORANGE, PURPLE, page
from bnstudy.illustrations.measured_layers import HIGH, LOW, scaling, spectra

VARIANTS = {
    "vanilla": ("none", False, BLUE, "solid"),
    "batch norm": ("batch", True, GREEN, "solid"),
    "batch norm, epsilon 0": ("batch", False, PURPLE, style.DASHED),
}
QUANTITIES = {
    "output, change": "output",
    "gradient of the input, change": "input_gradient",
    "gradient of the weights, size": "weight_size",
}
INITS = {"1": (ORANGE, 5.0), "kaiming": ("#222222", 3.4), "0.1": ("#E5C100", 2.2), "0.01": ("#3D9BD9", 1.0),
         "0.0001": ("#CC79A7", 1.8)}  # fmt: skip
"""Colour and width: thinner lines over thicker ones, so that coinciding lines are all visible."""
LAYERS = {
    "vanilla": ("none", "relu"),
    "batch norm": ("batch", "relu"),
    "batch norm, no ReLU": ("batch", "linear"),
}
LEAST = 1e-4  # smaller singular values belong to inactive units: zero up to rounding


def scaled(one: Background, narrow: bool) -> Page:
    legend = [Line2D([], [], color=c, linestyle=d, label=k) for k, (_, _, c, d) in VARIANTS.items()]
    footer = (
        "Against the weights as kaiming draws them (a = 1); dotted: the thesis's weights of deviation 0.0001 and 1."
    )
    fig, axes = page(one, list(QUANTITIES), narrow, legend, footer)
    found = scaling()
    for ax, column in zip(axes, QUANTITIES.values(), strict=True):
        _lines(ax, found, column)
        for std in (LOW, HIGH):
            ax.axvline(found["scale"][found["std"].sub(std).abs().idxmin()], color=style.GREY, linestyle=":", lw=1)
        ax.set(xscale="log", yscale="log", xlabel="factor a on the weights")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(LogLocator(numticks=6))
    return fig


def _lines(ax: Axes, found: pd.DataFrame, column: str) -> None:
    for norm, with_eps, color, dash in VARIANTS.values():
        own = found[(found["norm"] == norm) & ((found["eps"] > 0) == with_eps)]
        values = own[column].where(own[column] > 0)  # a logarithmic axis cannot show the zero change at a = 1
        ax.plot(own["scale"], values, color=color, linestyle=dash)


def spectrum(one: Background, narrow: bool) -> Page:
    legend = [Line2D([], [], color=c, linewidth=w, label=_label(init)) for init, (c, w) in INITS.items()]
    footer = (
        "Singular values in falling order, median over images. What is not drawn is zero: units at rest. Pale grey: 1."
    )
    fig, axes = page(one, list(LAYERS), narrow, legend, footer)
    found = spectra()
    for ax, (norm, layer) in zip(axes, LAYERS.values(), strict=True):
        ax.axhline(1, color="#CFCFCF", linewidth=4, zorder=0)
        own = found[(found["norm"] == norm) & (found["layer"] == layer)]
        for init, (color, width) in INITS.items():
            values = own[own["init"] == init]
            shown = values["value"].where(values["value"] > LEAST / 10)
            ax.plot(values["rank"], shown, color=color, linewidth=width)
        ax.set(yscale="log", ylim=(LEAST, 30), xlim=(1, found["rank"].max()), xlabel="rank")
        ax.set_xticks(np.array([1, 25, 50, 75, 100]))
    return fig


def _label(init: str) -> str:
    return init if init == "kaiming" else f"N(0, {init}²)"
