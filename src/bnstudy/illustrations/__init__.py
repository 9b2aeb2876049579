"""The figures of chapters 2, 3 and 6 that can be computed: real iterates, real layers, real samples.

This module only lists them; `render` draws them. Importing it imports neither matplotlib nor torch.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Background:
    """A figure of the thesis that shows no result.

    id        its number in the thesis
    topic     the module of this package whose `function` draws it
    seen      what it shows
    wide      True if it has several panels
    table     the function of that module that returns the plotted data; empty if there is none
    of_data   True if it shows images of the data sets on this machine
    """

    id: str
    topic: str
    function: str
    title: str
    seen: str
    wide: bool = True
    kind: str = "background"
    table: str = ""
    of_data: bool = False

    @property
    def stem(self) -> str:
        return "fig_" + self.id.replace(".", "_")


_ALL = (
    Background("2.1", "data", "tasks", "Two tasks of image classification",
               "Which digit, which kind of thing? Test images with their class, of the first data set of each kind "
               "that is on this machine.", of_data=True),
    Background("2.2", "data", "splits", "Training, validation and test part",
               "Images of each data set as this project splits them: a random tenth of the training set is held out.",
               wide=False),
    Background("2.3", "data", "standardized", "A cloud centred and scaled",
               "500 draws of a correlated normal distribution; subtracting the mean moves the cloud, dividing by the "
               "deviations (equations 2.5, 2.6) leaves it correlated."),
    Background("2.4", "data", "whitened", "A cloud decorrelated and whitened",
               "The same draws turned into the axes of their covariance, then divided by the deviations there "
               "(equations 2.7 to 2.9)."),
    Background("2.5", "descent", "momentum", "Momentum and Nesterov momentum",
               "Iterates of the two update rules of this project on a narrow quadratic valley, from the same start at "
               "the same rate: the look-ahead (equation 2.15) overshoots less than equation 2.14."),
    Background("2.6", "descent", "rates", "A learning rate too high, and one too low",
               "Loss at each step of gradient descent on half a square, whose best rate is 1: above 2 it grows, just "
               "below 2 it takes long, and far below 1 it hardly falls."),
    Background("2.7", "networks", "convolutional", "The convolutional network",
               "The network of table 6.3 as it is built here: the shape that each layer or pooling hands on, measured "
               "on a colour image of 32x32. Numbers of maps and of units are drawn on a logarithmic scale.",
               wide=False),
    Background("2.8", "networks", "connected", "A network of fully connected layers",
               "The MLP of table 6.2 as it is built here, with a share of its units and connections.", wide=False),
    Background("2.9", "convolution", "sliding", "A filter that slides over an image",
               "Each output is the sum of a field of the image times the filter, here of the field framed in orange. "
               "With several channels filter and field have as many, and all their products are one sum."),
    Background("2.10", "networks", "pooling", "Max pooling",
               "The largest of each 2x2 field at a stride of 2."),
    Background("2.11", "activations", "functions", "Activation functions",
               "Left those that saturate, right those that do not for positive inputs (equations 2.31 to 2.35, and "
               "softplus), as the networks here use them; slope 0.1 shows the leak, training uses 0.01."),
    Background("2.12", "descent", "landscape", "A loss landscape",
               "A loss of two weights, red high and blue low; from each start gradient descent finds another valley.",
               wide=False),
    Background("2.13", "descent", "penalties", "L1, L2 and elastic net penalties",
               "Weights whose penalty is at most 1 (equations 2.42 to 2.44), contours of a quadratic loss, and the "
               "best weights within: on the corner of L1 one weight is zero."),
    Background("2.14", "networks", "dropped", "No dropout, dropout and dropconnect",
               "A small network with masks of this project's dropout at probability 0.5: dropout takes units away, "
               "dropconnect single connections."),
    Background("3.1", "shift", "shifts", "Covariate shift, outside and inside of a network",
               "Left, training and test inputs drawn from two distributions. Then what the third hidden layer of an "
               "MLP hands on for the same 256 digits at several epochs: to the nonlinearity, and drifting, in the "
               "vanilla network; to the scale and shift of batch norm, standardized, where it cannot drift."),
    Background("6.1", "data", "samples", "Samples of the data sets",
               "The first training images of ten classes each, of those of the thesis's data sets that are on this "
               "machine (of the embedded digits if none is).", of_data=True),
)  # fmt: skip

REGISTRY: dict[str, Background] = {one.id: one for one in _ALL}

_LAYERS = (
    Background("L1", "layers", "scaled", "A layer whose weights are scaled",
               "The second hidden layer of the MLP at initialization on digits: inputs u, weights W times a. With "
               "batch norm without epsilon output and gradient of u stay the same, to rounding; the gradient of the "
               "weights falls as 1/a. The epsilon of training ends this where the variance of aWu nears it.",
               kind="layers", table="scaling"),
    Background("L2", "layers", "spectrum", "Singular values of a layer's Jacobian",
               "From what the second hidden layer's nonlinearity gets to what the third's gets, at initialization. "
               "Batch norm makes the values the same for weights of any size far above epsilon; it does not bring them "
               "near one.",
               kind="layers", table="spectra"),
    Background("L3", "chain", "chain", "A chain of linear units",
               "y = x w1 w2 ... wl (equations 3.6 to 3.8). A step on all weights changes y by products of all orders "
               "of its size, so the first-order prediction fails in deep chains. With batch norm between the units "
               "it is right: the weights before a norm do not change y.",
               kind="layers", table="steps"),
)  # fmt: skip

LAYERS: dict[str, Background] = {one.id: one for one in _LAYERS}
"""Measurements for section 3.3, of which the thesis has no figure."""
