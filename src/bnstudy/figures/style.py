"""How a value looks: its label, colour, line and marker, the same in every figure. Data only.

Colours differ in lightness as well as in hue, and in line or marker, for print and for colour-blind readers (after
Okabe and Ito).
"""

import contextlib
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

from bnstudy import datasets


class Look(NamedTuple):
    """The label, colour, dash pattern and marker of a value."""

    label: str
    color: str
    line: Any = "solid"
    marker: str = "o"


DASHED, DASH_DOT, DOTTED = (0, (5, 2)), (0, (6, 2, 1.5, 2)), (0, (1.5, 1.5))
LOSS_DASH = (0, (3.5, 1.8))

NORMS: dict[str, Look] = {
    "none": Look("vanilla", "#1B4F9C"),
    "batch": Look("batch norm", "#17A062", marker="s"),
    "layer": Look("layer norm", "#D55E00", marker="^"),
    "group": Look("group norm", "#7A3E9D", marker="v"),
    "rms": Look("RMS norm", "#3D9BD9", marker="P"),
}

# Settings that are compared in one figure differ in colour and in dash; the baseline is black and solid in all.
SETTINGS: dict[str, Look] = {
    "relu": Look("ReLU baseline", "#222222"),
    "sigmoid": Look("sigmoid", "#CC79A7", DOTTED),
    "elu": Look("ELU", "#D55E00", DASHED),
    "lr_high": Look("learning rate 0.1", "#D55E00", DASHED),
    "lr_low": Look("learning rate 0.001", "#3D9BD9", DASH_DOT),
    "init_high": Look("weights from N(0, 1)", "#D55E00", DASHED),
    "init_low": Look("weights from N(0, 0.0001²)", "#3D9BD9", DASH_DOT),
    "dropout": Look("dropout 0.5", "#3D9BD9", DASH_DOT),
    "weight_decay": Look("weight decay 0.0005", "#D55E00", DASHED),
    "batch_32": Look("batch size 32", "#3D9BD9", DASH_DOT),
    "batch_128": Look("batch size 128", "#E69F00", DASHED),
    "batch_256": Look("batch size 256", "#D55E00", DASHED),
    "batch_512": Look("batch size 512", "#CC79A7", DOTTED),
    "batch_1024": Look("batch size 1024", "#7A3E9D", DOTTED),
    "relu_norm_after": Look("ReLU, norm after it", "#7A3E9D", DASHED),
}

MODELS = {"mlp": "MLP", "cnn": "CNN"}

DATA = {"mnist": ("#222222", "o"), "svhn": ("#3D9BD9", "s"), "cifar10": ("#D55E00", "^"), "cifar100": ("#7A3E9D", "D")}
"""Colour and marker of a data set that shares a panel with others."""

INK, GREY, PALE, WARNING = "#222222", "#6B6B6B", "#F1F1F1", "#A03000"

DARK = {
    "#ffffff": "#1A1F26", "#000000": "#E6E9EE", INK: "#E6E9EE", GREY: "#A9B3C0", PALE: "#262D36", WARNING: "#F0825A",
    "#1B4F9C": "#7FB0F5", "#7A3E9D": "#C79AE6", "#E4E4E4": "#333B46", "#ECECEC": "#333B46",
}  # fmt: skip
"""Colours that an SVG replaces where the reader prefers a dark scheme; the page's own dark ground is the first."""

RC = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib; an SVG names any sans-serif after it
    "font.size": 11.0,
    "axes.titlesize": 12.5,
    "axes.titleweight": "bold",
    "axes.titley": 1.0,  # else matplotlib looks for a free place, which is a tenth of the time a figure takes
    "axes.labelsize": 11.0,
    "axes.edgecolor": "#8A8A8A",
    "axes.linewidth": 0.8,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "legend.fontsize": 11.0,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: searchable, small, and sharp at every size
    "pdf.fonttype": 42,
    "figure.dpi": 100,
    "savefig.dpi": 150,
}

NARROW_RC = {"axes.labelsize": 10.0, "xtick.labelsize": 9.5, "ytick.labelsize": 9.5, "axes.titlesize": 11.5}


@contextlib.contextmanager
def look(narrow: bool = False, salt: str | None = None) -> Iterator[None]:
    """Draw by our settings on matplotlib's own, whatever a matplotlibrc of the user or of the working folder sets.

    narrow   for a phone's width
    salt     makes the ids of an SVG; without one they are random
    """
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        settings: dict[Any, Any] = RC | (NARROW_RC if narrow else {}) | {"svg.hashsalt": salt}
        matplotlib.rcParams.update(settings)
        yield


def norm(value: str) -> Look:
    """How a norm looks; one without an entry is grey and has its own name as label."""
    return NORMS.get(value, Look(value, GREY, marker="D"))


def setting(value: str) -> Look:
    return SETTINGS.get(value, Look(value, GREY, DOTTED))


def wrapped(value: str, width: int) -> str:
    """The label of a setting in lines of at most `width` letters, none of which ends inside N(0, 1)."""
    return textwrap.fill(setting(value).label.replace(", ", ",\N{NO-BREAK SPACE}"), width)


def model(value: str) -> str:
    return MODELS.get(value, value)


def dataset(value: str) -> str:
    """The title of a data set, as it declares it."""
    spec = datasets.REGISTRY.get(value)
    return spec.title if spec else value


def data(value: str) -> Look:
    """How the points of a data set look."""
    color, marker = DATA.get(value, (GREY, "v"))
    return Look(dataset(value), color, marker=marker)
