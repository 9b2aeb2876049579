"""Modules in a row."""

from bnstudy.networks.byhand.module import Array, Module


class Sequential(Module):
    """The composition of its modules: forward from the first to the last, backward from the last to the first.

    Parameters are named `<place>.<name>`; they are the modules' own arrays.
    """

    def __init__(self, *modules: Module):
        super().__init__()
        self.modules = modules
        self.parameters = {f"{i}.{name}": p for i, m in enumerate(modules) for name, p in m.parameters.items()}

    def forward(self, x: Array) -> Array:
        for module in self.modules:
            x = module.forward(x)
        return x

    def backward(self, g: Array) -> Array:
        for module in reversed(self.modules):
            g = module.backward(g)
        self.gradients = {f"{i}.{name}": d for i, m in enumerate(self.modules) for name, d in m.gradients.items()}
        return g

    def train(self, mode: bool = True) -> None:
        super().train(mode)
        for module in self.modules:
            module.train(mode)
