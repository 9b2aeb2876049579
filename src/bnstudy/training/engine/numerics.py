"""What fixes the bits of the arithmetic: deterministic kernels, TF32 or not by the cell's precision, memory layout."""

import os

import torch
from torch import nn

CUBLAS_WORKSPACE = ":4096:8"  # a fixed workspace: cuBLAS gives the same bits on every stream


def settle(device: str, precision: str) -> None:
    """Set this process's CUDA arithmetic for a cell of this precision; does nothing for a CPU.

    `default` computes float32 products in TF32, `fp32` does not; `bf16` adds autocast, its rest is `default`.
    Call it before the process's first product on a GPU (see `fix_workspace`).
    """
    if not device.startswith("cuda"):
        return
    fix_workspace()
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    products = "ieee" if precision == "fp32" else "tf32"
    torch.backends.cuda.matmul.fp32_precision = products
    torch.backends.cudnn.conv.fp32_precision = products  # type: ignore[attr-defined]


def fix_workspace() -> None:
    """Give cuBLAS a fixed workspace, unless it has one. It reads this once, at the first product on a GPU."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", CUBLAS_WORKSPACE)


def layout(model: nn.Module) -> torch.memory_format:
    """Where weights lie in memory: channels last in a network with convolutions, on every device.

    Images may come in either layout, a convolution follows its weights. On a CPU the step of the CNN is shorter by a
    quarter at a quarter of its width and by 5 % at full width (docs/performance.md); on a GPU it is what TF32 wants.
    """
    convolves = any(isinstance(module, nn.Conv2d) for module in model.modules())
    return torch.channels_last if convolves else torch.contiguous_format
