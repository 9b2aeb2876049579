"""2.2 splits, 2.3 standardization, 2.4 whitening, 6.1 samples: the data before training."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from matplotlib.figure import Figure as Page
from matplotlib.patches import Patch

from bnstudy import datasets
from bnstudy.design.cell import Cell
from bnstudy.design.labels import THESIS_DATASETS
from bnstudy.errors import DataError
from bnstudy.figures import style
from bnstudy.illustrations import Background
from bnstudy.illustrations.canvas import BLUE, GREEN, ORANGE, RAW, bare, crossed, page, square

COVARIANCE = ((3.0, 1.6), (1.6, 1.2))
MEAN = (3.0, 2.0)
ROWS = 4


def splits(one: Background, narrow: bool) -> Page:
    """Draw the number of images in each part, split as training does."""
    from bnstudy.training.engine.inputs import split

    names = [name for name in datasets.REGISTRY if datasets.REGISTRY[name].kind == "download"]
    parts = (("training", BLUE), ("validation", ORANGE), ("test", GREEN))
    legend = [Patch(color=color, label=label) for label, color in parts]
    fig, (ax,) = page(one, ["Images (thousands)"], narrow, legend)
    for row, name in enumerate(names):
        spec = datasets.REGISTRY[name]
        train, held_out = split(Cell(dataset=name, model="mlp", norm="none"), None, np.zeros(spec.train, int))
        left = 0.0
        for count, (_, color) in zip((len(train), len(held_out), spec.test), parts, strict=True):
            ax.barh(row, count / 1000, left=left, color=color, height=0.62)
            if not narrow:
                ax.text(left + count / 2000, row, f"{count:,}", ha="center", va="center", color="white", size=8)
            left += count / 1000
    ax.set_yticks(range(len(names)), [style.dataset(name) for name in names], size=9)
    ax.tick_params(axis="y", length=0, pad=2)
    ax.invert_yaxis()
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return fig


def cloud() -> np.ndarray:
    """Return 500 draws of a correlated normal distribution: (500, 2)."""
    return np.random.default_rng(23).multivariate_normal(MEAN, COVARIANCE, 500)


def standardized(one: Background, narrow: bool) -> Page:
    raw = cloud()
    centred = raw - raw.mean(axis=0)
    shown = {"raw": raw, "centred": centred, "centred and scaled": centred / centred.std(axis=0)}
    return _clouds(one, shown, narrow)


def whitened(one: Background, narrow: bool) -> Page:
    centred = cloud() - cloud().mean(axis=0)
    axes, variances, _ = np.linalg.svd(np.cov(centred.T, bias=True))
    decorrelated = centred @ axes
    return _clouds(
        one, {"raw": cloud(), "decorrelated": decorrelated, "whitened": decorrelated / np.sqrt(variances)}, narrow
    )


def _clouds(one: Background, shown: dict[str, np.ndarray], narrow: bool) -> Page:
    fig, axes = page(one, list(shown), narrow)
    for ax, points in zip(axes, shown.values(), strict=True):
        square(ax, 6.5)
        crossed(ax)
        ax.scatter(*points.T, color=BLUE, **RAW)
        ax.text(0.97, 0.04, f"correlation {np.corrcoef(points.T)[0, 1]:.2f}".replace("-0.00", "0.00"),
                transform=ax.transAxes, ha="right", size=9.5, color=style.GREY)  # fmt: skip
    return fig


def samples(one: Background, narrow: bool) -> Page:
    """Draw the first images of ten classes of each of the thesis's data sets that is on this machine."""
    found = dict(_here(THESIS_DATASETS)) or dict(_here(["digits"]))
    fig, axes = page(one, [style.dataset(name) for name in found], narrow)
    for ax, excerpt in zip(axes, found.values(), strict=True):
        ax.imshow(excerpt.samples.transpose(1, 2, 0), interpolation="nearest", aspect="equal")
        bare(ax)
    return fig


TASKS = {"a digit": ("mnist", "digits"), "a thing": ("cifar10",)}
"""Data sets that show each task, the first that is on this machine."""
THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""The classes of CIFAR-10 by index."""
SHOWN = 8


def tasks(one: Background, narrow: bool) -> Page:
    """Draw test images of a task with digits and, if CIFAR-10 is here, of one with things, each with its class."""
    found = [there[0] for names in TASKS.values() if (there := list(_here(names)))]
    titles = [f"{task}: {style.dataset(name)}" for task, (name, _) in zip(TASKS, found, strict=False)]
    fig, axes = page(one, titles, narrow)
    for ax, (name, excerpt) in zip(axes, found, strict=True):
        columns = SHOWN // 2
        for i, (image, label) in enumerate(excerpt.tested):
            row, column = divmod(i, columns)
            place = (column / columns + 0.01, 0.54 - row / 2, 1 / columns - 0.02, 0.42)
            inset = ax.inset_axes(place)
            inset.imshow(image.transpose(1, 2, 0))
            inset.set_title(THINGS[label] if name == "cifar10" else str(label), size=9, weight="normal", pad=2)
            bare(inset)
        ax.plot([], [])
        bare(ax)
    return fig


@dataclass(frozen=True)
class Excerpt:
    """Images of a data set, in colour: channels first.

    samples   the first ROWS training images of up to ten classes, a column each, as one picture
    tested    the first SHOWN test images, each with its label
    """

    samples: np.ndarray
    tested: list[tuple[np.ndarray, int]]


def _here(names: Sequence[str]) -> Iterator[tuple[str, Excerpt]]:
    """Yield those of these data sets that are on this machine."""
    for name in names:
        with contextlib.suppress(DataError):
            yield name, _excerpt(name, datasets.stamp(name))


@cache
def _excerpt(name: str, stamp: tuple[str, int, int]) -> Excerpt:
    """Return the excerpt of a data set whose file is as `stamp` says: both pages of both figures show it."""
    arrays = datasets.load(name)
    classes = np.unique(arrays.train_labels)[:: max(1, len(np.unique(arrays.train_labels)) // 10)][:10]
    columns = [arrays.train_images[np.flatnonzero(arrays.train_labels == c)[:ROWS]] for c in classes]
    grid = np.concatenate([np.concatenate(list(column), axis=1) for column in columns], axis=2)
    tested = zip(arrays.test_images[:SHOWN], arrays.test_labels[:SHOWN].tolist(), strict=True)
    return Excerpt(_coloured(grid), [(_coloured(image), label) for image, label in tested])


def _coloured(image: np.ndarray) -> np.ndarray:
    return np.repeat(image, 3, axis=0) if len(image) == 1 else image
