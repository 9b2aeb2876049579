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
    in_tf32 = precision != "fp32"
    set_tf32(products=in_tf32, convolutions=in_tf32)


def set_tf32(products: bool, convolutions: bool) -> None:
    """Switch TF32 on or off on CUDA devices, for matrix products and for cuDNN (convolutions, recurrent layers).

    torch has an old and a new interface to these switches and raises wherever it reads one after the other was set
    differently: in `torch.get_float32_matmul_precision`, `cudnn.flags`, inductor. So both are set here: the old one
    first, since it also resets the new one, to a value that follows `torch.backends.fp32_precision`.
    """
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = products, convolutions
    torch.backends.cuda.matmul.fp32_precision = "tf32" if products else "ieee"
    torch.backends.cudnn.conv.fp32_precision = "tf32" if convolutions else "ieee"  # type: ignore[attr-defined]
    torch.backends.cudnn.rnn.fp32_precision = "tf32" if convolutions else "ieee"  # type: ignore[attr-defined]


def fix_workspace() -> None:
    """Give cuBLAS a fixed workspace. cuBLAS reads this once, at the first product on a GPU."""
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = CUBLAS_WORKSPACE


def layout(model: nn.Module) -> torch.memory_format:
    """Memory layout of the weights: channels last for a network with convolutions, on every device.

    Images may have either layout; a convolution uses that of its weights. On a CPU this shortens the CNN's step by a
    quarter at width 1/4 and by 5 % at full width (docs/performance.md); on a GPU it is the layout that TF32 needs.
    """
    convolves = any(isinstance(module, nn.Conv2d) for module in model.modules())
    return torch.channels_last if convolves else torch.contiguous_format
