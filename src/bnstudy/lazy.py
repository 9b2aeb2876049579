"""torch, imported at its first use.

Checking a config needs the names in the registries and must take well under a second, but importing torch takes two
to five. So modules that only declare choices write `from bnstudy.lazy import torch`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch as torch
else:

    class _Lazy:
        def __init__(self, module: str):
            self._module = module

        def __getattr__(self, name: str):
            return getattr(import_module(self._module), name)

    torch = _Lazy("torch")
