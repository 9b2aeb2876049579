"""Networks written by hand in numpy: formulas for every forward and backward pass, no automatic differentiation.

The three course reports begin with such networks. Docstrings give the formulas, docs/derivation.md derives them.
Numpy only. Notation of the docstrings: S samples as rows, M inputs, N outputs or units; G = dL/dY is the gradient from
above, in the shape of the output Y; `*` multiplies element by element.

    net = Sequential(linear(3072, 100, generator), ReLU(), linear(100, 10, generator))
    loss, sgd = SoftmaxCrossEntropy(), SGD(net.parameters, lr=0.002)
    value = loss.forward(net.forward(images), one_hot)
    net.backward(loss.backward())
    sgd.step(net.gradients)
"""

from bnstudy.networks.byhand.activations import ELU, LeakyReLU, PReLU, ReLU, Sigmoid, Softplus, Tanh
from bnstudy.networks.byhand.convolution import Conv2d, MaxPool2d
from bnstudy.networks.byhand.linear import Linear, linear
from bnstudy.networks.byhand.losses import CrossEntropy, Softmax, SoftmaxCrossEntropy
from bnstudy.networks.byhand.module import Array, Module
from bnstudy.networks.byhand.norms import BatchNorm, LayerNorm
from bnstudy.networks.byhand.sequential import Sequential
from bnstudy.networks.byhand.sgd import SGD

__all__ = [
    "ELU", "SGD", "Array", "BatchNorm", "Conv2d", "CrossEntropy", "LayerNorm", "LeakyReLU", "Linear", "MaxPool2d",
    "Module", "PReLU", "ReLU", "Sequential", "Sigmoid", "Softmax", "SoftmaxCrossEntropy", "Softplus", "Tanh", "linear",
]  # fmt: skip
