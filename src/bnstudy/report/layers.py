"""The section `layers`: section 3.3 measured on one layer, read from the data that its figures show."""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from bnstudy.design.labels import SETTINGS
from bnstudy.illustrations import LAYERS

VARIANTS = {("none", False): "vanilla", ("batch", False): "batch norm, epsilon 0", ("batch", True): "batch norm"}
SHAPES = {("none", "relu"): "vanilla", ("batch", "relu"): "batch norm", ("batch", "linear"): "batch norm, no ReLU"}
CLAIMS = ("G24", "G25")


def of_page(folder: Path) -> dict[str, Any]:
    """The tables of the section, from the plotted data that its figures have in this folder."""
    scaling, spectra = (pd.read_csv(folder / f"{figure.stem}.csv") for figure in (LAYERS["L1"], LAYERS["L2"]))
    return {"scaling": scaling_rows(scaling), "spectra": spectrum_rows(spectra), "claims": CLAIMS}


def scaling_rows(found: pd.DataFrame) -> list[dict[str, str]]:
    """Per kind of layer: changes by weights of the thesis's low and high deviation (7.1.3) against kaiming's, in
    percent, and the exponent of the weights' gradient over all scales."""
    rows = []
    for (norm, with_eps), title in VARIANTS.items():
        own = found[(found["norm"] == norm) & ((found["eps"] > 0) == with_eps)]
        row = {"title": title, "exponent": f"{exponent(own):+.3f}".replace("-", "−").replace("+0.000", "0.000")}
        for name in ("low", "high"):
            std = SETTINGS[f"init_{name}"]["init_std"]
            at = own.loc[(own["std"] - std).abs().idxmin()]
            row |= {f"output_{name}": percent(at["output"]), f"input_{name}": percent(at["input_gradient"])}
        rows.append(row)
    return rows


def exponent(found: pd.DataFrame) -> float:
    """p of weight_size ~ scale^p, by least squares on logarithms."""
    x, y = found["scale"].map(math.log10), found["weight_size"].map(math.log10)
    return float(x.cov(y) / x.var())


def spectrum_rows(found: pd.DataFrame) -> list[dict[str, Any]]:
    """Per initialization and kind of layer: the largest and the median singular value, and the share in [1/2, 2]."""
    rows = []
    for init, own in found.groupby("init", sort=False):
        cells = []
        for norm, layer in SHAPES:
            values = own[(own["norm"] == norm) & (own["layer"] == layer)]["value"]
            near = ((values >= 0.5) & (values <= 2)).mean()
            cells.append([f"{values.max():.3g}", f"{values.median():.2g}", f"{100 * near:.0f} %"])
        title = init if init == "kaiming" else f"N(0, {float(str(init)):g}²)"
        rows.append({"title": title, "cells": cells})
    return rows


def percent(share: float) -> str:
    """3 digits; what is below a millionth of a percent as a power of ten."""
    if 0 < 100 * share < 1e-6:
        return f"10{str(math.floor(math.log10(100 * share))).translate(SUPERSCRIPTS)}"
    return f"{100 * share:,.3g}" if share < 10 else f"{100 * share:,.0f}"


SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
