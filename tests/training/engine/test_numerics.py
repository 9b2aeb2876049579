"""The switches of CUDA's arithmetic, which can be set and read without a GPU: torch must find them consistent."""

import itertools
import os
from typing import get_args, get_type_hints

import pytest
import torch

from bnstudy import datasets
from bnstudy.design.cell import Cell, Run
from bnstudy.training.engine import numerics, reference
from bnstudy.training.engine.inputs import prepare

DEVICE = "cuda:0"
ARRAYS = datasets.load("toy", None)
PRECISIONS = get_args(get_type_hints(Cell)["precision"])


def switches() -> list:
    """(owner, attribute) of every switch that `settle` sets."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    new = [(owner, "fp32_precision") for owner in (cuda, cudnn.conv, cudnn.rnn)]
    return [(cuda, "allow_tf32"), (cudnn, "allow_tf32"), *new, (cudnn, "deterministic"), (cudnn, "benchmark")]


@pytest.fixture(autouse=True)
def _put_back(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", numerics.CUBLAS_WORKSPACE)
    before = [(owner, name, getattr(owner, name)) for owner, name in switches()]
    overall = torch.backends.fp32_precision
    yield
    torch.backends.fp32_precision = overall
    for owner, name, value in before:
        setattr(owner, name, value)


def read_by_both_interfaces() -> dict[str, bool]:
    """True where TF32 is on. torch raises here if its two interfaces disagree."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    with cudnn.flags(enabled=True):
        found = {"old products": cuda.allow_tf32, "new products": cuda.fp32_precision == "tf32"}
    found["named products"] = torch.get_float32_matmul_precision() == "high"
    found["old convolutions"] = cudnn.allow_tf32
    for name, layers in (("convolutions", cudnn.conv), ("recurrent layers", cudnn.rnn)):
        found[name] = layers.fp32_precision == "tf32"
    return found


def step_on_cpu() -> list[torch.Tensor]:
    """Weights after one step of a narrow CNN on a CPU."""
    cell = Cell(dataset="toy", model="cnn", norm="batch", width=1 / 16, train_size=100)
    training = reference.Training(Run(cell, 0), prepare(cell, 0, ARRAYS), "cpu")
    training.model.train()
    training._update(training.data.train_images[:16], training.data.train_labels[:16], None)
    return [parameter.detach() for parameter in training.model.parameters()]


@pytest.mark.parametrize("states", list(itertools.product(PRECISIONS, PRECISIONS)), ids="-".join)
def test_torch_finds_its_two_interfaces_in_agreement(states):
    """In every state, whichever came before; and a step on a CPU has the same bits before and after."""
    before, on_cpu = step_on_cpu(), torch.backends.mkldnn.matmul.fp32_precision
    for precision in states:
        numerics.settle(DEVICE, precision)
        assert set(read_by_both_interfaces().values()) == {precision != "fp32"}
    assert torch.backends.mkldnn.matmul.fp32_precision == on_cpu
    assert all(map(torch.equal, step_on_cpu(), before))


def test_no_tf32_means_none_whatever_torch_prefers_overall():
    torch.backends.fp32_precision = "tf32"
    numerics.settle(DEVICE, "fp32")
    assert {getattr(owner, name) for owner, name in switches() if name == "fp32_precision"} == {"ieee"}


@pytest.mark.parametrize("half", [("matmul", "tf32"), ("conv", "ieee")], ids="-".join)
def test_the_reading_would_see_a_switch_set_by_halves(half):
    """One interface alone, as any program may have set it before."""
    numerics.set_tf32(products=False, convolutions=True)
    owner = {"matmul": torch.backends.cuda.matmul, "conv": torch.backends.cudnn.conv}[half[0]]
    owner.fp32_precision = half[1]
    with pytest.raises(RuntimeError, match="mix of the legacy and new APIs"):
        read_by_both_interfaces()
    numerics.settle(DEVICE, "default")
    assert set(read_by_both_interfaces().values()) == {True}


def test_products_and_convolutions_are_set_apart():
    numerics.set_tf32(products=False, convolutions=True)
    found = read_by_both_interfaces()
    assert [name for name, on in found.items() if on] == ["old convolutions", "convolutions", "recurrent layers"]


def test_a_cpu_leaves_the_switches_alone():
    torch.backends.cudnn.benchmark = True
    numerics.settle("cpu", "fp32")
    assert torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.conv.fp32_precision == "tf32"


def test_kernels_are_deterministic_and_the_workspace_is_fixed(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = False, True
    numerics.settle(DEVICE, "default")
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == (True, False)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == numerics.CUBLAS_WORKSPACE
