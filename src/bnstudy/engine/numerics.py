"""What fixes the bits of CUDA arithmetic: deterministic kernels, and TF32 or not by the cell's precision."""

import os

import torch

CUBLAS_WORKSPACE = ":4096:8"  # a fixed workspace: cuBLAS gives the same bits on every stream


def settle(device: str, precision: str) -> None:
    """Set this process's CUDA arithmetic for a cell of this precision; does nothing for a CPU.

    `default` computes float32 products in TF32, `fp32` does not; `bf16` adds autocast, its rest is `default`.
    Call it before the process's first product on a GPU: cuBLAS reads its workspace once.
    """
    if not device.startswith("cuda"):
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", CUBLAS_WORKSPACE)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    products = "ieee" if precision == "fp32" else "tf32"
    torch.backends.cuda.matmul.fp32_precision = products
    torch.backends.cudnn.conv.fp32_precision = products  # type: ignore[attr-defined]
