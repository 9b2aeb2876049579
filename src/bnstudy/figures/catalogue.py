"""What each figure of chapter 7 shows, and what the thesis sees in it, in our own words; and FAMILIES, which show what
the thesis measures or speaks of and prints no figure of.

Only data: titles and captions follow from it. The data sets are those of the study that is drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from bnstudy.design.labels import ALL_SETTINGS, NORMS
from bnstudy.errors import UsageError, listed, nearest

SIZED = ("batch_32", "relu", "batch_128", "batch_256", "batch_512", "batch_1024")  # relu: the baseline has 64


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of figure: its title, what its axes are, the module that draws it, and of what (`settings`, `norms`, or
    neither) a figure has one alone, since its curves differ in the other.

    The module has `plotted(selection)`, `legend(selection)` and `panel(ax, selection, here, edges)`; it may have
    `subject(figure)`, `notes(selection, here)`, `lacks(selection, here)`, `footer(selection)`,
    `layout(count, narrow)`, `drawable(selection)` and `state(selection)` in place of those of `bnstudy.figures.kinds`.
    """

    title: str
    explained: str
    module: str
    one: str = ""

    def function(self, name: str) -> Callable[..., Any]:
        """The function of this name of the kind's module, or else of `bnstudy.figures.kinds`."""
        usual = import_module("bnstudy.figures.kinds")
        return getattr(import_module(self.module), name, None) or getattr(usual, name)


KINDS: dict[str, Kind] = {
    "training_curves": Kind(
        "Loss and validation accuracy",
        "Training loss with its penalty (dashed, left axis) and validation accuracy (solid, right axis), epoch by "
        "epoch; at epoch 0 the accuracy before training.",
        "bnstudy.figures.training_curves",
        "settings",
    ),
    "mean_gradients": Kind(
        "Mean gradients",
        "Mean absolute gradient of all weight entries, of the loss with its penalty, over 16 steps of each epoch; "
        "biases and the scale and shift of the normalization are left out. The thesis's program logs the signed mean, "
        "which bnstudy figure --signed draws. Of a seed an epoch in which one of these steps has no finite gradient is "
        "left out; of a published run every fifth epoch after the 20th is kept, with straight lines between.",
        "bnstudy.figures.mean_gradients",
        "settings",
    ),
    "validation_comparison": Kind(
        "Validation accuracy",
        "Validation accuracy before training (epoch 0) and after each epoch; the baseline has a learning rate of 0.01, "
        "Kaiming weights and no regularizer.",
        "bnstudy.figures.validation_comparison",
        "norms",
    ),
    "batch_sizes": Kind(
        "Test accuracy by batch size",
        "Test accuracy after training with each batch size, the rest as in the baseline.",
        "bnstudy.figures.batch_sizes",
    ),
    "penalties": Kind(
        "Data loss and penalty apart",
        "Mean of each over the batches of an epoch (5.3): the data loss (solid) and the penalty as it is added to it "
        "(dashed).",
        "bnstudy.figures.penalties",
        "settings",
    ),
    "activations": Kind(
        "Activations by layer and epoch",
        "Of each hidden layer (first at the top) in training mode, over 16 steps of each epoch (5.1, 8.1.1): the mean "
        "of the activations, their standard deviation, and the shares that are zero or, of sigmoids, saturated (below "
        "0.05 or above 0.95); dead units are zero for each of a fixed batch of images after the epoch.",
        "bnstudy.figures.activations",
        "settings",
    ),
    "confusion": Kind(
        "Answers by class",
        "Share of the test images of each class (rows) that get each answer (columns), by the tested weights; the "
        "diagonal holds the accuracy of each class.",
        "bnstudy.figures.confusion",
        "settings",
    ),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the thesis: cells of these settings and norms, of one model.

    id           its number in the thesis
    section      the section of the thesis that shows it; empty if none does
    observation  what the thesis sees in it
    Raises UsageError on an unknown kind, and on several settings or norms where the kind draws one.
    """

    id: str
    kind: str
    model: str
    settings: tuple[str, ...]
    norms: tuple[str, ...]
    section: str = ""
    observation: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            cause = f"figure {self.id}: {self.kind}: no such kind of figure{nearest(self.kind, KINDS)}"
            raise UsageError(cause, f"Kinds: {', '.join(KINDS)}.")
        one = KINDS[self.kind].one
        if one and len(given := getattr(self, one)) != 1:
            several = ", ".join(name for name, kind in KINDS.items() if kind.one != one)
            cause = f"figure {self.id}: the kind {self.kind} draws one of the {one}, not {len(given)}"
            raise UsageError(cause, f"Write a figure for each; kinds that draw several: {several}.")

    @property
    def drawn_by(self) -> Kind:
        return KINDS[self.kind]

    @property
    def title(self) -> str:
        """One line, for instance `Mean gradients: CNN, learning rate 0.1`."""
        return f"{self.drawn_by.title}{self.drawn_by.function('subject')(self)}"

    @property
    def caption(self) -> str:
        """The title, and what the axes are."""
        return f"{self.title}. {self.drawn_by.explained}"

    @property
    def stem(self) -> str:
        """The file name without its ending: fig_7_16."""
        return "fig_" + self.id.replace(".", "_")


def _curves(id: str, model: str, setting: str, section: str, observation: str) -> Figure:
    return Figure(id, "training_curves", model, (setting,), NORMS, section, observation)


def _gradients(id: str, model: str, setting: str, section: str, observation: str) -> Figure:
    return Figure(id, "mean_gradients", model, (setting,), NORMS, section, observation)


def _comparison(id: str, model: str, settings: tuple[str, ...], section: str, observation: str) -> Figure:
    return Figure(id, "validation_comparison", model, settings, ("batch",), section, observation)


def _batch_sizes(id: str, model: str, section: str, observation: str) -> Figure:
    return Figure(id, "batch_sizes", model, SIZED, NORMS, section, observation)


ACTIVATIONS = ("relu", "elu")
RATES = ("lr_high", "relu", "lr_low")
INITS = ("init_high", "relu", "init_low")
REGULARIZERS = ("relu", "dropout", "weight_decay")

_ALL = (
    _curves("7.1", "mlp", "relu", "7.1.1",
            "batch norm ends moderately higher on every data set without being faster at the start; the vanilla "
            "loss drops at every cut of the learning rate, that of batch norm hardly; no accuracy decays."),
    _curves("7.2", "mlp", "sigmoid", "7.1.1",
            "batch norm is higher everywhere, by little on the digits and by several points on the CIFAR sets; "
            "vanilla rests on a short plateau early on SVHN; the loss of batch norm falls steeply, then flattens "
            "sooner, except on CIFAR100."),
    _curves("7.3", "mlp", "elu", "7.1.1",
            "vanilla converges faster; batch norm ends higher except on MNIST, where vanilla leads slightly."),
    _comparison("7.4", "mlp", ACTIVATIONS, "7.1.1",
                "with batch norm ELU is ahead of ReLU by very little, except on MNIST (whether vanilla is drawn "
                "too is not said)."),
    _curves("7.5", "mlp", "lr_high", "7.1.2",
            "vanilla breaks down on all data sets: on MNIST it learns until its loss shoots up near epoch 5; "
            "batch norm trains well."),
    _gradients("7.6", "mlp", "lr_high", "7.1.2",
               "the vanilla gradients blow up at the start, less so on MNIST; then the ReLUs are dead and "
               "learning stops."),
    _curves("7.7", "mlp", "lr_low", "7.1.2",
            "the two hardly differ, with a somewhat higher loss for batch norm, which falls behind on CIFAR100; "
            "both overfit a little (the printed caption calls the rate increased by mistake)."),
    _comparison("7.8", "mlp", RATES, "7.1.2",
                "the low rate is the slowest and the least accurate; the high rate does not diverge and beats it."),
    _curves("7.9", "mlp", "init_high", "7.1.3",
            "the vanilla loss explodes at once and is off the plot, its accuracy is that of a constant guess "
            "(higher on SVHN); batch norm converges slowly."),
    _curves("7.10", "mlp", "init_low", "7.1.3",
            "vanilla stays at a constant guess; batch norm converges fast, which is put down to larger gradients "
            "for smaller weights."),
    _comparison("7.11", "mlp", INITS, "7.1.3",
                "the large weights are clearly worst; the tiny ones are slightly above Kaiming's."),
    _curves("7.12", "mlp", "dropout", "7.1.4",
            "batch norm is faster and more accurate everywhere; the steps in the loss nearly vanish, and the loss "
            "stays well above that without dropout."),
    _curves("7.13", "mlp", "weight_decay", "7.1.4",
            "both are more accurate than the baseline and closer to each other; batch norm has the higher loss "
            "and the higher accuracy."),
    _comparison("7.14", "mlp", REGULARIZERS, "7.1.4",
                "dropout is worst, a little weight decay is slightly best."),
    _batch_sizes("7.15", "mlp", "7.1.5",
                 "batch norm is above vanilla for batches under 256 and falls steadily as they grow; vanilla is "
                 "worse with small batches."),
    _curves("7.16", "cnn", "relu", "7.2.1",
            "batch norm is slightly ahead, on CIFAR100 by far and much sooner; both reach almost no loss within a "
            "few epochs."),
    _gradients("7.17", "cnn", "relu", "7.2.1",
               "the vanilla gradients start higher, shrink and vanish; those of batch norm are steady until the "
               "loss is almost gone and stay above zero."),
    _curves("7.18", "cnn", "sigmoid", "7.2.1",
            "vanilla never leaves the constant guess; batch norm learns, with a strongly fluctuating accuracy."),
    _gradients("7.19", "cnn", "sigmoid", "7.2.1",
               "hardly any gradient for vanilla, a clear one for batch norm."),
    _curves("7.20", "cnn", "elu", "7.2.1",
            "batch norm gains clearly neither in speed nor in accuracy."),
    _gradients("7.21", "cnn", "elu", "7.2.1",
               "the gradients behave somewhat better than with ReLU."),
    _comparison("7.22", "cnn", ACTIVATIONS, "7.2.1",
                "ReLU with batch norm is best."),
    _curves("7.23", "cnn", "lr_high", "7.2.2",
            "vanilla stops learning at once; batch norm learns almost as at the usual rate and levels off early."),
    _gradients("7.24", "cnn", "lr_high", "7.2.2",
               "the vanilla gradients explode at the start, except on CIFAR100, where nothing is learned either; "
               "those of batch norm do not."),
    _curves("7.25", "cnn", "lr_low", "7.2.2",
            "batch norm leads by more than at the usual rate, yet below its own accuracy at higher rates; vanilla "
            "is far slower."),
    _gradients("7.26", "cnn", "lr_low", "7.2.2",
               "comparable on MNIST and SVHN; on the CIFAR sets the vanilla gradients are much larger and "
               "rougher."),
    _comparison("7.27", "cnn", RATES, "7.2.2",
                "the high rate helps or does no harm, except on CIFAR100; the low one is less accurate and slower "
                "everywhere."),
    _curves("7.28", "cnn", "init_high", "7.2.3",
            "vanilla stays at a constant guess; batch norm learns steadily and ends far below a proper "
            "initialization."),
    _gradients("7.29", "cnn", "init_high", "7.2.3",
               "the vanilla weights are not updated properly; the gradients of batch norm are higher early on "
               "MNIST and SVHN, and flat with a slight rise late on the CIFAR sets."),
    _curves("7.30", "cnn", "init_low", "7.2.3",
            "vanilla stays at a constant guess; batch norm has almost no loss left much sooner than with large "
            "weights."),
    _gradients("7.31", "cnn", "init_low", "7.2.3",
               "the gradients of batch norm are larger than with large weights."),
    _comparison("7.32", "cnn", INITS, "7.2.3",
                "Kaiming's weights are best overall, the tiny ones far above the large ones."),
    _curves("7.33", "cnn", "dropout", "7.2.4",
            "training is much slower; vanilla is level with batch norm or above, except on CIFAR100, and reaches "
            "some of the best accuracies of the study."),
    _gradients("7.34", "cnn", "dropout", "7.2.4",
               "the gradients are steadier, as with batch norm, after a spike right at the start."),
    _curves("7.35", "cnn", "weight_decay", "7.2.4",
            "the loss stays away from zero, for it holds the penalty; batch norm leads everywhere, by almost ten "
            "points on CIFAR100."),
    _gradients("7.36", "cnn", "weight_decay", "7.2.4",
               "batch norm is close to its baseline, vanilla a little calmer than its own."),
    _comparison("7.37", "cnn", REGULARIZERS, "7.2.4",
                "weight decay helps everywhere; dropout is slower and ends higher on SVHN and CIFAR10."),
    _batch_sizes("7.38", "cnn", "7.2.5",
                 "batch norm is above vanilla at every batch size; both fall as batches grow."),
    _curves("7.39", "cnn", "batch_1024", "7.2.5",
            "vanilla starts slowly and its loss fluctuates strongly; batch norm does neither."),
    _gradients("7.40", "cnn", "batch_1024", "7.2.5",
               "the vanilla gradients fluctuate strongly together with the loss; those of batch norm are calmer."),
)  # fmt: skip

REGISTRY: dict[str, Figure] = {figure.id: figure for figure in _ALL}


ROWS = tuple(setting for setting in ALL_SETTINGS if not setting.startswith("batch_"))


def _family(letter: str, kind: str, *settings: str) -> list[Figure]:
    cells = [(model, setting) for model in ("mlp", "cnn") for setting in settings]
    return [Figure(f"{letter}.{i}", kind, *cell[:1], cell[1:], NORMS) for i, cell in enumerate(cells, 1)]


FAMILIES: dict[str, Figure] = {
    figure.id: figure
    for figure in (
        *_family("D", "penalties", "weight_decay"),
        *_family("A", "activations", *ROWS),
        *_family("C", "confusion", *ROWS),
    )
}
"""Figures beside those of the thesis, one per model and setting."""


def find(id: str) -> Figure:
    """The figure with this number. Raises UsageError naming the nearest."""
    return REGISTRY[listed(id, REGISTRY, "figure", "List the figures with `bnstudy figures`.")]
