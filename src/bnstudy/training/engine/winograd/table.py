"""Which form computes a convolution fastest: by its shape and the processor's instruction set, never by a clock.

A choice by timing would differ from one start to the next, and with it the bits of a training.
"""

import torch

Rule = tuple[str, int]
"""A form, and from how many weights per tap (inputs times outputs) on it is faster than torch's convolution."""

FASTEST: dict[str, dict[int, tuple[Rule, ...]]] = {
    "AVX2": {2: (("toeplitz", 0),), 4: (("f4", 0),), 8: (("f4", 64 * 64),), 16: (("f4", 64 * 128),)},
    "AVX512": {
        2: (("toeplitz", 0),),
        4: (("f4", 0),),
        8: (("f4", 64 * 64),),
        16: (("f4", 64 * 128),),
        32: (("f4", 64 * 64),),
    },
}
"""Instruction set -> side of the maps -> rules, of which the first that applies counts; where none does, torch's own.

docs/performance.md has the measurements.
"""


def is_measured() -> bool:
    """Return True if the table knows this processor's instruction set."""
    return torch.backends.cpu.get_cpu_capability() in FASTEST


def choose(inputs: int, maps: int, side: int) -> str | None:
    """The form for a convolution from `inputs` to `maps` maps of side x side on this processor; None: torch's own."""
    rules = FASTEST.get(torch.backends.cpu.get_cpu_capability(), {}).get(side, ())
    return next((name for name, weights in rules if inputs * maps >= weights), None)
